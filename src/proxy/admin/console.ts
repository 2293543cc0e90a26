/**
 * A client of the admin console, behind its login.
 *
 * Contract
 * 1. Commands run one at a time, in order; few wait.
 * 2. Only Query is known, as at PgBouncer: any other message ends the connection.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError, InvariantError } from '../../core/errors.ts'
import { errorResponse, fieldsOfError } from '../../wire/pgwire/errors.ts'
import { FrameScanner, typeByte, type FrameRules } from '../../wire/pgwire/frames.ts'
import { readQuery, readyForQuery, Status } from '../../wire/pgwire/messages.ts'
import { answer, cancelReason } from './answers.ts'
import type { Controls } from './snapshot.ts'

const query = typeByte('Q')
const terminate = typeByte('X')
const extended: ReadonlySet<number> = new Set(['P', 'B', 'E'].map(typeByte))

/** No command comes near it, bytes. */
const messageBytesMax = 10_000
/** Nobody has reason to send more before the first is answered. */
const waitingMax = 100
/** Every message is small, the unknown ones included: they are named in the answer. */
const rules: FrameRules = { lengthMax: new Float64Array(256).fill(messageBytesMax), streamed: new Uint8Array(256) }

export class Console {
  /** Resolves when the connection is closed. Never rejects. */
  readonly closed: Promise<void>
  readonly user: string
  readonly applicationName: string
  readonly socket: Socket
  /** performance.now() when it began, and when its last command did. */
  readonly openedAt = performance.now()
  requestedAt = this.openedAt
  readonly #controls: Controls
  readonly #scanner: FrameScanner
  #queue: { readonly type: number; readonly bytes: Buffer }[] = []
  #running = false
  #command = new AbortController()

  constructor(options: {
    readonly socket: Socket
    readonly leftover: Buffer
    readonly controls: Controls
    readonly user: string
    readonly applicationName: string
  }) {
    const { socket, leftover } = options
    this.socket = socket
    this.#controls = options.controls
    this.user = options.user
    this.applicationName = options.applicationName
    this.#scanner = new FrameScanner(rules, (type, buffer, start, end) => {
      this.#queue.push({ type, bytes: buffer.subarray(start, end) })
    })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    void this.closed.then(() => this.#command.abort())
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => socket.end())
    if (leftover.length > 0) this.#take(leftover)
    socket.resume()
  }

  /** What runs is given up: a command that waits. */
  cancel(): void {
    this.#command.abort(cancelReason)
  }

  #take(chunk: Buffer): void {
    try {
      this.#scanner.push(chunk)
    } catch (thrown) {
      this.#end(AllwriteError.from(thrown, 'protocol'))
      return
    }
    if (this.#queue.length > waitingMax) this.#end(new AllwriteError('protocol', 'too many commands at once'))
    else if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let next = this.#queue.shift(); next && !this.socket.destroyed; next = this.#queue.shift()) {
      if (next.type === query) await this.#query(next.bytes)
      else {
        if (next.type === terminate) this.socket.end()
        else this.#end(unknownMessage(next.type))
        break
      }
    }
    this.#running = false
  }

  async #query(bytes: Buffer): Promise<void> {
    this.#command = new AbortController()
    this.requestedAt = performance.now()
    let answers: readonly Buffer[]
    try {
      answers = await answer(readQuery(bytes).toString(), this.#controls, this.#command.signal)
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown
      answers = [errorResponse(fieldsOfError(AllwriteError.from(thrown)))]
    }
    if (this.socket.writable) this.socket.write(Buffer.concat([...answers, readyForQuery(Status.idle)]))
  }

  #end(why: AllwriteError): void {
    this.#queue = []
    this.socket.end(
      Buffer.concat([
        errorResponse(fieldsOfError(why)),
        errorResponse({ severity: 'FATAL', sqlState: why.sqlState, message: 'bad packet' }),
      ]),
    )
  }
}

const unknownMessage = (type: number): AllwriteError =>
  new AllwriteError(
    'protocol',
    extended.has(type)
      ? 'extended query protocol not supported by admin console'
      : `unsupported packet type for admin console: ${String.fromCharCode(type)}`,
  )
