/**
 * A client of the pool: it stays, its connections come and go with its transactions.
 *
 * Contract
 * 1. Units (a Query, a function call, an extended batch) run one at a time, in order; what follows waits unread, bounded.
 * 2. A connection is borrowed at a unit's begin, and given back at the ReadyForQuery that says that no transaction is open; unless the
 *    session is pinned to it, for a reason that is told.
 * 3. Before a unit runs, the connection has the session's settings, and nothing of another session's.
 * 4. A connection that is lost outside a transaction is replaced unseen. Else failover.ts decides: the client is never told a
 *    commit that is none, and nothing is committed twice.
 *
 * Failure cases: no connection in time → 53300, the session goes on; no node, or state that can't be carried over → FATAL.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError, InvariantError } from '../../core/errors.ts'
import { backendType, Part } from '../../wire/pgwire/frames.ts'
import { readParameter, Status } from '../../wire/pgwire/messages.ts'
import type { Target } from '../contract.ts'
import { borrow } from './borrow.ts'
import { ClientInput, lastWordsRead, type ClientFrame } from '../../login/client-input.ts'
import { ClientOutput } from '../../login/client-output.ts'
import { NoNode, type Home, type Kind } from './connections.ts'
import { Conflicts } from './conflict.ts'
import { differs, meetConflict, recover } from './failover.ts'
import { errorFrame, readyFrame, stateLostError } from './words.ts'
import { changesStatements, endsUnit, forward, frontend, isCopy, isRollback, type Forwarded } from './forward.ts'
import { Recording, type Comparison, type Unit } from './replay.ts'
import { ConnectionLost, type Borrower, type ServerConnection } from './server-connection.ts'
import { learnFrom } from './learn-from.ts'
import {
  asksSequences,
  discard,
  freshState,
  isNotable,
  keptBy,
  mentionsDeallocate,
  mentionsSetConfig,
  type SessionState,
} from './session-state.ts'
import { SessionEnd, type SessionContext } from './session-context.ts'

/** Undefined: it is done already. */
type Pending = Promise<void> | undefined

export class PooledSession implements Borrower {
  readonly client: Socket
  readonly kind: Kind
  readonly context: SessionContext
  readonly state: SessionState = freshState()
  /** What the client was told last, by name. */
  readonly told: Map<string, string>
  readonly recording = new Recording()
  readonly input: ClientInput
  readonly output: ClientOutput
  /** Resolves when the client's connection is closed. Never rejects. */
  readonly closed: Promise<void>
  server: ServerConnection | undefined
  home: Home | undefined
  /** ReadyForQuery's status as the client knows it. */
  status: number = Status.idle
  /** What runs now. */
  unit: Unit | undefined
  /** Prepared statements as they were when the transaction began, where it has changed them. */
  statementsBefore: SessionState['statements'] | undefined
  unnamedBefore: SessionState['unnamed']
  /** A transaction that was lost while its client was silent: the next unit hears it. */
  owed: AllwriteError | undefined
  /** While a unit is run again: what it is compared with. */
  comparison: Comparison | undefined
  /** The client has half of a message. */
  partOpen = false
  /** Told by agents in this transaction: see {@link Borrower.touched}. */
  readonly touches = new Set<string>()
  readonly conflicts = new Conflicts()
  /** performance.now() when it began, when it last had nothing to do, when its last request began. */
  readonly openedAt = performance.now()
  idleSince = this.openedAt
  requestedAt = this.openedAt
  /** performance.now() since when it waits for a connection. */
  waitingSince: number | undefined
  #transactionBegan = 0
  /** The connection that it had last. */
  last: ServerConnection | undefined
  #settled: { readonly node: number; readonly leave: () => void } | undefined
  #texts = new Set<string>()
  #sawError = false
  /** The connection's count when it was borrowed. */
  countedBefore = 0
  /** The type of the last message of the client that was sent on, and of the last that the client was sent. */
  lastSent = 0
  lastShown = 0
  /** How often this transaction lost its connection. */
  losses = 0
  /** The transaction is over; its last ReadyForQuery waits for what follows from it. */
  #ended = false
  /** Frames up to the Sync are dropped: their unit was answered. */
  #dropping = false
  #wake: (() => void) | undefined
  #woken = false
  readonly #gone = new AbortController()
  #terminated: AllwriteError | undefined
  #killed = false

  constructor(options: {
    readonly client: Socket
    readonly leftover: Buffer
    readonly kind: Kind
    readonly parameters: ReadonlyMap<string, string>
    readonly context: SessionContext
  }) {
    this.client = options.client
    this.kind = options.kind
    this.context = options.context
    this.told = new Map(options.parameters)
    this.client.on('error', () => undefined)
    this.client.on('close', () => {
      this.#gone.abort()
      this.wake()
    })
    this.output = new ClientOutput(this.client, (blocked) => this.server?.setPaused(blocked))
    this.input = new ClientInput(this.client, options.leftover, () => this.wake())
    this.closed = this.#run()
  }

  /** Aborts when nobody waits for an answer any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get pinned(): boolean {
    return this.state.pins.size > 0
  }

  get movable(): boolean {
    return this.context.settings.replay && !this.pinned && !this.recording.lost
  }

  /** Waits for a request of its client, outside a transaction. */
  get idle(): boolean {
    return this.unit === undefined && this.status === Status.idle
  }

  /** Ends the session as soon as it is idle. */
  terminate(error: AllwriteError): void {
    this.#terminated = error
    this.wake()
  }

  /** Ends the session at once, whatever it does: its transaction is rolled back, unless its COMMIT is under way. */
  kill(error: AllwriteError): void {
    this.#killed = true
    this.terminate(error)
    this.#gone.abort()
    this.server?.destroy()
  }

  // --- what the connection says ---

  visible(type: number, buffer: Buffer, start: number, end: number, part: number): void {
    if (type === backendType.error) this.#sawError = true
    if (this.conflicts.takes(this, type, buffer, start, end)) return
    this.lastShown = type
    this.kind.traffic.sent += end - start
    this.partOpen = (part & Part.last) === 0
    this.emit(buffer, start, end)
  }

  fact(frame: Buffer): void {
    if (frame[0] === backendType.parameter) {
      const [name, value] = readParameter(frame)
      if (this.told.get(name) === value) return
      this.told.set(name, value)
    }
    // In a repetition the client has had its notices.
    else if (this.comparison && frame[0] === backendType.notice) return
    this.output.push(frame)
  }

  touched(what: string): void {
    this.touches.add(what)
  }

  discarded(tag: string): void {
    this.statementsBefore ??= this.state.statements
    discard(this.state, tag)
  }

  ready(status: number, buffer: Buffer, start: number, end: number): void {
    const { server } = this
    if (this.conflicts.isEnd(status)) return
    if (this.comparison) {
      this.emit(buffer, start, end)
      if (this.comparison) this.comparison.ready = status
      return
    }
    const { traffic } = this.kind
    const now = performance.now()
    traffic.queries++
    traffic.sent += end - start
    traffic.queryUs += (now - this.requestedAt) * 1000
    if (status !== Status.idle) {
      this.status = status
      this.emit(buffer, start, end)
      this.unit?.delivered.settle()
      this.unit = undefined
    } else if (this.touches.size > 0 || server === undefined) this.#ended = true
    else {
      this.output.append(buffer, start, end)
      this.#over(server, now)
    }
  }

  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    if (wake) wake()
    else this.#woken = true
  }

  // --- the client's requests ---

  async #run(): Promise<void> {
    let words: Buffer | undefined
    try {
      await this.#serve()
      if (this.#terminated) words = errorFrame(this.#terminated, 'FATAL')
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown
      if (this.#killed && this.#terminated) words = errorFrame(this.#terminated, 'FATAL')
      else if (thrown instanceof SessionEnd) words = thrown.words
      else if (thrown instanceof NoNode) words = thrown.refusal
      else words = errorFrame(AllwriteError.from(thrown), 'FATAL')
      if (!(thrown instanceof SessionEnd || thrown instanceof NoNode || thrown instanceof AllwriteError))
        this.context.log.warn({ error: String(thrown) }, 'session ended by an error')
    }
    this.#dropServer()
    this.#settled?.leave()
    if (words && !this.partOpen) this.output.push(words)
    this.output.flush()
    this.client.end()
    await lastWordsRead(this.client)
  }

  async #serve(): Promise<void> {
    for (;;) {
      if (this.client.closed || this.#killed || (this.#terminated && this.idle)) return
      try {
        const pending = this.#step()
        if (pending === 'end') return
        if (pending) await pending
      } catch (thrown) {
        // Seen again at the next turn, where it is dealt with.
        if (!(thrown instanceof ConnectionLost) || this.server?.lost !== true) throw thrown
      }
    }
  }

  /** One thing at a time. What has to be waited for is a promise: a request that a free connection serves makes none. */
  #step(): Pending | 'end' {
    const { server } = this
    if (this.conflicts.ended !== undefined && !server?.lost) return meetConflict(this)
    if (this.comparison?.failed) return differs(this)
    if (this.#ended) return this.#endTransaction()
    if (server?.lost) return recover(this)
    if (server && (server.blocked || (server.readyDue > 0 && !server.copyIn))) return this.sleep()
    const frame = this.input.take()
    if (frame === undefined) {
      if (this.input.exhausted) return 'end'
      this.idleSince = performance.now()
      return this.sleep()
    }
    return frame.type === frontend.terminate ? 'end' : this.#handle(frame)
  }

  /** Until something has happened; what is written goes out first. */
  sleep(): Pending {
    this.server?.flush()
    this.output.flush()
    if (this.#woken) {
      this.#woken = false
      return undefined
    }
    return new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #handle(frame: ClientFrame): Pending {
    this.kind.traffic.received += frame.bytes.length
    if (this.#dropping) {
      if (frame.type !== frontend.sync) return undefined
      this.#dropping = false
      this.output.push(readyFrame(this.status))
      return undefined
    }
    if (isCopy(frame.type)) {
      // Left over from a COPY that has failed: dropped, as PostgreSQL does.
      if (this.server?.copyIn !== true || this.unit === undefined) return undefined
    } else if (this.unit === undefined) {
      if (frame.type === frontend.flush) return undefined
      if (this.owed && !isRollback(frame)) {
        this.answer(this.owed, this.status, frame.type)
        this.owed = undefined
        return undefined
      }
      this.owed = undefined
      if (this.server === undefined) {
        const borrowing = borrow(this)
        if (borrowing) return this.#handleLater(frame, borrowing)
      }
      return this.#begin(frame)
    }
    return this.#pass(frame)
  }

  /** A connection is not there at once; the client is told where none can be had. */
  async #handleLater(frame: ClientFrame, borrowing: Promise<void>): Promise<void> {
    try {
      await borrowing
    } catch (thrown) {
      if (!(thrown instanceof AllwriteError) || thrown.sqlState !== '53300') throw thrown
      this.answer(thrown, Status.idle, frame.type)
      return
    }
    await this.#begin(frame)
  }

  #begin(frame: ClientFrame): Pending {
    this.#beginUnit()
    return this.#pass(frame)
  }

  #pass(frame: ClientFrame): Pending {
    if (this.unit && this.context.settings.replay) this.recording.add(this.unit, frame)
    this.#note(frame)
    return this.send(frame)
  }

  #beginUnit(): void {
    this.requestedAt = performance.now()
    if (this.status === Status.idle) {
      this.#transactionBegan = this.requestedAt
      this.unnamedBefore = this.state.unnamed
      this.statementsBefore = undefined
    }
    this.unit = this.recording.begin()
  }

  /** What later questions depend on. */
  #note({ type, bytes }: ClientFrame): void {
    if (type === frontend.call) this.state.lostTrack = true
    if (this.context.settings.replay && changesStatements(type, bytes))
      this.statementsBefore ??= new Map(this.state.statements)
    if (type !== frontend.query && type !== frontend.parse) return
    const text = bytes.toString('latin1', 5)
    if (!isNotable(text)) return
    if (this.context.settings.replay && mentionsDeallocate(text))
      this.statementsBefore ??= new Map(this.state.statements)
    if (mentionsSetConfig(text)) this.#texts.add(text)
    if (asksSequences(text)) this.kind.asksSequences = true
  }

  /** Sends one of the client's messages to the connection. @throws ConnectionLost */
  send(frame: ClientFrame): Pending {
    const server = this.server
    if (server === undefined || server.lost) throw new ConnectionLost()
    this.lastSent = frame.type
    const forwarded = forward(frame, this.state, server)
    if (forwarded instanceof Promise) return forwarded.then((later) => this.#sent(frame, server, later))
    this.#sent(frame, server, forwarded)
    return undefined
  }

  #sent({ type }: ClientFrame, server: ServerConnection, forwarded: Forwarded): void {
    if (type === frontend.copyDone || type === frontend.copyFail) server.copyEnded()
    if (forwarded !== 'sent') this.#emitFrame(forwarded.errorFrame)
  }

  /** It is at home there from now on. */
  settle(target: Target): void {
    if (this.#settled?.node === target.node) return
    this.#settled?.leave()
    this.#settled = { node: target.node, leave: this.context.routes.opened(target) }
  }

  /** Bytes for the client: in a repetition only what it has not had. */
  emit(buffer: Buffer, from: number, end: number): void {
    const { comparison } = this
    let start = from
    if (comparison) {
      start = comparison.take(buffer, start, end)
      if (!comparison.open || !comparison.equal) return
      this.comparison = undefined
      if (start === end) return
    }
    this.unit?.delivered.add(buffer, start, end)
    this.output.append(buffer, start, end)
  }

  #emitFrame(frame: Buffer): void {
    this.emit(frame, 0, frame.length)
  }

  /** The transaction has ended, the client is told, and nothing has to be asked. */
  #over(server: ServerConnection, now: number): void {
    this.status = Status.idle
    this.closeTransaction()
    const { traffic } = this.kind
    traffic.transactions++
    traffic.transactionUs += (now - this.#transactionBegan) * 1000
    if (keptBy(this.state, this.kind).length === 0) {
      this.server = undefined
      this.last = server
      this.context.connections.release(server)
    }
  }

  /** What the transaction has left in the session is asked for before the client hears that it is over. */
  async #endTransaction(): Promise<void> {
    const { server, touches, state } = this
    if (server === undefined) throw new ConnectionLost()
    try {
      await learnFrom(server, {
        state,
        touches,
        texts: this.#texts,
        user: this.kind.user,
        settings: this.context.settings,
      })
    } catch (thrown) {
      // The client has not heard of the end: as if the transaction were still open.
      if (thrown instanceof ConnectionLost) this.#ended = false
      throw thrown
    }
    this.#ended = false
    this.output.push(readyFrame(Status.idle))
    this.#over(server, performance.now())
  }

  /** Forgets what belonged to the transaction. */
  closeTransaction(): void {
    const { server } = this
    if (server) {
      const wrote = server.counted !== this.countedBefore || !this.context.settings.replay
      if (wrote || this.#sawError || this.touches.size > 0 || this.recording.units.length > 1)
        server.sequencesUsed = this.state.drew = true
      this.countedBefore = server.counted
    }
    this.#sawError = false
    this.touches.clear()
    this.#texts.clear()
    this.recording.clear()
    this.statementsBefore = undefined
    this.unit = undefined
    this.comparison = undefined
    this.losses = 0
    this.conflicts.clear()
    this.#ended = false
  }

  /** A COMMIT whose answer was lost: the transaction is over, and these are its answers. */
  committed(answers: readonly Buffer[]): void {
    for (const answer of answers) this.output.push(answer)
    this.status = Status.idle
    const changed = this.touches.size > 0
    this.closeTransaction()
    if (changed)
      throw new SessionEnd(errorFrame(stateLostError('the transaction that has changed it is committed'), 'FATAL'))
  }

  /**
   * Answers a unit with an error of ours.
   * @param status after it
   * @param frame the type of its last message that was taken: behind it, up to the Sync, nothing is answered
   * @throws SessionEnd: the client has half of a message, and nothing can be said
   */
  answer(error: AllwriteError, status: number, frame: number): void {
    if (this.partOpen) throw new SessionEnd(undefined)
    this.output.push(errorFrame(error, 'ERROR'))
    this.status = status
    this.unit = undefined
    if (status === Status.idle) this.closeTransaction()
    if (endsUnit(frame)) this.output.push(readyFrame(status))
    else this.#dropping = true
  }

  #dropServer(): void {
    const { server } = this
    this.server = undefined
    if (!server) return
    server.borrower = undefined
    server.destroy()
  }
}
