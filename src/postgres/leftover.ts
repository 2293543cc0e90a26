/**
 * Clears away what an earlier agent left behind. A killed agent's server lives on by design, and a killed postmaster's
 * backends may: none of them may still write, or hold the shared memory, when the next server starts (RULES 1).
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../core/errors.ts'
import { listProcesses, processAlive, processCommand, processFolder } from './proc.ts'

/** How long a postmaster may take to end its children after SIGQUIT; it sends them SIGKILL itself after 5 s. */
const quitWithinMsMax = 6_000

/** How long the kernel may take to clear processes after SIGKILL. Longer means a disk that does not answer. */
const killWithinMsMax = 20_000

/** How often we look, ms: ended processes are seen only by asking. */
const lookEveryMs = 20

/**
 * The server processes that work on `dataDir`: the postmaster and all its children, also orphaned ones. Every server
 * process has the data folder as its working folder; where the kernel does not tell that (another user's process, in a
 * container without CAP_SYS_PTRACE), the command line and the title with {@link clusterName} decide.
 */
export function processesOf(dataDir: string): readonly number[] {
  const real = realPath(dataDir)
  const title = `postgres: ${clusterName(dataDir)}: `
  return listProcesses().filter((pid) => {
    const command = processCommand(pid)
    const program = command[0] ?? ''
    if (!/(^|\/)postgres\b/.test(program)) return false
    const folder = processFolder(pid)
    // A folder that was removed under a running server is shown so.
    if (folder !== undefined) return folder === real || folder === `${real} (deleted)`
    return program.startsWith(title) || command.includes(real) || command.includes(dataDir)
  })
}

/**
 * The default `cluster_name` of the server in `dataDir`: PostgreSQL puts it into its processes' titles, which anyone can
 * read, so that orphans can be told from the processes of other clusters.
 */
export function clusterName(dataDir: string): string {
  const path = realPath(dataDir)
  return `allwrite-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`
}

/**
 * Ends the server of `dataDir` if one runs: SIGQUIT to the postmaster (it ends its children, without a checkpoint), then
 * SIGKILL to whatever is left. Resolves when no process of the folder exists; false if there was none.
 * @param options.kill SIGKILL at once, as a crash would
 * @throws AllwriteError postgres if a process can't be ended
 */
export async function endLeftover(dataDir: string, options: { readonly kill?: boolean } = {}): Promise<boolean> {
  const found = processesOf(dataDir)
  if (found.length === 0) return false
  if (!options.kill) {
    const postmaster = readLockPid(join(dataDir, 'postmaster.pid'))
    // The id in the file may have been given to a stranger since: only one that we recognised is signalled.
    for (const pid of postmaster !== undefined && found.includes(postmaster) ? [postmaster] : found) {
      signal(pid, 'SIGQUIT')
    }
    if (await goneWithin(dataDir, quitWithinMsMax)) return true
  }
  const deadline = performance.now() + killWithinMsMax
  while (performance.now() < deadline) {
    // Again and again: a postmaster that is not dead yet may have started another child meanwhile.
    for (const pid of processesOf(dataDir)) signal(pid, 'SIGKILL')
    if (await goneWithin(dataDir, 500)) return true
  }
  throw new AllwriteError('postgres', `the earlier server of "${dataDir}" does not end`, {
    detail: `Processes still there after SIGKILL: ${processesOf(dataDir).join(', ')}.`,
    hint: 'Look for a disk that does not answer; then end these processes and start again.',
  })
}

async function goneWithin(dataDir: string, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  let watched = processesOf(dataDir)
  for (;;) {
    watched = watched.filter(processAlive)
    if (watched.length === 0) {
      watched = processesOf(dataDir).filter(processAlive)
      if (watched.length === 0) return true
    }
    if (performance.now() >= deadline) return false
    await delay(lookEveryMs)
  }
}

/**
 * Removes the lock files, of the data folder and of the socket, whose process is none of this folder's. PostgreSQL itself
 * only asks whether the id exists. So it refuses for ever where nothing reaps a killed postmaster (a container whose first
 * process is no init), or where the id was given to a stranger, as happens at once when a container is started again.
 */
export function dropStaleLocks(dataDir: string, socketPath: string): void {
  for (const path of [join(dataDir, 'postmaster.pid'), `${socketPath}.lock`]) {
    const pid = readLockPid(path)
    if (pid === undefined || processesOf(dataDir).includes(pid)) continue
    // Alive, and the kernel does not tell what it is: PostgreSQL's refusal stands.
    if (processAlive(pid) && processCommand(pid).length === 0) continue
    rmSync(path, { force: true })
  }
}

/**
 * Removes what a server that was killed in its crash recovery leaves of temporary replication slots: recovery deletes their
 * files first and their folders then (RestoreSlotFromDisk in PostgreSQL's slot.c), and PANICs at every later start over a
 * folder without its `state`. A slot that is made or dropped goes by another name until it is whole or gone, so nothing
 * else leaves such a folder. Only while no server runs on `dataDir`.
 */
export function dropHalfRemovedSlots(dataDir: string): void {
  const slots = join(dataDir, 'pg_replslot')
  for (const entry of readdirSync(slots, { withFileTypes: true })) {
    const folder = join(slots, entry.name)
    if (entry.isDirectory() && !entry.name.endsWith('.tmp') && !existsSync(join(folder, 'state')))
      rmSync(folder, { recursive: true })
  }
}

/** The process id in a lock file, its first line (PostgreSQL: src/include/utils/pidfile.h). */
function readLockPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'latin1'), 10)
    return pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone already, or not ours: goneWithin tells in the end.
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}
