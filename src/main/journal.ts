/**
 * The journal process: holds one journal directory and serves it on a Unix socket.
 *
 * Contract: argv[2] names a JSON file `{dir, socketPath, retainBytes?, capBytes?, segmentBytes?}`. When it listens it sends its parent
 * `{type: 'ready'}`. Ends with status 0 on SIGTERM, SIGINT, or when its parent goes; with 1 after any failure: it never
 * goes on after a failed write or sync. It may be killed at any moment; what it answered is on disk.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { AllwriteError } from '../core/errors.ts'
import { lockDirectory } from '../journal/file/lock.ts'
import { nodeDisk } from '../journal/file/disk.ts'
import type { Log } from '../journal/file/recover.ts'
import { serveJournal } from '../journal/file/server.ts'
import { openStore } from '../journal/file/store.ts'

interface JournalConfig {
  readonly dir: string
  readonly socketPath: string
  readonly retainBytes?: number
  readonly capBytes?: number
  readonly segmentBytes?: number
}

const readConfig = (path: string | undefined): JournalConfig => {
  if (path === undefined) throw new AllwriteError('configuration', 'usage: journal CONFIG.json')
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const fields: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {}
  const { dir, socketPath, retainBytes, capBytes, segmentBytes } = fields
  if (typeof dir !== 'string' || typeof socketPath !== 'string') {
    throw new AllwriteError('configuration', `${path}: "dir" and "socketPath" must be strings`)
  }
  return {
    dir,
    socketPath,
    ...bytes('retainBytes', retainBytes),
    ...bytes('capBytes', capBytes),
    ...bytes('segmentBytes', segmentBytes),
  }
}

const bytes = (name: string, value: unknown): Record<string, number> => {
  if (value === undefined) return {}
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw new AllwriteError('configuration', `"${name}" must be a positive number of bytes`)
  }
  return { [name]: value }
}

const log: Log = (level, message) => void process.stderr.write(`${level.toUpperCase()}  ${message}\n`)

const describe = (thrown: unknown): string =>
  thrown instanceof AllwriteError
    ? [thrown.message, thrown.detail, thrown.hint].filter((line) => line !== undefined).join(' ')
    : String(thrown)

const run = async (): Promise<void> => {
  const { dir, socketPath, ...limits } = readConfig(process.argv[2])
  nodeDisk.makeDirectory(dir)
  const lock = await lockDirectory(dir)
  const store = await openStore({ directory: dir, ...limits, log, onFatal: () => process.exit(1) })
  const server = await serveJournal({ store, socketPath, log })
  let stopping = false
  const stop = async (): Promise<void> => {
    if (stopping) return
    stopping = true
    await store[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    await lock[Symbol.asyncDispose]()
    process.exit(0)
  }
  const end = (): void => {
    void stop().catch((error: unknown) => {
      log('error', `journal: ${describe(error)}`)
      process.exit(1)
    })
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  process.on('disconnect', end)
  process.send?.({ type: 'ready' })
}

// Where even the log has no room, the journal goes on: it says the same to whom it refuses.
process.stderr.on('error', () => undefined)
run().catch((error: unknown) => {
  log('error', `journal: ${describe(error)}`)
  const end = (): void => process.exit(1)
  if (process.send === undefined) end()
  // What started us shows it to whoever waits for the start.
  else process.send({ type: 'fatal', message: describe(error) }, end)
})
