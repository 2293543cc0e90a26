/**
 * The journal as an agent reaches it: the contract's interface over the journal process's socket.
 *
 * Contract: one connection, made again when lost (10 ms … 1 s apart). Unanswered appends are sent again with the same
 * ids in the same order; streams resume behind the last entry received. A promise waits as long as it takes; give a
 * signal to bound it. An append given up by its signal may still be stored, and is still repeated: its number is used.
 *
 * Failures: what the journal refuses reaches the caller. If the socket leads to another journal than before, or to one
 * that lost entries we have seen, everything fails for good with `journal_corrupt`: going on would diverge.
 *
 * @module
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import type { NodeId, Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import { repeatWindow } from '../admission.ts'
import { whenAborted } from '../cancel.ts'
import { payloadBytesMax } from '../contract.ts'
import type { Journal, JournalTail, StoredEntry } from '../contract.ts'
import { appendHead, creditFrame, decodeReply, FrameReader, helloFrame, MalformedFrame } from './frames.ts'
import { protocolVersion, reportFrame, tailFrame, unsubscribeFrame } from './frames.ts'
import type { Reply } from './frames.ts'
import type { Log } from './recover.ts'
import { ReadStream } from './read-stream.ts'

export interface ClientOptions {
  readonly socketPath: string
  readonly log?: Log
  /** In [0, 1): spreads the reconnects of many agents. */
  readonly random?: () => number
}

/** Wait before the first reconnect, ms; doubles with each that fails. */
const backoffMsMin = 10
/** Longest wait between two tries, ms. */
const backoffMsMax = 1000

interface Pending {
  readonly id: AppendId
  readonly payload: Uint8Array
  readonly resolve: (position: Position) => void
  readonly reject: (error: AllwriteError) => void
}

interface PendingTail {
  readonly resolve: (tail: JournalTail) => void
  readonly reject: (error: AllwriteError) => void
}

/** A client of the journal process. It connects at once, in the background. */
export const connectFileJournal = (options: ClientOptions): Journal => new FileJournalClient(options)

class FileJournalClient implements Journal {
  readonly #options: ClientOptions
  readonly #log: Log
  #socket: Socket | undefined
  #open = false
  #corked = false
  #timer: NodeJS.Timeout | undefined
  #backoffMs = backoffMsMin
  #failure: AllwriteError | undefined
  #identity: Buffer | undefined
  /** The highest position that this client was told is durable. */
  #seen = 0
  #nextRequest = 1
  /** In order: the first ones are on the wire, at most {@link repeatWindow}, so that each can be repeated. */
  readonly #sent = new Map<number, Pending>()
  #waiting: Pending[] = []
  readonly #tails = new Map<number, PendingTail>()
  readonly #streams = new Map<number, ReadStream>()
  readonly #reports = new Map<NodeId, Position>()

  constructor(options: ClientOptions) {
    this.#options = options
    this.#log = options.log ?? (() => {})
    this.#connect()
  }

  append(id: AppendId, payload: Uint8Array, signal?: AbortSignal): Promise<Position> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      if (payload.length > payloadBytesMax) {
        const message = `an append of ${payload.length} bytes is over the limit of ${payloadBytesMax}`
        return reject(new AllwriteError('too_large', message))
      }
      const stop = whenAborted(signal, reject)
      if (stop === undefined) return
      const pending = {
        id,
        payload,
        resolve: (position: Position) => {
          stop()
          resolve(position)
        },
        reject: (error: AllwriteError) => {
          stop()
          reject(error)
        },
      }
      if (this.#sent.size < repeatWindow && this.#waiting.length === 0) this.#sendAppend(pending)
      else this.#waiting.push(pending)
    })
  }

  tail(signal?: AbortSignal): Promise<JournalTail> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const request = this.#request()
      const stop = whenAborted(signal, (error) => {
        this.#tails.delete(request)
        reject(error)
      })
      if (stop === undefined) return
      const done = (): void => {
        stop()
        this.#tails.delete(request)
      }
      this.#tails.set(request, {
        resolve: (tail) => {
          done()
          resolve(tail)
        },
        reject: (error) => {
          done()
          reject(error)
        },
      })
      if (this.#open) this.#send(tailFrame(request))
    })
  }

  async *read(
    from: Position,
    { to, signal }: { to?: Position; signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly StoredEntry[]> {
    if (to !== undefined && to < from) return
    if (this.#failure !== undefined) throw this.#failure
    const id = this.#request()
    const stream = new ReadStream(id, Math.max(from, 1), to ?? 0, (credit) => {
      if (this.#open) this.#send(creditFrame(id, credit))
    })
    this.#streams.set(id, stream)
    if (this.#open) this.#send(stream.subscribe())
    try {
      for (;;) {
        const batch = await stream.next(signal)
        if (batch === undefined) return
        yield batch
      }
    } finally {
      this.#streams.delete(id)
      if (this.#open && !stream.over) this.#send(unsubscribeFrame(id))
    }
  }

  report(node: NodeId, safe: Position): void {
    this.#reports.set(node, safe)
    if (this.#open) this.#send(reportFrame(node, safe))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new AllwriteError('cancelled', 'the journal client was closed'))
  }

  #request(): number {
    // 32 bits on the wire: reused after four billion, long after the first was answered.
    do this.#nextRequest = this.#nextRequest === 0xffff_ffff ? 1 : this.#nextRequest + 1
    while (this.#sent.has(this.#nextRequest) || this.#streams.has(this.#nextRequest))
    return this.#nextRequest
  }

  #sendAppend(pending: Pending): void {
    const request = this.#request()
    this.#sent.set(request, pending)
    if (this.#open) this.#send(appendHead(request, pending.id, pending.payload.length), pending.payload)
  }

  #connect(): void {
    const frames = new FrameReader()
    const socket = connect(this.#options.socketPath)
    this.#socket = socket
    socket.on('connect', () => socket.write(helloFrame()))
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#lost(socket))
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of frames.push(chunk)) {
          if (socket.destroyed) return
          this.#handle(decodeReply(frame))
        }
      } catch (error) {
        if (!(error instanceof MalformedFrame || error instanceof RangeError)) throw error
        this.#log('error', `journal client: closed a connection that sent ${error.message}`)
        socket.destroy()
      }
    })
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    if (this.#open) this.#log('warn', 'journal client: lost the connection; reconnecting')
    this.#open = false
    this.#corked = false
    if (this.#failure !== undefined) return
    const random = this.#options.random ?? Math.random
    this.#timer = setTimeout(() => this.#connect(), this.#backoffMs * (0.5 + 0.5 * random()))
    this.#backoffMs = Math.min(this.#backoffMs * 2, backoffMsMax)
  }

  #handle(reply: Reply): void {
    switch (reply.kind) {
      case 'welcome':
        return this.#welcomed(reply)
      case 'appended': {
        this.#seen = Math.max(this.#seen, reply.position)
        this.#answered(reply.request)?.resolve(reply.position)
        return
      }
      case 'refused':
        return this.#refused(reply.request, reply.error)
      case 'entries': {
        // Unknown: given up while they were under way.
        const stream = this.#streams.get(reply.stream)
        if (stream === undefined) return
        this.#seen = Math.max(this.#seen, stream.push(reply.first, reply.records))
        return
      }
      case 'tailIs':
        this.#seen = Math.max(this.#seen, reply.tail.last)
        this.#tails.get(reply.request)?.resolve(reply.tail)
        return
      case 'ended':
        this.#streams.get(reply.stream)?.end()
    }
  }

  #welcomed({ version, identity, last }: Reply & { kind: 'welcome' }): void {
    if (version !== protocolVersion) throw new MalformedFrame(`protocol version ${version}`)
    if (this.#identity?.equals(identity) === false) {
      return this.#fail(new AllwriteError('journal_corrupt', 'the journal was replaced by another one'))
    }
    if (last < this.#seen) {
      const message = `the journal ends at position ${last}, but held ${this.#seen} before`
      return this.#fail(new AllwriteError('journal_corrupt', message))
    }
    this.#identity = identity
    this.#open = true
    this.#backoffMs = backoffMsMin
    for (const [node, safe] of this.#reports) this.#send(reportFrame(node, safe))
    for (const stream of this.#streams.values()) if (!stream.over) this.#send(stream.subscribe())
    for (const [request, { id, payload }] of this.#sent) this.#send(appendHead(request, id, payload.length), payload)
    for (const request of this.#tails.keys()) this.#send(tailFrame(request))
  }

  #refused(request: number, error: AllwriteError): void {
    if (request === 0) return this.#fail(error)
    this.#answered(request)?.reject(error)
    this.#tails.get(request)?.reject(error)
    this.#streams.get(request)?.end(error)
  }

  /** Takes an answered append off the list, and sends the next that waits. */
  #answered(request: number): Pending | undefined {
    const pending = this.#sent.get(request)
    if (pending === undefined) return undefined
    this.#sent.delete(request)
    if (this.#waiting.length > 0) {
      const room = repeatWindow - this.#sent.size
      // In steps of a quarter window, so that the array is not shifted for each.
      if (room >= repeatWindow / 4 || this.#sent.size === 0) {
        for (const next of this.#waiting.splice(0, room)) this.#sendAppend(next)
      }
    }
    return pending
  }

  #fail(error: AllwriteError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    clearTimeout(this.#timer)
    this.#open = false
    this.#socket?.destroy()
    const appends = [...this.#sent.values(), ...this.#waiting]
    this.#sent.clear()
    this.#waiting = []
    for (const { reject } of [...appends, ...this.#tails.values()]) reject(error)
    for (const stream of this.#streams.values()) stream.end(error)
  }

  /** All that is sent before the event loop goes on leaves in one write. */
  #send(...buffers: Uint8Array[]): void {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    for (const buffer of buffers) socket.write(buffer)
  }
}
