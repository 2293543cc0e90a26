/**
 * What the session's tests share: a protocol client that keeps every message, a PostgreSQL server, a gate that plays the node.
 *
 * @module
 */
import { once, setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { position, type Position } from '../../core/ids.ts'
import { ensureOwned, initDatabase, locateBinaries, serverIdentity, startPostgres } from '../../postgres/index.ts'
import { backendRules, FrameScanner } from '../../wire/pgwire/frames.ts'
import { cancelRequest, startupMessage } from '../../wire/pgwire/login-messages.ts'
import { query } from '../../wire/pgwire/messages.ts'
import { runSession, type Session } from './session.ts'
import type { SessionOptions } from './session-options.ts'
import type { NodeGate, Outcome, Participant, Submission } from './contract.ts'

/** One message as a test compares it. */
export interface Message {
  readonly type: string
  readonly body: Buffer
}

const deadlineMs = 10_000

/** Waits for a condition, looked at whenever something may have changed. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const until = Date.now() + deadlineMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > until) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A client that speaks the bare protocol. */
export class RawClient {
  readonly socket: Socket
  readonly messages: Message[] = []
  readonly #scanner: FrameScanner
  #partial: Buffer[] = []
  #taken = 0
  #wake: (() => void) | undefined
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    this.#scanner = new FrameScanner(backendRules, (_type, buffer, start, end, part) => {
      this.#partial.push(Buffer.from(buffer.subarray(start, end)))
      if ((part & 2) === 0) return
      const whole = Buffer.concat(this.#partial)
      this.#partial = []
      this.messages.push({ type: String.fromCharCode(whole[0] ?? 0), body: whole.subarray(5) })
    })
    socket.on('data', (chunk: Buffer) => {
      this.#scanner.push(chunk)
      this.#wake?.()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  send(...bytes: Buffer[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  /** The messages since the last call, up to the `count`-th that `last` accepts, or the end of the connection. */
  async until(last: string, count = 1, msMax = deadlineMs): Promise<Message[]> {
    const deadline = AbortSignal.timeout(msMax)
    setMaxListeners(0, deadline)
    for (;;) {
      let seen = 0
      for (let index = this.#taken; index < this.messages.length; index++) {
        if (this.messages[index]?.type === last && ++seen === count) return this.#take(index + 1)
      }
      if (this.closed) return this.#take(this.messages.length)
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        deadline.addEventListener('abort', () =>
          reject(new Error(`no ${last}; got ${this.messages.slice(this.#taken).map(show).join(' | ')}`)),
        )
      })
    }
  }

  #take(end: number): Message[] {
    const found = this.messages.slice(this.#taken, end)
    this.#taken = end
    return found
  }

  /** A Query and its answer. */
  async query(sql: string): Promise<string[]> {
    this.send(query(sql))
    return (await this.until('Z')).map(show)
  }

  async end(): Promise<void> {
    this.socket.destroy()
    if (!this.closed) await once(this.socket, 'close')
  }
}

/** A message as text, without what differs between two servers' runs: source lines and OIDs. */
export function show({ type, body }: Message): string {
  if (type === 'E' || type === 'N') {
    const fields = body
      .toString('utf8')
      .split('\0')
      .filter((field) => field !== '' && !'FLR'.includes(field.charAt(0)) && field.charAt(0) !== 'S')
    return `${type} ${fields.sort().join('; ')}`
  }
  if (type === 'T') {
    const names: string[] = []
    for (let offset = 2; offset < body.length;) {
      const end = body.indexOf(0, offset)
      names.push(`${body.toString('utf8', offset, end)}:${body.readUInt32BE(end + 7)}`)
      offset = end + 19
    }
    return `T ${names.join(',')}`
  }
  if (type === 'D' || type === 'C' || type === 'Z' || type === 'd' || type === 'S' || type === 'A') {
    return `${type} ${JSON.stringify(body.toString('latin1'))}`
  }
  return type === 'V' || type === 't' || type === 'G' || type === 'H' ? `${type} ${body.toString('hex')}` : type
}

export interface TestServer extends AsyncDisposable {
  readonly socketPath: string
  connect(database: string, settings?: readonly (readonly [string, string])[]): Promise<LoggedIn>
}

export interface LoggedIn {
  readonly socket: Socket
  readonly pid: number
  readonly secret: Buffer
  readonly parameters: Map<string, string>
}

/** A server with trust on its socket, in a temporary folder. */
export async function testServer(): Promise<TestServer> {
  const binaries = await locateBinaries()
  const folder = mkdtempSync(join(tmpdir(), 'aw-session-'))
  ensureOwned(folder, serverIdentity())
  const dataDir = join(folder, 'data')
  await initDatabase({ binaries, dataDir, password: 'x', fsync: false })
  const server = await startPostgres({
    binaries,
    dataDir,
    socketDir: join(folder, 's'),
    port: 5432,
    logFile: join(folder, 'log'),
    hba: ['local all all trust'],
    settings: { fsync: 'off', max_prepared_transactions: '0' },
  })
  const socketPath = join(folder, 's', '.s.PGSQL.5432')
  return {
    socketPath,
    connect: (database, settings = []) => logIn(socketPath, database, settings),
    [Symbol.asyncDispose]: async () => {
      await server.stop('immediate')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function logIn(
  socketPath: string,
  database: string,
  settings: readonly (readonly [string, string])[],
): Promise<LoggedIn> {
  const socket = connect(socketPath)
  const client = new RawClient(socket)
  socket.write(startupMessage([['user', 'allwrite'], ['database', database], ...settings]))
  const messages = await client.until('Z')
  const key = messages.find((message) => message.type === 'K')?.body
  if (!key) throw new Error(messages.map(show).join('\n'))
  const parameters = new Map(
    messages
      .filter((message) => message.type === 'S')
      .map(({ body }) => body.toString().split('\0').slice(0, 2) as [string, string]),
  )
  socket.removeAllListeners('data')
  socket.removeAllListeners('close')
  socket.pause()
  return { socket, pid: key.readInt32BE(0), secret: key.subarray(4), parameters }
}

/** A client straight to the server. */
export async function bareClient(server: TestServer, database: string): Promise<RawClient> {
  const { socket } = await server.connect(database)
  const client = new RawClient(socket)
  socket.resume()
  return client
}

/** Plays the node: commits what is submitted, unless told otherwise. */
export class TestGate implements NodeGate {
  at = 1
  readonly participants = new Map<number, Participant>()
  readonly submissions: Submission[] = []
  readonly nonces = new Set<string>()
  readonly waits: number[] = []
  serving = true
  /** What becomes of the next submissions, in order; afterwards all commit. */
  readonly plans: ((submission: Submission) => Promise<Outcome>)[] = []
  #counter = 0

  applied(): Position {
    return position(this.at)
  }

  committing(): Position {
    return position(this.at)
  }

  whenApplied(wanted: Position, signal?: AbortSignal): Promise<void> {
    this.waits.push(wanted)
    if (signal?.aborted) return Promise.reject(new Error('aborted'))
    if (wanted <= this.at) return Promise.resolve()
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')))
    })
  }

  paused = false
  /** Instant, unless told otherwise. */
  catchUp: (signal: AbortSignal) => Promise<void> = () => Promise.resolve()

  walPassed(): bigint {
    return 0n
  }

  captureNonce(): string {
    const nonce = `nonce${++this.#counter}`
    this.nonces.add(nonce)
    return nonce
  }

  discardNonce(nonce: string): void {
    if (!this.nonces.delete(nonce)) throw new Error(`no such nonce: ${nonce}`)
  }

  /** No turn, unless told otherwise. */
  takeTurn: NodeGate['takeTurn'] = () => Promise.resolve(undefined)

  async submit(submission: Submission): Promise<Outcome> {
    this.submissions.push(submission)
    if (!this.nonces.delete(submission.nonce)) throw new Error('a submission without its nonce')
    const plan = this.plans.shift()
    return plan ? plan(submission) : this.commit(submission)
  }

  async commit(submission: Submission): Promise<Outcome> {
    const local = await submission.participant.commit()
    this.at++
    return { kind: 'committed', position: position(this.at), local }
  }

  register(participant: Participant): () => void {
    this.participants.set(participant.backendPid, participant)
    return () => {
      this.participants.delete(participant.backendPid)
    }
  }
}

export interface Through extends AsyncDisposable {
  readonly client: RawClient
  readonly session: Session
  readonly participant: Participant
  readonly pid: number
  /** The session's own connection to its backend. */
  readonly backend: Socket
}

/** A client through a session. */
export async function throughSession(
  server: TestServer,
  database: string,
  options: SessionOptions & { readOnly?: boolean },
): Promise<Through> {
  const backend = await server.connect(database, [['default_transaction_read_only', 'on']])
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const address = listener.address()
  const socket = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
  const [clientSide] = await accepted
  listener.close()
  clientSide.pause()
  const client = new RawClient(socket)
  const sendCancel = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = connect(server.socketPath)
      cancel.on('close', () => resolve())
      cancel.on('error', () => undefined)
      cancel.resume()
      cancel.write(cancelRequest(backend.pid, backend.secret))
    })
  let participant: Participant | undefined
  const session = runSession(
    {
      client: clientSide,
      clientLeftover: Buffer.alloc(0),
      backend: backend.socket,
      backendLeftover: Buffer.alloc(0),
      backendPid: backend.pid,
      user: 'allwrite',
      database,
      parameters: backend.parameters,
      readOnlyWish: options.readOnly ?? false,
    },
    {
      ...options,
      // This server's postmaster is never stopped: it takes a cancel before it closes the connection.
      cancelBackend: sendCancel,
      passCancel: sendCancel,
      gate: {
        applied: () => options.gate.applied(),
        committing: () => options.gate.committing(),
        whenApplied: (at, signal) => options.gate.whenApplied(at, signal),
        catchUp: (signal) => options.gate.catchUp(signal),
        get paused() {
          return options.gate.paused
        },
        walPassed: () => options.gate.walPassed(),
        captureNonce: () => options.gate.captureNonce(),
        discardNonce: (nonce) => options.gate.discardNonce(nonce),
        submit: (submission) => options.gate.submit(submission),
        takeTurn: (tables, signal) => options.gate.takeTurn(tables, signal),
        register: (one) => {
          participant = one
          return options.gate.register(one)
        },
        serving: true,
      },
    },
  )
  if (!participant) throw new Error('a session registers at once')
  return {
    client,
    session,
    participant,
    pid: backend.pid,
    backend: backend.socket,
    [Symbol.asyncDispose]: async () => {
      await client.end()
      await session.closed
    },
  }
}
