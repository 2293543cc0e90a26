/**
 * Makes a node's data folder a copy of a live peer's (docs/adr/0011).
 *
 * Steps, and what a crash after each leaves:
 * 1. The journal is asked to keep what the copy will need.              Nothing.
 * 2. The donor's data goes to `pgdata.partial`.                         Removed by the next attempt; an old folder is untouched.
 * 3. The donor's verdict log goes to `verdicts.copy`; a mark into the copy. The same.
 * 4. The old folder, if there is one, is renamed `pgdata.old`, or,
 *    if its data diverged, `pgdata.diverged` in place of an earlier one. No folder: the next start copies.
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
import { AllwriteError } from '../../core/errors.ts'
import { nodeName, type NodeId } from '../../core/ids.ts'
import type { Journal } from '../../journal/contract.ts'
import { endLeftover, syncFolder, takeBaseBackup } from '../../postgres/index.ts'
import { readCopyMark, writeCopyMark } from './copy-mark.ts'
import { verdictsFile, type Donor } from './donor.ts'
import type { JournalHold } from './journal-hold.ts'

/** How often progress is told, ms. */
const progressMs = 1_000

export interface CopyOptions {
  readonly node: NodeId
  readonly nodeDir: string
  readonly dataDir: string
  readonly fsync: boolean
  /** What a donor may be asked for, bytes a second. */
  readonly copyRate: number
  readonly journal: Journal
  readonly hold: JournalHold
  readonly onProgress: (text: string) => void
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * @param keep the folder that is replaced is kept as `pgdata.diverged`, for a person to look at
 * @throws AllwriteError what the donor or the journal says; nothing has changed then, or there is no data folder
 */
export const copyDonor = async (options: CopyOptions, donor: Donor, keep = false): Promise<void> => {
  const { node, nodeDir, dataDir, fsync, journal, signal } = options
  // The folder of a server that runs may have been removed, or be about to be.
  await endLeftover(dataDir)
  const old = `${dataDir}.old`
  rmSync(old, { recursive: true, force: true })
  await options.hold.begin(signal)
  options.hold.from(await donor.position())
  const name = nodeName(donor.node)
  options.onProgress(`copying ${name}`)
  await takeBaseBackup({
    socket: await donor.replication(signal),
    target: dataDir,
    fsync,
    rateBytesMax: options.copyRate,
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
      // A copy that was not adopted is none of what diverged.
      const aside = keep && readCopyMark(dataDir) === undefined ? `${dataDir}.diverged` : old
      if (existsSync(dataDir)) {
        rmSync(aside, { recursive: true, force: true })
        renameSync(dataDir, aside)
        if (aside !== old) options.onProgress(`the data that diverged are kept in "${aside}"`)
      }
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
