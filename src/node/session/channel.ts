/**
 * The backend's side: requests are answered in order, each by a *cycle* of messages that ends with ReadyForQuery. A
 * cycle's messages go to the client as slices of the chunks they came in, or are swallowed; nothing here waits.
 *
 * Contract
 * 1. Every request ends with a message that the server answers with ReadyForQuery (Query, FunctionCall, Sync; for COPY
 *    IN, the Sync comes when the copy is over).
 * 2. Notifications and parameter reports reach the client whatever the cycle's visibility; notices too, unless filtered.
 * 3. A FATAL error is not forwarded but kept: the session shows it when it knows what became of the transaction.
 * 4. When the connection ends, open cycles are rejected with BackendLost, after the locks are gone: PostgreSQL leaves the
 *    socket open until the process has ended.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError, assert } from '../../core/errors.ts'
import { parseErrorFields, type ErrorFields } from '../../wire/pgwire/errors.ts'
import { backendRules, backendType, FrameScanner, Part } from '../../wire/pgwire/frames.ts'
import { readFunctionValue, readParameter, readTag } from '../../wire/pgwire/messages.ts'
import { joinBytesMax } from '../../login/client-output.ts'
import type { HeldOutput } from './output.ts'

/** The backend's connection is gone. */
export class BackendLost extends Error {
  constructor() {
    super('the connection to the backend is gone')
    this.name = 'BackendLost'
  }
}

/** How a cycle is answered. */
export interface CycleOptions {
  /** Its messages go to the client. */
  readonly show: boolean
  /** Its ReadyForQuery too, if the cycle was not abandoned. */
  readonly ready: boolean
  /** CommandComplete (or the function's value) is kept in the answer, not shown. */
  readonly keepComplete?: boolean
  /** What the client gets for an error; undefined: nothing yet, and no ReadyForQuery: the unit answers. */
  readonly error?: (fields: ErrorFields, frame: Buffer) => Buffer | undefined
  /** Called at an error whether it is shown or not: COPY IN must stop. */
  readonly failed?: () => void
  /** Drops a notice. */
  readonly dropNotice?: (fields: ErrorFields) => boolean
  /**
   * Sees the messages that count an extended batch's progress, `shown` or not: 1 2 3 C I s E (whole) and D (its first part). A
   * returned buffer is shown instead.
   */
  readonly track?: (type: number, shown: boolean) => Buffer | undefined
  /** CopyInResponse arrived: the backend reads CopyData now. */
  readonly copyIn?: () => void
}

/** A cycle of ours: nothing of it is for the client. */
export const hiddenCycle: CycleOptions = { show: false, ready: false }

/** What a cycle came to. */
export interface Answer {
  /** ReadyForQuery's status byte. */
  readonly status: number
  readonly error: ErrorFields | undefined
  /** The same as it came. */
  readonly errorFrame: Buffer | undefined
  /** Last command tag. */
  readonly tag: string | undefined
  /** A FunctionCall's value. */
  readonly value: string | null | undefined
  /** The client has had its ReadyForQuery. */
  readonly readyShown: boolean
  /** Kept back CommandComplete or FunctionCallResponse. */
  readonly complete: Buffer | undefined
}

interface Cycle {
  readonly options: CycleOptions
  result: { -readonly [Field in keyof Answer]: Answer[Field] }
  /** Set by `discard`: nothing of its results is shown any more. */
  discarded: boolean
  /** Its error is answered by the unit, with its ReadyForQuery. */
  withheld: boolean
  resolve(answer: Answer): void
  reject(error: Error): void
}

/** What the session decides about messages that belong to no cycle. */
export interface ChannelHooks {
  /** A parameter's report: the frame to show, or undefined to hide it. */
  parameter(name: string, value: string, frame: Buffer): Buffer | undefined
  /** All cycles are answered. Called inside the last one's ReadyForQuery, before its promise is seen. */
  idle(): void
  /** Called once. `fatal`: the server's last words. */
  closed(fatal: Buffer | undefined): void
}

export class Channel {
  readonly #socket: Socket
  readonly #out: HeldOutput
  readonly #hooks: ChannelHooks
  readonly #scanner: FrameScanner
  #cycles: Cycle[] = []
  #fatal: Buffer | undefined
  #lost = false
  #pauseWanted = false
  #corks = 0
  #corked: Buffer[] = []
  #paused = false
  #deferred: Buffer[] | undefined
  /** Whether the frame that is arriving in parts is shown. */
  #partShown = false

  constructor(socket: Socket, out: HeldOutput, hooks: ChannelHooks) {
    this.#socket = socket
    this.#out = out
    this.#hooks = hooks
    this.#scanner = new FrameScanner(backendRules, (kind, buffer, start, end, part) =>
      this.#frame(kind, buffer, start, end, part),
    )
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => this.#close())
  }

  /** Takes what came with the login, and begins to read. */
  start(leftover: Buffer): void {
    if (leftover.length > 0) this.#take(leftover)
    this.#socket.resume()
  }

  get lost(): boolean {
    return this.#lost
  }

  /** The client has had the beginning of a message whose rest has not come. */
  get midFrame(): boolean {
    return this.#partShown && this.#scanner.midFrame
  }

  get busy(): boolean {
    return this.#cycles.length > 0
  }

  /** Nobody needs the backend any more: it rolls back what is open when it sees the end. */
  destroy(): void {
    this.#socket.destroy()
  }

  /**
   * The client does not read: neither is the backend read, its own back-pressure. Only while it sends something for the client: a
   * COMMIT's answer must not wait for the client, since all that follows in the journal waits for the COMMIT.
   */
  setPaused(wanted: boolean): void {
    this.#pauseWanted = wanted
    this.#applyPause()
  }

  #applyPause(): void {
    const cycle = this.#cycles[0]
    const paused = this.#pauseWanted && (cycle === undefined || (cycle.options.show && !cycle.discarded))
    if (paused === this.#paused) return
    this.#paused = paused
    if (paused) this.#socket.pause()
    else this.#socket.resume()
  }

  /** Opens a cycle for bytes that are sent by `write`. @throws (rejects) BackendLost */
  cycle(options: CycleOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(new BackendLost())
        return
      }
      const result = {
        status: 0,
        error: undefined,
        errorFrame: undefined,
        tag: undefined,
        value: undefined,
        readyShown: false,
        complete: undefined,
      }
      this.#cycles.push({ options, result, discarded: false, withheld: false, resolve, reject })
      if (this.#pauseWanted) this.#applyPause()
    })
  }

  /** Sends bytes. False: the backend is slow, `drained` tells when to go on. */
  write(bytes: Buffer | readonly Buffer[]): boolean {
    if (this.#lost || this.#socket.destroyed) return true
    const slices = Buffer.isBuffer(bytes) ? [bytes] : bytes
    if (this.#corks === 0) return this.#writeAll(slices)
    this.#corked.push(...slices)
    return true
  }

  /** What is written until `uncork` goes out in one write: the backend wakes up once. */
  cork(): void {
    this.#corks += 1
  }

  uncork(): void {
    assert(this.#corks > 0, 'uncork follows cork')
    this.#corks -= 1
    if (this.#corks > 0 || this.#corked.length === 0) return
    const slices = this.#corked
    this.#corked = []
    if (!this.#lost && !this.#socket.destroyed) this.#writeAll(slices)
  }

  #writeAll(slices: readonly Buffer[]): boolean {
    const [first] = slices
    if (first === undefined) return true
    if (slices.length === 1) return this.#socket.write(first)
    // One small copy costs less than a vectored write.
    const bytes = slices.reduce((sum, slice) => sum + slice.length, 0)
    if (bytes <= joinBytesMax) return this.#socket.write(Buffer.concat(slices, bytes))
    let free = true
    this.#socket.cork()
    for (const slice of slices) free = this.#socket.write(slice)
    this.#socket.uncork()
    return free
  }

  /** Calls back once when the backend has taken what was written, or is gone. */
  drained(callback: () => void): void {
    if (this.#lost || !this.#socket.writableNeedDrain) {
      callback()
      return
    }
    const done = (): void => {
      this.#socket.off('drain', done)
      this.#socket.off('close', done)
      callback()
    }
    this.#socket.on('drain', done)
    this.#socket.on('close', done)
  }

  /** From now on nothing of the open cycles' results is shown; a frame that the client has half of is completed. */
  discard(): void {
    for (const cycle of this.#cycles) cycle.discarded = true
    this.#applyPause()
  }

  /** Until `undefer`, parameter reports and notifications wait: they follow a held CommandComplete. */
  defer(): void {
    this.#deferred ??= []
  }

  undefer(): void {
    const deferred = this.#deferred
    this.#deferred = undefined
    if (deferred) for (const frame of deferred) this.#out.pushFact(frame)
  }

  #take(chunk: Buffer): void {
    try {
      this.#scanner.push(chunk)
    } catch (thrown) {
      // A broken frame ends this session, never the process; one that is shorter than its fields is read past its end.
      if (!(thrown instanceof AllwriteError || thrown instanceof RangeError)) throw thrown
      this.#socket.destroy()
    }
    this.#out.flush()
  }

  #frame(kind: number, buffer: Buffer, start: number, end: number, part: number): void {
    const cycle = this.#cycles[0]
    if ((part & Part.first) === 0) {
      if (this.#partShown) this.#out.append(buffer, start, end)
      return
    }
    const shown = cycle !== undefined && cycle.options.show && !cycle.discarded
    switch (kind) {
      case backendType.ready:
        this.#ready(buffer, start, end)
        return
      case backendType.complete:
        if (cycle) cycle.result.tag = readTag(buffer, start, end)
        break
      case backendType.value:
        if (cycle) cycle.result.value = readFunctionValue(buffer.subarray(start, end))
        break
      case backendType.error:
        this.#error(cycle, buffer.subarray(start, end))
        return
      case backendType.notice:
        this.#notice(cycle, buffer, start, end)
        return
      case backendType.notification:
        this.#fact(buffer.subarray(start, end))
        return
      case backendType.parameter: {
        const frame = buffer.subarray(start, end)
        const [name, value] = readParameter(frame)
        const shownFrame = this.#hooks.parameter(name, value, frame)
        if (shownFrame) this.#fact(shownFrame)
        return
      }
      case backendType.copyIn:
        cycle?.options.copyIn?.()
        break
      default:
        break
    }
    const instead = cycle?.options.track && tracked[kind] === 1 ? cycle.options.track(kind, shown) : undefined
    this.#partShown = shown
    if (!shown) return
    if (cycle.options.keepComplete && (kind === backendType.complete || kind === backendType.value)) {
      cycle.result.complete = instead ?? buffer.subarray(start, end)
      this.defer()
      return
    }
    if (instead) {
      this.#partShown = false
      if (instead.length > 0) this.#out.push(instead)
    } else this.#out.append(buffer, start, end)
  }

  #ready(buffer: Buffer, start: number, end: number): void {
    const cycle = this.#cycles.shift()
    if (!cycle) return
    cycle.result.status = buffer[end - 1] ?? 0
    if (cycle.options.ready && !cycle.discarded && !cycle.withheld) {
      cycle.result.readyShown = true
      this.#out.append(buffer, start, end)
    }
    cycle.resolve(cycle.result)
    if (this.#pauseWanted) this.#applyPause()
    if (this.#cycles.length === 0) this.#hooks.idle()
  }

  #error(cycle: Cycle | undefined, frame: Buffer): void {
    const fields = parseErrorFields(frame.subarray(5))
    if (fields.severity === 'FATAL' || fields.severity === 'PANIC') {
      this.#fatal = frame
      return
    }
    if (!cycle) return
    cycle.result.error = fields
    cycle.result.errorFrame = frame
    cycle.options.track?.(backendType.error, false)
    cycle.options.failed?.()
    if (!cycle.options.show || cycle.discarded) return
    const shown = cycle.options.error ? cycle.options.error(fields, frame) : frame
    if (shown) this.#out.push(shown)
    else cycle.withheld = true
  }

  #notice(cycle: Cycle | undefined, buffer: Buffer, start: number, end: number): void {
    if (cycle?.discarded) return
    if (cycle?.options.dropNotice?.(parseErrorFields(buffer.subarray(start + 5, end)))) return
    this.#out.append(buffer, start, end)
  }

  #fact(frame: Buffer): void {
    if (this.#deferred) this.#deferred.push(frame)
    else this.#out.pushFact(frame)
  }

  #close(): void {
    assert(!this.#lost, 'a connection closes once')
    this.#lost = true
    const cycles = this.#cycles
    this.#cycles = []
    this.#hooks.closed(this.#fatal)
    for (const cycle of cycles) cycle.reject(new BackendLost())
  }
}

/** Types that `track` sees. */
const tracked = new Uint8Array(256)
for (const kind of [
  backendType.parseComplete,
  backendType.bindComplete,
  backendType.closeComplete,
  backendType.complete,
  backendType.row,
  backendType.empty,
  backendType.suspended,
]) {
  tracked[kind] = 1
}
