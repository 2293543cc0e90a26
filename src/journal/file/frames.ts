/**
 * The frames of the journal's socket: u32 length of the rest, u8 kind, body; big-endian. DESIGN.md lists the bodies.
 * Both directions are decoded here, strictly: what is malformed throws {@link MalformedFrame} and ends the connection.
 *
 * @module
 */
import { AllwriteError, sqlStates } from '../../core/errors.ts'
import { incarnation as asIncarnation, nodeId as asNode, position as asPosition } from '../../core/ids.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { Incarnation, NodeId, Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import type { JournalTail } from '../contract.ts'
import { identityBytes } from './header.ts'
import { readU48, recordBytesMax, writeU48 } from './record.ts'

/** Version of this protocol; both sides must speak the same. */
export const protocolVersion = 1

/** First bytes of a hello: tells a stray client from ours. */
const helloMagic = 0x4157_4a31

/** Largest frame behind its length, bytes: one record and room for the rest. */
export const frameBytesMax = recordBytesMax + 64 * 1024

/** A frame's kind, on the wire. */
export const FrameKind = {
  hello: 1,
  append: 2,
  subscribe: 3,
  credit: 4,
  unsubscribe: 5,
  tail: 6,
  report: 7,
  welcome: 65,
  appended: 66,
  refused: 67,
  entries: 68,
  tailIs: 69,
  ended: 70,
} as const

/** What a client says. */
export type Request =
  | { readonly kind: 'hello'; readonly version: number }
  | { readonly kind: 'append'; readonly request: number; readonly id: AppendId; readonly payload: Buffer }
  | {
      readonly kind: 'subscribe'
      readonly stream: number
      readonly from: number
      readonly to: number
      readonly credit: number
    }
  | { readonly kind: 'credit'; readonly stream: number; readonly credit: number }
  | { readonly kind: 'unsubscribe'; readonly stream: number }
  | { readonly kind: 'tail'; readonly request: number }
  | { readonly kind: 'report'; readonly node: NodeId; readonly safe: Position }

/** What the server says. `entries` holds whole records as they stand in a segment. */
export type Reply =
  | { readonly kind: 'welcome'; readonly version: number; readonly identity: Buffer; readonly last: number }
  | { readonly kind: 'appended'; readonly request: number; readonly position: Position }
  | { readonly kind: 'refused'; readonly request: number; readonly error: AllwriteError }
  | { readonly kind: 'entries'; readonly stream: number; readonly first: number; readonly records: Buffer }
  | { readonly kind: 'tailIs'; readonly request: number; readonly tail: JournalTail }
  | { readonly kind: 'ended'; readonly stream: number }

/** Bytes that are no frame of this protocol. */
export class MalformedFrame extends Error {}

/** Cuts a byte stream into frames (kind byte and body), without copying those that came in one chunk. */
export class FrameReader {
  readonly #chunks: Buffer[] = []
  #buffered = 0

  /** The frames completed by `chunk`. @throws MalformedFrame */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = []
    let bytes = chunk
    if (this.#buffered > 0) {
      this.#chunks.push(chunk)
      this.#buffered += chunk.length
      // Joined only when the frame is whole: joining at each chunk would be quadratic.
      if (this.#buffered < this.#needed()) return frames
      bytes = Buffer.concat(this.#chunks)
      this.#chunks.length = 0
      this.#buffered = 0
    }
    let at = 0
    while (bytes.length - at >= 4) {
      const end = at + 4 + checkedLength(bytes.readUInt32BE(at))
      if (end > bytes.length) break
      frames.push(bytes.subarray(at + 4, end))
      at = end
    }
    if (at < bytes.length) {
      this.#chunks.push(bytes.subarray(at))
      this.#buffered = bytes.length - at
    }
    return frames
  }

  #needed(): number {
    let first = this.#chunks[0]!
    if (first.length < 4) {
      if (this.#buffered < 4) return 4
      first = Buffer.concat(this.#chunks)
      this.#chunks.splice(0, this.#chunks.length, first)
    }
    return 4 + checkedLength(first.readUInt32BE(0))
  }
}

const checkedLength = (length: number): number => {
  if (length < 1 || length > frameBytesMax) throw new MalformedFrame(`a frame of ${length} bytes`)
  return length
}

/** A frame with a body of `length` bytes and `more` to follow from another buffer. */
const frame = (kind: number, length: number, more = 0): Buffer => {
  const bytes = Buffer.allocUnsafe(5 + length)
  bytes.writeUInt32BE(1 + length + more, 0)
  bytes[4] = kind
  return bytes
}

export const helloFrame = (): Buffer => {
  const bytes = frame(FrameKind.hello, 6)
  bytes.writeUInt32BE(helloMagic, 5)
  bytes.writeUInt16BE(protocolVersion, 9)
  return bytes
}

/** The head of an append; the payload follows. */
export const appendHead = (request: number, id: AppendId, payloadBytes: number): Buffer => {
  const bytes = frame(FrameKind.append, 16, payloadBytes)
  bytes.writeUInt32BE(request, 5)
  bytes.writeUInt16BE(id.node, 9)
  bytes.writeUInt32BE(id.incarnation, 11)
  writeU48(bytes, id.number, 15)
  return bytes
}

/** `to` 0: without end. `credit`: bytes that may be sent before more credit is given. */
export const subscribeFrame = (stream: number, from: number, to: number, credit: number): Buffer => {
  const bytes = frame(FrameKind.subscribe, 20)
  bytes.writeUInt32BE(stream, 5)
  writeU48(bytes, from, 9)
  writeU48(bytes, to, 15)
  bytes.writeUInt32BE(credit, 21)
  return bytes
}

export const creditFrame = (stream: number, credit: number): Buffer => {
  const bytes = frame(FrameKind.credit, 8)
  bytes.writeUInt32BE(stream, 5)
  bytes.writeUInt32BE(credit, 9)
  return bytes
}

const numberFrame = (kind: number, value: number): Buffer => {
  const bytes = frame(kind, 4)
  bytes.writeUInt32BE(value, 5)
  return bytes
}

export const unsubscribeFrame = (stream: number): Buffer => numberFrame(FrameKind.unsubscribe, stream)
export const tailFrame = (request: number): Buffer => numberFrame(FrameKind.tail, request)
export const endedFrame = (stream: number): Buffer => numberFrame(FrameKind.ended, stream)

export const reportFrame = (node: NodeId, safe: Position): Buffer => {
  const bytes = frame(FrameKind.report, 8)
  bytes.writeUInt16BE(node, 5)
  writeU48(bytes, safe, 7)
  return bytes
}

export const welcomeFrame = (identity: Buffer, last: number): Buffer => {
  const bytes = frame(FrameKind.welcome, 8 + identityBytes)
  bytes.writeUInt16BE(protocolVersion, 5)
  identity.copy(bytes, 7)
  writeU48(bytes, last, 7 + identityBytes)
  return bytes
}

export const appendedFrame = (request: number, position: Position): Buffer => {
  const bytes = frame(FrameKind.appended, 10)
  bytes.writeUInt32BE(request, 5)
  writeU48(bytes, position, 9)
  return bytes
}

/** The head of entries; `recordBytes` of whole records follow, the first of them at position `first`. */
export const entriesHead = (stream: number, first: number, recordBytes: number): Buffer => {
  const bytes = frame(FrameKind.entries, 10, recordBytes)
  bytes.writeUInt32BE(stream, 5)
  writeU48(bytes, first, 9)
  return bytes
}

/** `request`: what is refused, an append, a tail or a stream; 0 refuses the connection. */
export const refusedFrame = (request: number, error: AllwriteError): Buffer => {
  const { code, message, detail, hint } = error
  const text = Buffer.from(JSON.stringify({ code, message, detail, hint }))
  const bytes = frame(FrameKind.refused, 4, text.length)
  bytes.writeUInt32BE(request, 5)
  return Buffer.concat([bytes, text])
}

export const tailIsFrame = (request: number, tail: JournalTail): Buffer => {
  const bytes = frame(FrameKind.tailIs, 16 + 12 * tail.nodes.size)
  bytes.writeUInt32BE(request, 5)
  writeU48(bytes, tail.first, 9)
  writeU48(bytes, tail.last, 15)
  let at = 21
  for (const [node, { incarnation, number }] of tail.nodes) {
    bytes.writeUInt16BE(node, at)
    bytes.writeUInt32BE(incarnation, at + 2)
    writeU48(bytes, number, at + 6)
    at += 12
  }
  return bytes
}

const need = (bytes: Buffer, length: number, exact = true): void => {
  if (exact ? bytes.length !== 1 + length : bytes.length < 1 + length) {
    throw new MalformedFrame(`a frame of kind ${bytes[0]} with ${bytes.length} bytes`)
  }
}

/** Ids out of their ranges are the sender's mistake too. */
const strictly =
  <T>(decode: (bytes: Buffer) => T) =>
  (bytes: Buffer): T => {
    try {
      return decode(bytes)
    } catch (error) {
      throw error instanceof RangeError ? new MalformedFrame(error.message, { cause: error }) : error
    }
  }

/** @throws MalformedFrame */
export const decodeRequest = strictly((bytes: Buffer): Request => {
  switch (bytes[0] ?? 0) {
    case FrameKind.hello:
      need(bytes, 6)
      if (bytes.readUInt32BE(1) !== helloMagic) throw new MalformedFrame('not a journal client')
      return { kind: 'hello', version: bytes.readUInt16BE(5) }
    case FrameKind.append: {
      need(bytes, 16, false)
      const node = asNode(bytes.readUInt16BE(5))
      const incarnation = asIncarnation(bytes.readUInt32BE(7))
      const id = { node, incarnation, number: readU48(bytes, 11) }
      return { kind: 'append', request: bytes.readUInt32BE(1), id, payload: bytes.subarray(17) }
    }
    case FrameKind.subscribe: {
      need(bytes, 20)
      const [from, to] = [readU48(bytes, 5), readU48(bytes, 11)]
      if (from === 0 || (to !== 0 && to < from)) throw new MalformedFrame('a subscription without positions')
      return { kind: 'subscribe', stream: bytes.readUInt32BE(1), from, to, credit: bytes.readUInt32BE(17) }
    }
    case FrameKind.credit:
      need(bytes, 8)
      return { kind: 'credit', stream: bytes.readUInt32BE(1), credit: bytes.readUInt32BE(5) }
    case FrameKind.unsubscribe:
      need(bytes, 4)
      return { kind: 'unsubscribe', stream: bytes.readUInt32BE(1) }
    case FrameKind.tail:
      need(bytes, 4)
      return { kind: 'tail', request: bytes.readUInt32BE(1) }
    case FrameKind.report:
      need(bytes, 8)
      return { kind: 'report', node: asNode(bytes.readUInt16BE(1)), safe: asPosition(readU48(bytes, 3)) }
    default:
      throw new MalformedFrame(`a frame of unknown kind ${bytes[0]}`)
  }
})

/** @throws MalformedFrame */
export const decodeReply = strictly((bytes: Buffer): Reply => {
  switch (bytes[0] ?? 0) {
    case FrameKind.welcome: {
      need(bytes, 8 + identityBytes)
      const identity = Buffer.from(bytes.subarray(3, 3 + identityBytes))
      return { kind: 'welcome', version: bytes.readUInt16BE(1), identity, last: readU48(bytes, 3 + identityBytes) }
    }
    case FrameKind.appended:
      need(bytes, 10)
      return { kind: 'appended', request: bytes.readUInt32BE(1), position: asPosition(readU48(bytes, 5)) }
    case FrameKind.refused:
      need(bytes, 4, false)
      return { kind: 'refused', request: bytes.readUInt32BE(1), error: decodeError(bytes.subarray(5)) }
    case FrameKind.entries:
      need(bytes, 10, false)
      return { kind: 'entries', stream: bytes.readUInt32BE(1), first: readU48(bytes, 5), records: bytes.subarray(11) }
    case FrameKind.tailIs: {
      need(bytes, 16, false)
      if ((bytes.length - 17) % 12 !== 0) throw new MalformedFrame('a tail with half a node')
      const nodes = new Map<NodeId, { incarnation: Incarnation; number: number }>()
      for (let at = 17; at < bytes.length; at += 12) {
        const incarnation = asIncarnation(bytes.readUInt32BE(at + 2))
        nodes.set(asNode(bytes.readUInt16BE(at)), { incarnation, number: readU48(bytes, at + 6) })
      }
      const tail = { first: asPosition(readU48(bytes, 5)), last: asPosition(readU48(bytes, 11)), nodes }
      return { kind: 'tailIs', request: bytes.readUInt32BE(1), tail }
    }
    case FrameKind.ended:
      need(bytes, 4)
      return { kind: 'ended', stream: bytes.readUInt32BE(1) }
    default:
      throw new MalformedFrame(`a frame of unknown kind ${bytes[0]}`)
  }
})

const decodeError = (bytes: Buffer): AllwriteError => {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch (error) {
    throw new MalformedFrame('a refusal that is no JSON', { cause: error })
  }
  const fields: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {}
  const { code, message, detail, hint } = fields
  if (typeof code !== 'string' || !isErrorCode(code) || typeof message !== 'string') {
    throw new MalformedFrame('a refusal without code or message')
  }
  return new AllwriteError(code, message, {
    ...(typeof detail === 'string' ? { detail } : {}),
    ...(typeof hint === 'string' ? { hint } : {}),
  })
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(sqlStates, code)
