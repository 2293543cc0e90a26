/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): what guards every byte of a segment.
 *
 * Slicing-by-8 (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators",
 * 2005): eight bytes a step. Node's zlib has only CRC-32, whose polynomial finds fewer errors at our record sizes.
 *
 * @module
 */

/** The reflected Castagnoli polynomial. */
const polynomial = 0x82f63b78

const buildTables = (): Int32Array => {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    tables[byte] = crc
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[(slice - 1) * 256 + byte]!
      tables[slice * 256 + byte] = (before >>> 8) ^ tables[before & 0xff]!
    }
  }
  return tables
}

const tables = buildTables()

/**
 * The CRC-32C of `bytes[start, end)`, unsigned. `previous` is the CRC of what stood before, so that a checksum can be
 * continued, or seeded.
 */
export const crc32c = (bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number => {
  let crc = ~previous
  let at = start
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      tables[1792 + (low & 0xff)]! ^
      tables[1536 + ((low >>> 8) & 0xff)]! ^
      tables[1280 + ((low >>> 16) & 0xff)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
