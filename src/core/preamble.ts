/**
 * What a proxy says to a node before the client's first byte: which endpoint the client came by. It comes before any request for
 * encryption, so that a proxy that can't read what it carries can say it as well. It only ever takes rights away from the session
 * that follows, so whoever can connect may send it.
 *
 *     int32 length = 13, int32 code = "Allw", u8 kind: 1 reader | 2 pinned, u32 epoch (reader: 0)
 *
 * It has the shape of PostgreSQL's start-up packets; a node that does not know it answers as to a protocol it doesn't speak.
 *
 * @module
 */
import { assert } from './errors.ts'

/** What a session is bound to for all its life. */
export type Binding =
  /** It reads only. */
  | { readonly kind: 'reader' }
  /** Its node is the writer of pinned endpoints in this epoch; with the epoch the session ends. */
  | { readonly kind: 'pinned'; readonly epoch: number }

export const preambleBytes = 13
const code = 0x41_6c_6c_77
const kinds = { reader: 1, pinned: 2 } as const
const epochMax = 0xffff_ffff

export const encodePreamble = (binding: Binding): Uint8Array => {
  const bytes = new Uint8Array(preambleBytes)
  const view = new DataView(bytes.buffer)
  const epoch = binding.kind === 'pinned' ? binding.epoch : 0
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= epochMax, 'an epoch is a u32')
  view.setInt32(0, preambleBytes)
  view.setInt32(4, code)
  view.setUint8(8, kinds[binding.kind])
  view.setUint32(9, epoch)
  return bytes
}

/** Whether a connection that begins with these bytes (at least 8) begins with a preamble. */
export const isPreamble = (bytes: Uint8Array): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getInt32(0) === preambleBytes && view.getInt32(4) === code
}

/** @param bytes {@link preambleBytes} of them, which {@link isPreamble}. Undefined: a kind that this version does not know. */
export const decodePreamble = (bytes: Uint8Array): Binding | undefined => {
  assert(bytes.length === preambleBytes && isPreamble(bytes), 'a preamble is decoded')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (view.getUint8(8)) {
    case kinds.reader:
      return { kind: 'reader' }
    case kinds.pinned:
      return { kind: 'pinned', epoch: view.getUint32(9) }
    default:
      return undefined
  }
}
