/**
 * The codec of one record: an entry as it stands in a segment, and, byte for byte the same, on the socket.
 *
 * | offset | what |
 * |---|---|
 * | 0 | u32 CRC-32C of all that follows, seeded with the segment's salt |
 * | 4 | u32 payload length, bytes |
 * | 8 | u48 position |
 * | 14 | u16 node |
 * | 16 | u32 incarnation |
 * | 20 | u48 number |
 * | 26 | u32 place in its write: how many records of the same write and fdatasync stand before it |
 * | 30 | u16 zero |
 * | 32 | payload |
 *
 * All big-endian. The salt keeps a payload that holds a copy of a record from being taken for one by recovery.
 *
 * @module
 */
import { position as asPosition, nodeId as asNode, incarnation as asIncarnation } from '../../core/ids.ts'
import type { Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import { payloadBytesMax } from '../contract.ts'
import type { StoredEntry } from '../contract.ts'
import { crc32c } from './crc32c.ts'

/** Bytes of a record before its payload. */
export const recordHeaderBytes = 32

/** Largest record, bytes. */
export const recordBytesMax = recordHeaderBytes + payloadBytesMax

const u48Max = 2 ** 48

/** Writes a 48-bit unsigned integer, big-endian. */
export const writeU48 = (bytes: Buffer, value: number, at: number): void => {
  bytes.writeUInt16BE(Math.floor(value / 0x1_0000_0000), at)
  bytes.writeUInt32BE(value % 0x1_0000_0000, at + 2)
}

/** Reads a 48-bit unsigned integer, big-endian. */
export const readU48 = (bytes: Buffer, at: number): number =>
  bytes.readUInt16BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 2)

/** True where `value` fits the 48 bits that numbers and positions have on disk. */
export const fitsU48 = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < u48Max

/** Encodes one record at `at`; returns the offset behind it. `place`: records before it in the same write. */
export const encodeRecord = (
  bytes: Buffer,
  at: number,
  salt: number,
  position: Position,
  id: AppendId,
  place: number,
  payload: Uint8Array,
): number => {
  const end = at + recordHeaderBytes + payload.length
  bytes.writeUInt32BE(payload.length, at + 4)
  writeU48(bytes, position, at + 8)
  bytes.writeUInt16BE(id.node, at + 14)
  bytes.writeUInt32BE(id.incarnation, at + 16)
  writeU48(bytes, id.number, at + 20)
  bytes.writeUInt32BE(place, at + 26)
  bytes.writeUInt16BE(0, at + 30)
  bytes.set(payload, at + recordHeaderBytes)
  bytes.writeUInt32BE(crc32c(bytes, at + 4, end, salt), at)
  return end
}

/** Where the record at `at` says that it ends; undefined if its header is cut off or its length can't be. */
export const recordEnd = (bytes: Buffer, at: number): number | undefined => {
  if (at + recordHeaderBytes > bytes.length) return undefined
  const length = bytes.readUInt32BE(at + 4)
  return length > payloadBytesMax ? undefined : at + recordHeaderBytes + length
}

/** The position that the record at `at` claims. */
export const recordPosition = (bytes: Buffer, at: number): number => readU48(bytes, at + 8)

/** How many records of the same write stand before the record at `at`. */
export const recordPlace = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at + 26)

/** True where a whole record with a right checksum stands at `at`. */
export const recordIsValid = (bytes: Buffer, at: number, salt: number): boolean => {
  const end = recordEnd(bytes, at)
  if (end === undefined || end > bytes.length) return false
  return bytes.readUInt32BE(at) === crc32c(bytes, at + 4, end, salt)
}

/** The id in the record at `at`. */
export const recordId = (bytes: Buffer, at: number): AppendId => ({
  node: asNode(bytes.readUInt16BE(at + 14)),
  incarnation: asIncarnation(bytes.readUInt32BE(at + 16)),
  number: readU48(bytes, at + 20),
})

/**
 * Splits whole, already verified records into entries whose payloads are views of `bytes`.
 * @throws RangeError where `bytes` is not a run of whole records with dense positions from `first` on
 */
export const decodeRecords = (bytes: Buffer, first: number): StoredEntry[] => {
  const entries: StoredEntry[] = []
  let at = 0
  while (at < bytes.length) {
    const end = recordEnd(bytes, at)
    const position = first + entries.length
    if (end === undefined || end > bytes.length || recordPosition(bytes, at) !== position) {
      throw new RangeError(`no record of position ${position} at offset ${at} of ${bytes.length}`)
    }
    entries.push({
      position: asPosition(position),
      id: recordId(bytes, at),
      payload: bytes.subarray(at + recordHeaderBytes, end),
    })
    at = end
  }
  return entries
}
