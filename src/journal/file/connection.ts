/**
 * One client's connection to the journal process: its appends, and its streams with their credit.
 *
 * Flow control, out: a stream sends while it has credit, which the client gives as it consumes; so a stream holds at most
 * its credit and one frame more in the socket, however slow the client. In: a connection whose unanswered appends
 * exceed a bound is not read from until they are answered.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import type { Cursor } from './cursor.ts'
import { appendedFrame, decodeRequest, endedFrame, entriesHead, FrameReader, MalformedFrame } from './frames.ts'
import { protocolVersion, refusedFrame, tailIsFrame, welcomeFrame } from './frames.ts'
import type { Request } from './frames.ts'
import type { Log } from './recover.ts'
import type { RecordRun } from './ring.ts'
import type { Store } from './store.ts'

/** Streams of one connection: an agent has one, and a joiner's or a tool's beside it. */
const streamsMax = 16

/** Credit that a stream can have, bytes, whatever the client says: with streamsMax the bound of memory for it. */
export const creditBytesMax = 8 * 1024 * 1024

/** Bytes of records in one frame, unless one record is longer. */
const entriesBytesMax = 256 * 1024

/** Unanswered appends of a connection, bytes, beyond which it is not read. Two of the largest pass. */
const unansweredBytesMax = 9 * 1024 * 1024

interface Stream {
  readonly id: number
  readonly cursor: Cursor
  readonly to: number
  credit: number
  /** A read from disk is under way: it pumps again when done. */
  reading: boolean
  closed: boolean
}

/** Serves one socket until it closes. */
export class Connection {
  readonly #socket: Socket
  readonly #store: Store
  readonly #log: Log
  readonly #frames = new FrameReader()
  readonly #streams = new Map<number, Stream>()
  #welcomed = false
  #unansweredBytes = 0
  #corked = false

  constructor(socket: Socket, store: Store, log: Log) {
    this.#socket = socket
    this.#store = store
    this.#log = log
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      for (const stream of this.#streams.values()) this.#drop(stream)
    })
  }

  /** More is durable: sends what the streams wait for. */
  pump(): void {
    for (const stream of this.#streams.values()) if (!stream.reading) this.#pump(stream)
  }

  /** Ends the connection. */
  destroy(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        if (this.#socket.destroyed) return
        this.#handle(decodeRequest(frame))
      }
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error
      this.#log('warn', `journal: closed a connection that sent ${error.message}`)
      this.#socket.destroy()
    }
  }

  #handle(request: Request): void {
    if (!this.#welcomed && request.kind !== 'hello') throw new MalformedFrame('a request before its hello')
    switch (request.kind) {
      case 'hello':
        return this.#welcome(request.version)
      case 'append':
        return this.#append(request)
      case 'subscribe':
        return this.#subscribe(request)
      case 'credit': {
        const stream = this.#streams.get(request.stream)
        // Unknown: it ended while the credit was under way.
        if (stream === undefined) return
        stream.credit = Math.min(stream.credit + request.credit, creditBytesMax)
        if (!stream.reading) this.#pump(stream)
        return
      }
      case 'unsubscribe': {
        const stream = this.#streams.get(request.stream)
        if (stream !== undefined) this.#drop(stream)
        return
      }
      case 'tail':
        return this.#send(tailIsFrame(request.request, this.#store.tail()))
      case 'report':
        return this.#store.report(request.node, request.safe)
    }
  }

  #welcome(version: number): void {
    if (version !== protocolVersion) {
      const message = `the journal speaks protocol version ${protocolVersion}, not ${version}`
      this.#socket.end(refusedFrame(0, new AllwriteError('protocol', message)))
      return
    }
    this.#welcomed = true
    this.#send(welcomeFrame(this.#store.identity, this.#store.tail().last))
  }

  #append({ request, id, payload }: Request & { kind: 'append' }): void {
    const bytes = payload.length
    this.#unansweredBytes += bytes
    if (this.#unansweredBytes > unansweredBytesMax) this.#socket.pause()
    this.#store.append(id, payload, (outcome) => {
      this.#unansweredBytes -= bytes
      if (this.#socket.isPaused() && this.#unansweredBytes <= unansweredBytesMax / 2) this.#socket.resume()
      // After a failed sync nobody knows the fate of an append: say nothing, the client asks the next process.
      if (!outcome.ok && outcome.error.code === 'unavailable') return this.destroy()
      this.#send(outcome.ok ? appendedFrame(request, outcome.position) : refusedFrame(request, outcome.error))
    })
  }

  #subscribe({ stream: id, from, to, credit }: Request & { kind: 'subscribe' }): void {
    if (this.#streams.has(id) || this.#streams.size >= streamsMax) throw new MalformedFrame('a subscription too many')
    const cursor = this.#store.cursor(from)
    const last = to === 0 ? Infinity : to
    const stream = { id, cursor, to: last, credit: Math.min(credit, creditBytesMax), reading: false, closed: false }
    this.#streams.set(id, stream)
    this.#pump(stream)
  }

  #pump(stream: Stream): void {
    const { cursor } = stream
    while (!stream.closed && stream.credit > 0 && cursor.position <= stream.to && !cursor.atTail) {
      const run = cursor.fromMemory(stream.to, entriesBytesMax)
      if (run === undefined) return this.#pumpFromDisk(stream)
      this.#sendRun(stream, run)
    }
    if (!stream.closed && cursor.position > stream.to) {
      this.#drop(stream)
      this.#send(endedFrame(stream.id))
    }
  }

  #pumpFromDisk(stream: Stream): void {
    stream.reading = true
    void stream.cursor.fromDisk(stream.to, entriesBytesMax).then(
      (run) => {
        stream.reading = false
        if (stream.closed) return stream.cursor.close()
        this.#sendRun(stream, run)
        this.#pump(stream)
      },
      (thrown: unknown) => {
        stream.reading = false
        const error = AllwriteError.from(thrown, 'journal_corrupt')
        if (error.code === 'journal_corrupt') this.#log('error', `journal: ${error.message} (${error.detail ?? ''})`)
        if (!stream.closed) this.#send(refusedFrame(stream.id, error))
        this.#drop(stream)
      },
    )
  }

  #sendRun(stream: Stream, run: RecordRun): void {
    stream.credit -= run.bytes.length
    this.#send(entriesHead(stream.id, run.first, run.bytes.length), run.bytes)
  }

  #drop(stream: Stream): void {
    stream.closed = true
    this.#streams.delete(stream.id)
    // A read under way still uses the file; it closes it when done.
    if (!stream.reading) stream.cursor.close()
  }

  /** All that is sent in one turn of the event loop's phase goes out in one write: answers and entries together. */
  #send(...buffers: Buffer[]): void {
    if (this.#socket.destroyed) return
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    for (const buffer of buffers) this.#socket.write(buffer)
  }
}
