/**
 * A connection to an agent, as the pool keeps it: what was asked of it and is not answered yet, what state it is in, and what
 * sessions have left in it that they may leave. Whose turn it is, is the pool's to say.
 *
 * Contract
 * 1. Every message that has an answer is announced with its kind; answers come in that order. Hidden ones never reach the client.
 * 2. `ready` tells the borrower of each visible ReadyForQuery, which is the borrower's to pass on.
 * 3. When the connection ends, the borrower is told once, and what was hidden and open is rejected with {@link ConnectionLost}.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { createHash } from 'node:crypto'
import { AllwriteError, assert } from '../../core/errors.ts'
import { parseErrorFields } from '../../wire/pgwire/errors.ts'
import { backendType as type, FrameScanner, Part } from '../../wire/pgwire/frames.ts'
import { bindPlain, close, describe, flush, query, readParameter, readTag, Status } from '../../wire/pgwire/messages.ts'
import type { Target } from '../contract.ts'
import {
  columnsOf,
  completes,
  emptyAnswer,
  endsWithReady,
  noStatement,
  parseMessage,
  rules,
  type AnswerKind,
  type HiddenAnswer,
} from './answers.ts'

/** The connection is gone. */
export class ConnectionLost extends Error {
  constructor() {
    super('the connection to the node is gone')
    this.name = 'ConnectionLost'
  }
}

interface Expected {
  readonly kind: AnswerKind
  readonly hidden: HiddenAnswer | undefined
  /** Called when it is answered, or with false when it was skipped behind an error. */
  readonly done: ((answered: boolean, description: string | undefined) => void) | undefined
}

/** Who uses the connection now. */
export interface Borrower {
  /** It can go on without this connection, whatever it is doing. */
  readonly movable: boolean
  /** A message, or part of one, that answers what the borrower sent. */
  visible(type: number, buffer: Buffer, start: number, end: number, part: number): void
  /** The message lies at start … end. */
  ready(status: number, buffer: Buffer, start: number, end: number): void
  /** A notice, a notification, a parameter's report: true whatever becomes of the unit. */
  fact(frame: Buffer): void
  /** The agent's word that the session may have been changed: `setting NAME`, `prepare`, `discard WHAT`, `code`. */
  touched(what: string): void
  /** A command that drops prepared statements has succeeded: its tag. */
  discarded(tag: string): void
  /** There is more to say: what was read is done with, the socket has room again, the connection is lost. */
  wake(): void
}

/** Statements prepared on one connection at most: about a kilobyte of the server's memory each, and more for large ones. */
const statementsMax = 1_000

export class ServerConnection {
  readonly target: Target
  /** Under which its transactions are counted (ADR 29); undefined: they are not. */
  readonly id: string | undefined
  readonly database: string
  readonly pid: number
  readonly secret: Buffer
  /** What is reported now, by name. */
  readonly reported: Map<string, string>
  /** Settings that a session has left, by name. */
  readonly applied = new Map<string, string>()
  /** Prepared under our names, with the digest of their description if it is known; oldest first. */
  readonly statements = new Map<string, string | undefined>()
  /** What its unnamed statement was made of. */
  unnamed: object | undefined
  /** The session that used it last: what sequences gave is in it. */
  lastUser: object | undefined
  borrower: Borrower | undefined
  status: number = Status.idle
  /** The server waits for CopyData. */
  copyIn = false
  /** What a session drew from sequences may still be in it: currval() of the next would show it. */
  sequencesUsed = false
  /** Cancel requests that are on their way: they must not meet the next borrower's statement. */
  readonly cancels = new Set<Promise<void>>()
  /** performance.now() when it was opened, and when it was given back last. */
  readonly openedAt = performance.now()
  usedAt = this.openedAt
  /** Transactions of this connection that are known to be committed and have written (ADR 29). */
  counted = 0
  #lost = false
  #fatal: Buffer | undefined
  readonly #socket: Socket
  readonly #scanner: FrameScanner
  readonly #onClosed: () => void
  #expected: Expected[] = []
  #head = 0
  /** An error was met: what follows is skipped up to the next Sync. */
  #skipping = false
  #out: Buffer[] = []
  #parameters: Buffer | undefined
  /** The frame that arrives in parts is the borrower's. */
  #partShown = false
  #rowParts: Buffer[] = []
  #readyDue = 0
  #paused = false

  constructor(options: {
    readonly socket: Socket
    readonly leftover: Buffer
    readonly target: Target
    readonly id: string | undefined
    readonly database: string
    readonly pid: number
    readonly secret: Buffer
    readonly parameters: ReadonlyMap<string, string>
    readonly onClosed: () => void
  }) {
    const { socket } = options
    this.target = options.target
    this.id = options.id
    this.database = options.database
    this.pid = options.pid
    this.secret = options.secret
    this.reported = new Map(options.parameters)
    this.#socket = socket
    this.#onClosed = options.onClosed
    this.#scanner = new FrameScanner(rules, (kind, buffer, start, end, part) =>
      this.#frame(kind, buffer, start, end, part),
    )
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('drain', () => this.borrower?.wake())
    socket.on('close', () => this.#close())
    if (options.leftover.length > 0) this.#take(options.leftover)
    socket.resume()
  }

  get lost(): boolean {
    return this.#lost
  }

  /** The server's last words. */
  get fatal(): Buffer | undefined {
    return this.#fatal
  }

  /** ReadyForQuery's that the borrower waits for. */
  get readyDue(): number {
    return this.#readyDue
  }

  /** Something is not answered yet. */
  get busy(): boolean {
    return this.#head < this.#expected.length
  }

  /** Nothing is under way, and nothing of a transaction is open. */
  get clean(): boolean {
    return (
      !this.#lost && !this.busy && this.status === Status.idle && this.#out.length === 0 && this.#scanner.atBoundary
    )
  }

  /** The server does not read as fast as it is written to. */
  get blocked(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** For who looks at connections. */
  get socket(): Socket {
    return this.#socket
  }

  /** The borrower's client does not read. */
  setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    if (paused) this.#socket.pause()
    else this.#socket.resume()
  }

  /** Sends one message of the borrower. `kind` undefined: it has no answer. */
  forward(kind: AnswerKind | undefined, bytes: Buffer, done?: Expected['done']): void {
    if (kind === 'query') this.unnamed = undefined
    this.#out.push(bytes)
    if (kind !== undefined) this.#expect({ kind, hidden: undefined, done })
  }

  /** The client has ended its CopyData: a Sync counts again. */
  copyEnded(): void {
    this.copyIn = false
  }

  /** Writes what was forwarded, in one write. */
  flush(): void {
    const slices = this.#out
    if (slices.length === 0) return
    this.#out = []
    if (this.#lost || this.#socket.destroyed) return
    const [first] = slices
    this.#socket.write(slices.length === 1 && first ? first : Buffer.concat(slices))
  }

  /** A statement of ours, outside the borrower's sight. @throws ConnectionLost */
  ask(sql: string): Promise<HiddenAnswer> {
    const answer = this.askAlong(sql)
    this.flush()
    return answer
  }

  /** As {@link ask}; it goes out with what is written next. */
  askAlong(sql: string): Promise<HiddenAnswer> {
    const hidden = emptyAnswer()
    this.unnamed = undefined
    this.#out.push(query(sql))
    return this.#promise((done) => this.#expect({ kind: 'query', hidden, done }), hidden)
  }

  /**
   * Prepares and describes a statement, outside the borrower's sight; in the borrower's batch, if it has begun one: after an error
   * everything is skipped up to its Sync. @throws ConnectionLost
   * @param body a Parse message's rest behind the name
   */
  prepare(name: string, body: Buffer): Promise<HiddenAnswer> {
    const hidden = emptyAnswer()
    if (name === '') this.unnamed = undefined
    else if (this.statements.delete(name)) this.#hide('close', close('S', name), hidden)
    this.#hide('parse', parseMessage(name, body), hidden)
    this.#out.push(describe('S', name))
    const answer = this.#promise((done) => this.#expect({ kind: 'describe', hidden, done }), hidden)
    this.#out.push(flush)
    this.flush()
    return answer
  }

  /** Lets the borrower's batch fail, outside its sight. */
  forwardFailure(): void {
    this.#hide('bind', bindPlain('', noStatement), emptyAnswer())
  }

  /** Closes a statement of ours. */
  forget(name: string): void {
    if (this.statements.delete(name)) this.#hide('close', close('S', name), emptyAnswer())
  }

  /** A statement is prepared under our name; the one that is oldest may have to go. */
  remember(name: string, description: string | undefined): void {
    this.statements.delete(name)
    this.statements.set(name, description)
    if (this.statements.size <= statementsMax) return
    const [oldest] = this.statements.keys()
    if (oldest !== undefined) this.forget(oldest)
  }

  /** Nobody needs it any more: a transaction that is open is rolled back. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Called at once if it has. */
  onceClosed(call: () => void): void {
    if (this.#lost) call()
    else this.#socket.once('close', call)
  }

  #hide(kind: AnswerKind, bytes: Buffer, hidden: HiddenAnswer): void {
    this.#out.push(bytes)
    this.#expect({ kind, hidden, done: undefined })
  }

  #promise(send: (done: () => void) => void, hidden: HiddenAnswer): Promise<HiddenAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#lost) reject(new ConnectionLost())
      else send(() => (this.#lost ? reject(new ConnectionLost()) : resolve(hidden)))
    })
  }

  #expect(expected: Expected): void {
    if (expected.kind === 'sync') {
      // The server ignores a Sync while it takes CopyData.
      if (this.copyIn) return
      this.#skipping = false
    } else if (this.#skipping) {
      expected.done?.(false, undefined)
      return
    }
    this.#expected.push(expected)
    if (!expected.hidden && endsWithReady(expected.kind)) this.#readyDue++
  }

  #take(chunk: Buffer): void {
    // Who gives the connection back at its last message still has to write what came.
    const { borrower } = this
    try {
      this.#scanner.push(chunk)
    } catch (thrown) {
      // A broken frame ends this connection, never the process.
      if (!(thrown instanceof AllwriteError)) throw thrown
      this.#socket.destroy()
    }
    borrower?.wake()
  }

  #frame(kind: number, buffer: Buffer, start: number, end: number, part: number): void {
    if ((part & Part.first) === 0) {
      if (this.#partShown) this.borrower?.visible(kind, buffer, start, end, part)
      else this.#keepPart(buffer.subarray(start, end), part)
      return
    }
    switch (kind) {
      case type.parameter:
        this.#parameter(buffer.subarray(start, end))
        return
      case type.notification:
        this.borrower?.fact(buffer.subarray(start, end))
        return
      case type.notice:
        if (!this.#current?.hidden) this.borrower?.fact(buffer.subarray(start, end))
        return
      case type.ready:
        this.#ready(buffer[end - 1] ?? 0, buffer, start, end)
        return
      default:
    }
    const current = this.#current
    const hidden = current?.hidden
    if (kind === type.error && this.#isFatal(buffer, start, end)) return
    this.#partShown = hidden === undefined && current !== undefined
    if (hidden) this.#keep(hidden, kind, buffer.subarray(start, end), part)
    else if (current) this.borrower?.visible(kind, buffer, start, end, part)
    if (current) this.#advance(current, kind, buffer, start, end)
  }

  #isFatal(buffer: Buffer, start: number, end: number): boolean {
    const frame = buffer.subarray(start, end)
    const { severity } = parseErrorFields(frame.subarray(5))
    if (severity !== 'FATAL' && severity !== 'PANIC') return false
    this.#fatal = frame
    return true
  }

  #advance(current: Expected, kind: number, buffer: Buffer, start: number, end: number): void {
    if (kind === type.error) {
      this.copyIn = false
      if (current.kind !== 'query' && current.kind !== 'call') this.#skip()
      return
    }
    if (kind === type.copyIn) {
      this.copyIn = true
      if (current.kind === 'execute') this.#dropSync()
      return
    }
    if (kind === type.complete) {
      this.copyIn = false
      if (!current.hidden && buffer[start + 5] === discardInitial) this.#discarded(readTag(buffer, start, end))
    }
    if (kind === type.parameters) this.#parameters = buffer.subarray(start, end)
    if (completes.get(kind) !== current.kind) return
    this.#head++
    const isAsked = current.hidden !== undefined || current.done !== undefined
    const description = current.kind === 'describe' && isAsked ? this.#described(buffer, start, end) : undefined
    if (current.hidden) current.hidden.description = description
    current.done?.(true, description)
  }

  #discarded(tag: string): void {
    if (tag !== 'DISCARD ALL' && tag !== 'DEALLOCATE ALL') return
    this.statements.clear()
    this.unnamed = undefined
    if (tag === 'DISCARD ALL') this.applied.clear()
    this.borrower?.discarded(tag)
  }

  /** A digest of ParameterDescription and RowDescription. */
  #described(buffer: Buffer, start: number, end: number): string {
    const hash = createHash('sha256')
    if (this.#parameters) hash.update(this.#parameters)
    this.#parameters = undefined
    return hash.update(buffer.subarray(start, end)).digest('base64')
  }

  /** An error in an extended batch: what was sent up to its Sync is not answered. */
  #skip(): void {
    this.#skipping = true
    for (let at = this.#head; at < this.#expected.length; at++) {
      const next = this.#expected[at]
      if (next?.kind === 'sync') {
        this.#skipping = false
        break
      }
      this.#head = at + 1
      next?.done?.(false, undefined)
    }
  }

  /** A Sync that was sent before the server took CopyData was ignored. */
  #dropSync(): void {
    this.#expected.splice(this.#head + 1)
    this.#readyDue = 0
  }

  #ready(status: number, buffer: Buffer, start: number, end: number): void {
    const current = this.#current
    this.status = status
    this.copyIn = false
    this.#skipping = false
    if (!current) return
    this.#head++
    if (this.#head === this.#expected.length) {
      this.#expected = []
      this.#head = 0
    }
    if (current.hidden) {
      current.hidden.status = status
      current.done?.(true, undefined)
    } else {
      this.#readyDue--
      this.borrower?.ready(status, buffer, start, end)
    }
  }

  #keep(hidden: HiddenAnswer, kind: number, frame: Buffer, part: number): void {
    if (kind === type.error) {
      hidden.errorFrame = frame
      hidden.error = parseErrorFields(frame.subarray(5))
    } else if (kind === type.row && part === Part.whole) hidden.rows.push(columnsOf(frame.subarray(5)))
    else if (kind === type.row) this.#rowParts = [frame]
  }

  /** The rest of a hidden row that crosses chunks. */
  #keepPart(bytes: Buffer, part: number): void {
    this.#rowParts.push(bytes)
    if ((part & Part.last) === 0) return
    this.#current?.hidden?.rows.push(columnsOf(Buffer.concat(this.#rowParts).subarray(5)))
    this.#rowParts = []
  }

  #parameter(frame: Buffer): void {
    const [name, value] = readParameter(frame)
    if (name === 'allwrite.session') {
      if (!this.#current?.hidden) this.borrower?.touched(value)
    } else if (name === 'allwrite.transactions') this.counted = Number(value)
    else {
      this.reported.set(name, value)
      if (!this.#current?.hidden) this.borrower?.fact(frame)
    }
  }

  get #current(): Expected | undefined {
    return this.#expected[this.#head]
  }

  #close(): void {
    assert(!this.#lost, 'a connection closes once')
    this.#lost = true
    const open = this.#expected.slice(this.#head)
    this.#expected = []
    this.#head = 0
    for (const { hidden, done } of open) if (hidden) done?.(false, undefined)
    this.#onClosed()
    this.borrower?.wake()
  }
}

const discardInitial = 'D'.charCodeAt(0)
