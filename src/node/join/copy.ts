/**
 * Makes a node's data folder a copy of a live peer's (docs/adr/0011).
 *
 * Steps, and what a crash after each leaves:
 * 1. The journal is asked to keep what the copy will need.              Nothing.
 * 2. The donor's data goes to `pgdata.partial`.                         Removed by the next attempt; an old folder is untouched.
 * 3. The donor's verdict log goes to `verdicts.copy`; a mark into the copy. The same.
 * 4. The old folder, if there is one, is renamed `pgdata.old`.          No folder: the next start copies.
 * 5. `verdicts.copy` becomes `verdicts`.                                The same.
 * 6. `pgdata.partial` becomes `pgdata`.                                 A marked copy: the next start adopts it (adopt.ts).
 * 7. `pgdata.old` is removed.                                           Removed by the next copy.
 *
 * So a folder under its final name never stands beside another folder's verdicts.
 *
 * @module
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { windowDefault } from '../../core/certifier.ts'
import { AllwriteError } from '../../core/errors.ts'
import { nodeName, position as toPosition, type NodeId, type Position } from '../../core/ids.ts'
import type { Journal } from '../../journal/contract.ts'
import { endLeftover, syncFolder, takeBaseBackup } from '../../postgres/index.ts'
import { writeCopyMark } from './copy-mark.ts'
import { verdictsFile, type Donor } from './donor.ts'

/** How often the journal is told what to keep, ms; it forgets a silent node after 10 s. */
const reportMs = 1_000
/** How often progress is told, ms. */
const progressMs = 1_000

export interface CopyOptions {
  readonly node: NodeId
  readonly nodeDir: string
  readonly dataDir: string
  readonly fsync: boolean
  readonly journal: Journal
  readonly onProgress: (text: string) => void
  readonly now: () => number
  readonly signal: AbortSignal
}

/** @throws AllwriteError what the donor or the journal says; nothing has changed then, or there is no data folder */
export const copyDonor = async (options: CopyOptions, donor: Donor): Promise<void> => {
  const { node, nodeDir, dataDir, fsync, journal, signal } = options
  // The folder of a server that runs may have been removed, or be about to be.
  await endLeftover(dataDir)
  const old = `${dataDir}.old`
  rmSync(old, { recursive: true, force: true })
  using hold = await holdJournal(journal, node, signal)
  hold.from(await donor.position())
  const name = nodeName(donor.node)
  options.onProgress(`copying ${name}`)
  await takeBaseBackup({
    socket: await donor.replication(signal),
    target: dataDir,
    fsync,
    label: `allwrite ${nodeName(node)}`,
    onProgress: progressOf(options, name),
    signal,
    beforeRename: async (folder) => {
      const verdicts = join(nodeDir, `${verdictsFile}.copy`)
      writeFileSync(verdicts, donor.verdicts(), { mode: 0o600, flush: fsync })
      // Asked afterwards: the log may have forgotten what lies two windows before its node's position then.
      const { last } = await journal.tail(signal)
      if (!(await donor.vouched())) {
        throw new AllwriteError('unavailable', `${name} was found inconsistent, or ended, while it was copied`)
      }
      writeCopyMark(folder, { donor: donor.node, verdictsAt: last }, fsync)
      if (fsync) await syncFolder(folder)
      if (existsSync(dataDir)) renameSync(dataDir, old)
      renameSync(verdicts, join(nodeDir, verdictsFile))
      if (fsync) await syncFolder(nodeDir)
    },
  })
  rmSync(old, { recursive: true, force: true })
}

/** Tells how far the copy is, not too often. */
const progressOf = (options: CopyOptions, donor: string): ((bytes: number, total: number) => void) => {
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
  let toldAt = options.now()
  return (bytes, total) => {
    if (options.now() - toldAt < progressMs) return
    toldAt = options.now()
    options.onProgress(`copying ${donor}: ${mib(bytes)} of ${mib(Math.max(bytes, total))} MiB`)
  }
}

/**
 * Keeps the journal from forgetting what this node will read. Nothing at first; then, when it is known from where the copy goes
 * on at the least, one window before that: verdicts behind it need no more (RULES 9), and no chunk of a large writeset that can
 * still commit is older.
 */
const holdJournal = async (
  journal: Journal,
  node: NodeId,
  signal: AbortSignal,
): Promise<Disposable & { from(position: Position): void }> => {
  let safe = toPosition(Math.max(0, (await journal.tail(signal)).first - 1))
  const report = (): void => journal.report(node, safe)
  report()
  // The same connection answers in order: what is trimmed from here on is known to be ours.
  await journal.tail(signal)
  const timer = setInterval(report, reportMs)
  return {
    from(position) {
      safe = toPosition(Math.max(safe, position - windowDefault - 1))
      report()
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
