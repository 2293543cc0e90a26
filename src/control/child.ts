/**
 * One process of the cluster, kept running: started, started again when it dies, stopped with a bound.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { AllwriteError, assert } from '../core/errors.ts'
import { wordsOf } from '../postgres/index.ts'
import { parseChildMessage, type ChildMessage, type DrainMessage, type StopMessage } from './ipc.ts'

export interface ChildOptions {
  /** As in messages and file names: `journal`, `n1`, `proxy`. */
  readonly name: string
  readonly program: string
  readonly configPath: string
  readonly logFile: string
  /** How it is asked to end: a message, or SIGTERM. */
  readonly stopBy: 'message' | 'signal'
  /** Before each start: makes what it needs. What this throws is a failed start. */
  readonly onLaunch?: () => void
  readonly onMessage?: (message: ChildMessage) => void
  /** It runs now, under this process id. */
  readonly onStart?: (pid: number) => void
  /** It has ended, wanted or not. */
  readonly onEnd?: (how: string, wanted: boolean) => void
}

export interface Child {
  readonly pid: number | undefined
  /** Wanted to run: false after `stop` and `kill`. */
  readonly wanted: boolean
  /**
   * Starts it, and resolves when it said `ready`.
   * @throws AllwriteError unavailable with its log's last lines, when it ended {@link startAttemptsMax} times before that
   */
  start(): Promise<void>
  /** Asks it to end, and kills it after `withinMs`, and `drainMs` before that for what is under way. It stays down. */
  stop(withinMs: number, drainMs?: number): Promise<void>
  /** SIGKILL. It stays down. */
  kill(): Promise<void>
  send(message: StopMessage | DrainMessage): void
}

/** Pause before it is started again, ms: doubled each time, so that a hopeless one does not eat the machine. */
const backoffMs = { first: 100, max: 5_000 } as const

/** A process that was ready and ran this long begins with the first pause again, ms. */
const steadyAfterMs = 10_000

/** Starts that may fail before `start` gives up. */
const startAttemptsMax = 4

/** Size at which a log is moved aside at start. */
const logBytesMax = 16 * 1024 * 1024

export function createChild(options: ChildOptions): Child {
  let child: ChildProcess | undefined
  let ended = Promise.resolve()
  let wanted = false
  let pauseMs: number = backoffMs.first
  let restart: NodeJS.Timeout | undefined
  let waiter: { resolve: () => void; reject: (error: Error) => void; failures: number } | undefined

  /** It is not there, or not any more: told, and started again after a pause. */
  const onDown = (how: string, fatal: string | undefined, readyAt: number | undefined) => {
    const expected = !wanted
    if (!expected) {
      if (readyAt !== undefined && performance.now() - readyAt > steadyAfterMs) pauseMs = backoffMs.first
      failedStart(how, fatal)
    }
    options.onEnd?.(how, expected)
    if (wanted) {
      restart = setTimeout(spawnOnce, pauseMs)
      pauseMs = Math.min(pauseMs * 2, backoffMs.max)
    }
  }

  const spawnOnce = () => {
    assert(child === undefined, 'one process at a time')
    let started: ChildProcess
    try {
      options.onLaunch?.()
      started = launch(options)
    } catch (thrown) {
      // A full disk, a folder that was removed: the supervisor itself must outlive it.
      return onDown(`could not be started: ${wordsOf(thrown)}`, undefined, undefined)
    }
    child = started
    let readyAt: number | undefined
    let fatal: string | undefined
    started.on('message', (value) => {
      const message = parseChildMessage(value)
      if (!message) return
      if (message.type === 'fatal') fatal = message.message
      if (message.type === 'ready') {
        readyAt = performance.now()
        waiter?.resolve()
        waiter = undefined
      }
      options.onMessage?.(message)
    })
    // Told by 'exit' as well, unless the process could not even be made.
    started.on('error', (error) => (fatal ??= error.message))
    ended = new Promise((resolve) => {
      const onEnd = (how: string) => {
        if (child !== started) return
        child = undefined
        onDown(how, fatal, readyAt)
        resolve()
      }
      started.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`))
      if (started.pid === undefined) setImmediate(onEnd, 'could not be started')
    })
    try {
      if (started.pid !== undefined) options.onStart?.(started.pid)
    } catch (thrown) {
      fatal = wordsOf(thrown)
      started.kill('SIGKILL')
    }
  }

  const failedStart = (how: string, fatal: string | undefined) => {
    if (!waiter || (++waiter.failures < startAttemptsMax && fatal === undefined)) return
    wanted = false
    waiter.reject(
      new AllwriteError('unavailable', fatal ?? `${options.name} did not start (${how})`, {
        detail: `The end of its log:\n${logTail(options.logFile)}`,
        hint: `The whole log is in "${options.logFile}".`,
      }),
    )
    waiter = undefined
  }

  const giveUp = () => {
    wanted = false
    clearTimeout(restart)
    waiter?.reject(new AllwriteError('cancelled', `the start of ${options.name} was cancelled`))
    waiter = undefined
  }

  const kill = async () => {
    giveUp()
    child?.kill('SIGKILL')
    await ended
  }

  const send = (message: StopMessage | DrainMessage) => {
    // A channel that closes at this moment is told by 'exit'.
    if (child?.connected) child.send(message, () => undefined)
  }

  return {
    get pid() {
      return child?.pid
    },
    get wanted() {
      return wanted
    },
    start() {
      assert(!wanted, 'started once')
      wanted = true
      pauseMs = backoffMs.first
      return new Promise((resolve, reject) => {
        waiter = { resolve, reject, failures: 0 }
        spawnOnce()
      })
    },
    async stop(withinMs, drainMs = 0) {
      giveUp()
      if (!child) return
      if (options.stopBy === 'message') send({ type: 'stop', drainMs })
      else child.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), withinMs + drainMs)
      await ended
      clearTimeout(timer)
    },
    kill,
    send,
  }
}

function launch({ program, configPath, logFile }: ChildOptions): ChildProcess {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(logFile, `${logFile}.1`)
  const log = openSync(logFile, 'a', 0o600)
  try {
    // Detached: a Ctrl-C in the terminal is for the supervisor, which stops its processes in order.
    // No execArgv: a debugger's port can't be shared. NODE_OPTIONS still reaches all.
    return fork(program, [configPath], { execArgv: [], detached: true, stdio: ['ignore', log, log, 'ipc'] })
  } finally {
    closeSync(log)
  }
}

/** The last lines of a log, for an error's DETAIL. */
function logTail(path: string): string {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  return text.trimEnd().split('\n').slice(-12).join('\n').slice(-2000) || '(empty)'
}
