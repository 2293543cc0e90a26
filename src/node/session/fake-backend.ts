/**
 * A backend that answers as its script says, for paths that a real server takes once in a million times; and a session on it.
 *
 * It knows transaction status only as far as a session looks at it: BEGIN opens, COMMIT and ROLLBACK end, an error fails; in a
 * failed transaction nothing is parsed. Of the extended protocol it runs nothing: that is for what only prepares, and what is refused.
 *
 * @module
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { errorResponse } from '../../wire/pgwire/errors.ts'
import { FrameScanner, frontendRules } from '../../wire/pgwire/frames.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  parseComplete,
  readBind,
  readParse,
  readQuery,
  readTarget,
  readyForQuery,
} from '../../wire/pgwire/messages.ts'
import { RawClient } from './session-fixtures.ts'
import type { SessionOptions } from './session-options.ts'
import { runSession, type Session } from './session.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import { createStatementClassifier, loadParser, nothingHarmless } from './statement/index.ts'

/**
 * What the backend does with one request: `capture`, `count`, the text of a Query, or of the extended protocol `parse NAME TEXT`, `bind NAME`,
 * `execute`, `close NAME`, `sync`; undefined: as usual.
 */
export type Script = (request: string, backend: FakeBackend) => Buffer | 'silence' | 'die' | undefined

const functions = {
  capture: 1,
  unseenWrites: 2,
  journalStatement: 3,
  truncateRestarted: 4,
  currentSetting: 5,
  captureLocking: 6,
  journalConcurrently: 7,
  journalDatabase: 0,
  sessionState: 8,
  turnTables: 9,
  countTransaction: 10,
}
const captures: ReadonlySet<number> = new Set([functions.capture, functions.captureLocking])
const calledBy = (oid: number): string =>
  captures.has(oid) ? 'capture' : oid === functions.countTransaction ? 'count' : 'call'

export class FakeBackend {
  readonly requests: string[] = []
  script: Script = () => undefined
  readonly #socket: Socket
  #status: 'I' | 'T' | 'E' = 'I'
  /** After an error, up to Sync. */
  #skips = false

  constructor(socket: Socket) {
    this.#socket = socket
    const scanner = new FrameScanner(frontendRules, (type, buffer, start, end) => {
      const frame = buffer.subarray(start, end)
      if (type === 0x51) this.#request(readQuery(frame).toString())
      else if (type === 0x46) this.#request(calledBy(frame.readInt32BE(5)))
      else this.#extended(String.fromCharCode(type), frame)
    })
    socket.on('data', (chunk: Buffer) => scanner.push(chunk))
    socket.on('error', () => undefined)
  }

  /** Answers a request that was met by silence. */
  answer(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  die(): void {
    this.#socket.destroy()
  }

  /** CommandComplete and ReadyForQuery. */
  done(tag: string, status: 'I' | 'T' | 'E' = this.#status): Buffer {
    this.#status = status
    return Buffer.concat([commandComplete(tag), readyForQuery(status.charCodeAt(0))])
  }

  failed(sqlState: string, status: 'I' | 'E' = this.#status === 'I' ? 'I' : 'E'): Buffer {
    this.#status = status
    const error = errorResponse({ severity: 'ERROR', sqlState, message: 'scripted' })
    return Buffer.concat([error, readyForQuery(status.charCodeAt(0))])
  }

  #request(request: string): void {
    this.requests.push(request)
    const answer = this.script(request, this) ?? this.usual(request)
    if (answer === 'die') this.die()
    else if (answer !== 'silence') this.#socket.write(answer)
  }

  /** An error, and what follows up to Sync is skipped. */
  refused(sqlState: string): Buffer {
    this.#skips = true
    if (this.#status === 'T') this.#status = 'E'
    return errorResponse({ severity: 'ERROR', sqlState, message: 'scripted' })
  }

  #extended(type: string, frame: Buffer): void {
    if (type === 'S') {
      this.#skips = false
      this.#request('sync')
    } else if (this.#skips) return
    else if (type === 'P') {
      const { name, sql } = readParse(frame)
      this.#request(`parse ${name} ${sql.toString()}`)
    } else if (type === 'B') this.#request(`bind ${readBind(frame).statement}`)
    else if (type === 'E') this.#request('execute')
    else if (type === 'C') this.#request(`close ${readTarget(frame).name}`)
  }

  /** What it answers where no script says otherwise. */
  usual(request: string): Buffer {
    if (request === 'sync') return readyForQuery(this.#status.charCodeAt(0))
    if (request.startsWith('parse ')) return this.#status === 'E' ? this.refused('25P02') : parseComplete
    if (request.startsWith('bind ')) return bindComplete
    if (request.startsWith('close ')) return closeComplete
    if (request === 'execute') return commandComplete('DONE')

    if (request === 'capture' || request === 'count') {
      const value = Buffer.from(request === 'capture' ? '740' : '3')
      const body = Buffer.alloc(9)
      body.write('V', 'latin1')
      body.writeUInt32BE(8 + value.length, 1)
      body.writeInt32BE(value.length, 5)
      return Buffer.concat([body, value, readyForQuery(this.#status.charCodeAt(0))])
    }
    if (request.startsWith('ROLLBACK TO')) return this.failed('3B001')
    const word = /^\w+/.exec(request)?.[0].toUpperCase() ?? ''
    if (word === 'BEGIN') return this.done('BEGIN', 'T')
    if (word === 'COMMIT' && request.endsWith('CHAIN')) return this.done('COMMIT', 'T')
    if (word === 'COMMIT' || word === 'ROLLBACK') return this.done(word, 'I')
    return this.done(word === 'UPDATE' ? 'UPDATE 1' : word)
  }
}

export interface FakeSession extends AsyncDisposable {
  readonly client: RawClient
  readonly backend: FakeBackend
  readonly session: Session
  /** What was logged as an error. */
  readonly errors: string[]
}

/** Two ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const near = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
  const [far] = await accepted
  listener.close()
  near.pause()
  return [near, far]
}

/** Nothing is known of this server's functions, but its writes are as plain as they look. */
const harmlessToRepeat = (statement: ClassifiedStatement): ClassifiedStatement =>
  statement.kind === 'write' ? { ...statement, retryable: true, opaque: false } : statement

/** A session between a bare client and a scripted backend. */
export async function fakeSession(
  options: Pick<SessionOptions, 'gate'> & Partial<SessionOptions>,
  pooled?: string,
): Promise<FakeSession> {
  await loadParser()
  const classifier = createStatementClassifier({ harmless: nothingHarmless, cacheBytesMax: 1e5 })
  const [backendSocket, served] = await pair()
  const [clientSocket, sessionSide] = await pair()
  sessionSide.pause()
  const client = new RawClient(clientSocket)
  clientSocket.resume()
  const backend = new FakeBackend(served)
  const errors: string[] = []
  const session = runSession(
    {
      client: sessionSide,
      clientLeftover: Buffer.alloc(0),
      backend: backendSocket,
      backendLeftover: Buffer.alloc(0),
      backendPid: 1,
      user: 'u',
      database: 'd',
      parameters: new Map(),
      readOnlyWish: false,
      pooled,
    },
    {
      classify: (text, facts) => ({ statements: classifier.classify(text, facts).statements.map(harmlessToRepeat) }),
      catalogState: () => classifier.state,
      functions,
      journalSecret: '',
      hasDeferrable: () => false,
      cancelBackend: () => Promise.resolve(),
      passCancel: () => Promise.resolve(),
      terminateBackend: () => {
        backend.die()
        return Promise.resolve()
      },
      committed: () => Promise.resolve(false),
      onSequenceExhausted: () => Promise.reject(new Error('none')),
      buildResult: () => Promise.resolve({ notices: [] }),
      databaseResult: () => Promise.resolve({ notices: [] }),
      log: { warn: () => undefined, error: (_fields, text) => errors.push(text) },
      ...options,
    },
  )
  return {
    client,
    backend,
    session,
    errors,
    [Symbol.asyncDispose]: async () => {
      await client.end()
      await session.closed
      served.destroy()
    },
  }
}
