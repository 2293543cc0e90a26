/**
 * One PostgreSQL server as a child process.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError, assert } from '../core/errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import { checkDataDir, superuser } from './data-dir.ts'
import { assertReachable, ensureOwned, serverIdentity } from './identity.ts'
import { clusterName, dropHalfRemovedSlots, dropStaleLocks, endLeftover, processesOf } from './leftover.ts'
import { probe } from './probe.ts'
import { socketPathBytesMax } from './runtime-dir.ts'

/** `smart`: when all clients have left; `fast`: now, with a checkpoint; `immediate`: now, recovery at the next start. */
export type StopMode = 'smart' | 'fast' | 'immediate'

export interface PostgresExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface PostgresOptions {
  readonly binaries: PostgresBinaries
  readonly dataDir: string
  /** Folder of the Unix socket: made if absent, 0700, the server's user's. */
  readonly socketDir: string
  /** Names the socket, `.s.PGSQL.<port>`; a TCP port only if `settings` has listen_addresses. */
  readonly port: number
  /** Passed on the command line, where neither ALTER SYSTEM nor postgresql.conf can override them. */
  readonly settings?: Readonly<Record<string, string>>
  /** The whole of pg_hba.conf; default: SCRAM on the socket, replication for the agent's role only. */
  readonly hba?: readonly string[]
  /** The server's log; appended, moved to `<name>.1` at start when it is large. */
  readonly logFile: string
  /** Called once when the server has ended, for whatever reason. */
  readonly onExit?: (exit: PostgresExit) => void
  /** How long crash recovery may take until the first connection, ms. */
  readonly readyWithinMs?: number
  readonly signal?: AbortSignal
}

export interface PostgresServer extends AsyncDisposable {
  readonly pid: number
  readonly socketDir: string
  readonly port: number
  /** Ends the server and waits until all its processes are gone; harsher by itself when it takes too long. */
  stop(mode: StopMode): Promise<PostgresExit>
  readonly exited: Promise<PostgresExit>
}

/** Size at which a server's log is moved aside at start: two of them bound what one node's logs take. */
const logBytesMax = 16 * 1024 * 1024

/** How long a start is repeated while the kernel still clears a killed predecessor ("lock file already exists"). */
const lockedRetryMsMax = 3_000

/** Time for one step of a stop, before the next harsher one. A checkpoint of a busy server takes seconds. */
const stopStepMsMax = { smart: 30_000, fast: 30_000, immediate: 6_000 } as const

const stopSignal = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** Replication is the agent's; of the templates, where no session is looked at, nobody is a client (ADR 32). */
const defaultHba = [
  `local all,replication ${superuser} scram-sha-256`,
  'local template0,template1 all reject',
  'local all all scram-sha-256',
]

/** What the server says when a predecessor's pid file or shared memory is still there. */
const lockedWords = /lock file ".*" already exists|pre-existing shared memory block/

/**
 * Starts the server of a data folder and waits until it answers. It runs in its own session: it survives us.
 * @throws AllwriteError configuration (folder, path) | postgres (it ended, or did not answer in time) | cancelled
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  prepare(options)
  const retryUntil = performance.now() + lockedRetryMsMax
  for (;;) {
    dropStaleLocks(options.dataDir, socketPath(options.socketDir, options.port))
    if (processesOf(options.dataDir).length === 0) dropHalfRemovedSlots(options.dataDir)
    const logStart = fileSize(options.logFile)
    const started = launch(options)
    const failure = await whenReady(options, started)
    if (failure === undefined) return serverOf(options, started)
    await endStarted(options, started)
    if (options.signal?.aborted) throw new AllwriteError('cancelled', 'start of PostgreSQL cancelled')
    const words = tailOf(options.logFile, logStart)
    if (failure === 'ended' && lockedWords.test(words) && performance.now() < retryUntil) {
      await delay(100)
      continue
    }
    throw new AllwriteError(
      'postgres',
      failure === 'ended' ? 'PostgreSQL did not start' : 'PostgreSQL does not answer',
      {
        detail: words.trim() === '' ? 'It wrote nothing to its log.' : `Its last words:\n${words.trim()}`,
        hint: `The whole log is in "${options.logFile}".`,
      },
    )
  }
}

function prepare(options: PostgresOptions): void {
  const { binaries, dataDir, socketDir, port } = options
  const identity = serverIdentity()
  if (checkDataDir(dataDir, binaries.major) === 'absent') {
    throw new AllwriteError('configuration', `"${dataDir}" holds no database`)
  }
  const socket = socketPath(socketDir, port)
  if (Buffer.byteLength(socket) > socketPathBytesMax) {
    throw new AllwriteError('configuration', `the socket's path is too long: "${socket}"`, {
      detail: `The system allows ${socketPathBytesMax} bytes.`,
    })
  }
  for (const path of [dataDir, binaries.postgres, socket]) assertReachable(dirname(path), identity)
  chmodSync(dataDir, 0o700)
  mkdirSync(socketDir, { recursive: true, mode: 0o700 })
  chmodSync(socketDir, 0o700)
  ensureOwned(socketDir, identity)
  const hbaFile = join(dataDir, 'pg_hba.conf')
  writeFileSync(hbaFile, `# written by allwrite at every start\n${(options.hba ?? defaultHba).join('\n')}\n`, {
    mode: 0o600,
  })
  ensureOwned(hbaFile, identity)
  if (fileSize(options.logFile) > logBytesMax) renameSync(options.logFile, `${options.logFile}.1`)
}

interface Started {
  readonly child: ChildProcess
  readonly pid: number
  readonly exited: Promise<PostgresExit>
  ended(): boolean
}

function launch(options: PostgresOptions): Started {
  const identity = serverIdentity()
  const settings: Record<string, string> = {
    listen_addresses: '',
    log_destination: 'stderr',
    logging_collector: 'off',
    cluster_name: clusterName(options.dataDir),
    ...options.settings,
    unix_socket_directories: `"${options.socketDir}"`,
    unix_socket_permissions: '0700',
    port: String(options.port),
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = openSync(options.logFile, 'a', 0o600)
  try {
    const child = spawn(options.binaries.postgres, ['-D', options.dataDir, ...flags], {
      // Its own session: a Ctrl-C in the terminal, or the agent's end, is not the server's.
      detached: true,
      cwd: '/',
      // Nothing of our environment (PGDATA, PGOPTIONS, secrets) reaches the server.
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', ...options.binaries.env },
      stdio: ['ignore', log, log],
      ...(identity ? { uid: identity.uid, gid: identity.gid } : {}),
    })
    let done = false
    const exited = new Promise<PostgresExit>((resolve, reject) => {
      child.once('exit', (code, signal) => resolve({ code, signal }))
      child.once('error', (error) =>
        child.pid === undefined ? reject(AllwriteError.from(error, 'postgres')) : undefined,
      )
    }).finally(() => {
      done = true
    })
    exited.catch(() => undefined)
    return { child, pid: child.pid ?? 0, exited, ended: () => done }
  } finally {
    closeSync(log)
  }
}

async function whenReady(options: PostgresOptions, started: Started): Promise<undefined | 'ended' | 'silent'> {
  const deadline = performance.now() + (options.readyWithinMs ?? 600_000)
  const socket = socketPath(options.socketDir, options.port)
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 100)) {
    if (started.ended()) {
      await started.exited
      return 'ended'
    }
    if (options.signal?.aborted || performance.now() > deadline) return 'silent'
    if ((await probe(socket)) === 'ready' && !started.ended()) return undefined
    await Promise.race([delay(waitMs), started.exited])
  }
}

async function endStarted(options: PostgresOptions, started: Started): Promise<void> {
  if (started.ended()) return
  started.child.kill('SIGQUIT')
  if (!(await within(started.exited, stopStepMsMax.immediate))) await endLeftover(options.dataDir, { kill: true })
}

function serverOf(options: PostgresOptions, started: Started): PostgresServer {
  const { child, pid, exited } = started
  assert(pid > 1, 'a server that answers has a process id')
  const { onExit } = options
  if (onExit) exited.then(onExit, () => undefined)
  const stop = async (mode: StopMode): Promise<PostgresExit> => {
    const steps: readonly StopMode[] =
      mode === 'immediate' ? ['immediate'] : mode === 'fast' ? ['fast', 'immediate'] : ['smart', 'fast', 'immediate']
    for (const step of steps) {
      if (started.ended()) break
      child.kill(stopSignal[step])
      if (await within(exited, stopStepMsMax[step])) break
    }
    // Also after an orderly end: a postmaster that was killed leaves backends behind.
    if (!started.ended() || processesOf(options.dataDir).length > 0) await endLeftover(options.dataDir, { kill: true })
    return exited
  }
  return {
    pid,
    socketDir: options.socketDir,
    port: options.port,
    stop,
    exited,
    [Symbol.asyncDispose]: async () => {
      await stop('fast')
    },
  }
}

async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  try {
    return await Promise.race([promise.then(() => true), delay(ms, false, { signal: timer.signal }).catch(() => false)])
  } finally {
    timer.abort()
  }
}

const socketPath = (folder: string, port: number): string => join(folder, `.s.PGSQL.${port}`)

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** The last lines that were written to a log since `from`, 2 kB at most. */
function tailOf(path: string, from: number): string {
  const size = fileSize(path)
  const start = Math.max(from <= size ? from : 0, size - 2048)
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(Math.max(size - start, 0))
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, start))
  } finally {
    closeSync(file)
  }
}
