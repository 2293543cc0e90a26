/**
 * One process per journal directory. Two would both append at the same place.
 *
 * Node has no flock. An abstract Unix socket named after the directory's inode is as good: it exists once per network
 * namespace, and the kernel drops it with its process, also after kill -9. A lock file with the holder's process id and
 * start time covers what the socket can't see, a holder in another network namespace.
 *
 * @module
 */
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import { errnoOf } from './disk.ts'

const lockName = 'lock'

/**
 * When a process started, in clock ticks since boot: with its id, unique (proc_pid_stat(5), field 22). A zombie runs no
 * more: where nothing reaps orphans (a container's first process, often) a killed journal stays one for ever.
 */
const startOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? undefined : fields[18]
  } catch {
    return undefined
  }
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

const heldBy = (path: string): number | undefined => {
  try {
    const [pid, start, boot] = readFileSync(path, 'utf8').split(' ')
    const alive = boot === bootId() && startOf(Number(pid)) === start && Number(pid) !== process.pid
    return alive ? Number(pid) : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Takes the lock of an existing directory until disposed or the process ends.
 * @throws AllwriteError unavailable where another holds it
 */
export const lockDirectory = async (directory: string): Promise<AsyncDisposable> => {
  const taken = (who: string): AllwriteError =>
    new AllwriteError('unavailable', `journal directory ${directory} is in use by ${who}`)
  const { dev, ino } = statSync(directory)
  const socket = createServer((connection) => connection.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(errnoOf(error) === 'EADDRINUSE' ? taken('another process') : error))
    socket.listen(`\0allwrite-journal-${dev}-${ino}`, resolve)
  })
  socket.unref()
  const path = join(directory, lockName)
  const close = (): Promise<void> => new Promise((resolve) => socket.close(() => resolve()))
  const holder = heldBy(path)
  if (holder !== undefined) {
    await close()
    throw taken(`process ${holder}`)
  }
  writeFileSync(path, `${process.pid} ${startOf(process.pid)} ${bootId()}`, { mode: 0o600 })
  return {
    async [Symbol.asyncDispose]() {
      unlinkSync(path)
      await close()
    },
  }
}
