/**
 * Cuts a stream of PostgreSQL protocol messages (type byte, u32 length, body) into frames without copying bodies.
 *
 * Contract
 * 1. Frames are handed over in order, each as (buffer, start, end) with its 5-byte head, on the chunk it arrived in.
 * 2. A frame that crosses chunks is handed over in parts where its type is *streamed*, else collected and handed over
 *    whole, in a buffer of its own.
 * 3. A length over its type's cap is refused before a byte of that frame is handed over (CVE-2024-27304: lengths are
 *    computed as plain numbers, never in 32 bits).
 *
 * Failure: AllwriteError `protocol`; the scanner must not be used again.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** Bits of a frame's part: a whole frame has both. */
export const Part = { first: 1, last: 2, whole: 3 } as const

/** Receives one frame or part of one. `first` parts begin with the head; `end` is exclusive. */
export type FrameSink = (type: number, buffer: Buffer, start: number, end: number, part: number) => void

/** What is known of each message type of one direction. Index: the type byte. */
export interface FrameRules {
  /** Largest value of the length field; 0 = no such message. */
  readonly lengthMax: Float64Array
  /** 1 = handed over in parts as it arrives. */
  readonly streamed: Uint8Array
}

/** PostgreSQL's own limit of a message that may be large (MaxAllocSize - 1), bytes. */
export const frontendLargeMax = 0x3fff_fffe
/** PostgreSQL's own limit of the other messages (PQ_SMALL_MESSAGE_LIMIT), bytes. */
export const frontendSmallMax = 10_000
/** Largest backend message that must be held as a whole, such as an error with a long context, bytes. */
export const backendCollectedMax = 64 * 1024 * 1024

/** The type byte of a one-letter message name. */
export const typeByte = (letter: string): number => letter.charCodeAt(0)

/** Types of a server's messages. */
export const backendType = {
  parseComplete: typeByte('1'),
  bindComplete: typeByte('2'),
  closeComplete: typeByte('3'),
  notification: typeByte('A'),
  complete: typeByte('C'),
  row: typeByte('D'),
  error: typeByte('E'),
  copyIn: typeByte('G'),
  empty: typeByte('I'),
  notice: typeByte('N'),
  noData: typeByte('n'),
  parameter: typeByte('S'),
  suspended: typeByte('s'),
  description: typeByte('T'),
  parameters: typeByte('t'),
  value: typeByte('V'),
  ready: typeByte('Z'),
} as const

function rulesOf(limits: Readonly<Record<string, number>>, streamed: string, otherMax = 0): FrameRules {
  const rules: FrameRules = { lengthMax: new Float64Array(256).fill(otherMax), streamed: new Uint8Array(256) }
  for (const [letters, max] of Object.entries(limits))
    for (const letter of letters) rules.lengthMax[typeByte(letter)] = max
  for (const letter of streamed) rules.streamed[typeByte(letter)] = 1
  return rules
}

/** Messages of a logged-in client (PostgreSQL's SocketBackend() has the same two limits). CopyData is streamed. */
export const frontendRules: FrameRules = rulesOf({ QPBFd: frontendLargeMax, CDEHSXcf: frontendSmallMax }, 'd')

/** Messages of a backend. Rows, their descriptions and copy data are streamed; the rest is small. */
export const backendRules: FrameRules = rulesOf({ DdTt: 0xffff_ffff }, 'DdTt', backendCollectedMax)

const headBytes = 5

/** One direction of one connection. */
export class FrameScanner {
  readonly #rules: FrameRules
  readonly #sink: FrameSink
  /** An incomplete head, below 5 bytes. */
  #head: Buffer | undefined
  /** The frame that is under way: its type and what is missing of it, bytes. */
  #type = 0
  #missing = 0
  /** Pieces of a frame that is collected. */
  #pieces: Buffer[] = []

  constructor(rules: FrameRules, sink: FrameSink) {
    this.#rules = rules
    this.#sink = sink
  }

  /** At a frame's boundary: nothing of a frame is waiting for its rest. */
  get atBoundary(): boolean {
    return this.#missing === 0 && this.#head === undefined
  }

  /** A frame has been handed over in part, and its rest has not come. */
  get midFrame(): boolean {
    return this.#missing > 0 && this.#rules.streamed[this.#type] === 1
  }

  /** @throws AllwriteError protocol: unknown type, or a length out of bounds */
  push(input: Buffer): void {
    let chunk = input
    let offset = 0
    if (this.#missing > 0) offset = this.#continue(chunk)
    if (this.#head !== undefined) {
      // A head cut in two is rare; joining costs one copy of this chunk.
      chunk = Buffer.concat([this.#head, chunk])
      this.#head = undefined
    }
    const size = chunk.length
    while (offset < size) {
      if (size - offset < headBytes) {
        this.#head = chunk.subarray(offset)
        return
      }
      const type = chunk[offset] ?? 0
      const total = this.#checkedLength(type, chunk.readUInt32BE(offset + 1)) + 1
      if (offset + total <= size) {
        this.#sink(type, chunk, offset, offset + total, Part.whole)
        offset += total
        continue
      }
      this.#type = type
      this.#missing = total - (size - offset)
      if (this.#rules.streamed[type] === 1) this.#sink(type, chunk, offset, size, Part.first)
      else this.#pieces.push(chunk.subarray(offset))
      return
    }
  }

  /** Takes the rest of the frame under way from a chunk's start; returns where the next frame begins. */
  #continue(chunk: Buffer): number {
    const taken = Math.min(this.#missing, chunk.length)
    this.#missing -= taken
    const last = this.#missing === 0
    if (this.#rules.streamed[this.#type] === 1) {
      this.#sink(this.#type, chunk, 0, taken, last ? Part.last : 0)
      return taken
    }
    this.#pieces.push(chunk.subarray(0, taken))
    if (last) {
      const whole = Buffer.concat(this.#pieces)
      this.#pieces = []
      this.#sink(this.#type, whole, 0, whole.length, Part.whole)
    }
    return taken
  }

  #checkedLength(type: number, length: number): number {
    const max = this.#rules.lengthMax[type] ?? 0
    if (max === 0) throw new AllwriteError('protocol', `invalid message type ${type}`)
    if (length < 4 || length > max) {
      throw new AllwriteError('protocol', 'invalid message length', {
        detail: `A message of type "${String.fromCharCode(type)}" claims ${length} bytes; the limit is ${max}.`,
      })
    }
    return length
  }
}
