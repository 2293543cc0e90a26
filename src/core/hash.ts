/**
 * The 64-bit hash of certification keys: MurmurHash3 x86_128 (Austin Appleby, public domain), of which the first two
 * 32-bit words are kept. Chosen because it needs only 32-bit multiplication, which V8 does without BigInt, and because
 * it is injective on inputs up to four bytes and near random on the short texts that keys are.
 *
 * Two different keys of the same hash cost a false conflict, never a missed one; so 64 bits are enough, and no secret
 * seed is needed for safety.
 *
 * @module
 */

/** A hash: word 0 is the high half, word 1 the low half. Also the seed of the next hash in a chain. */
export type HashWords = Uint32Array

/** A fresh pair of words, zero. */
export const hashWords = (): HashWords => new Uint32Array(2)

const c1 = 0x239b961b
const c2 = 0xab0e9789
const c3 = 0x38b34ae5
const c4 = 0xa1e38b93

/**
 * Hashes `bytes[start, end)` under a 64-bit seed (the index's or relation's identity, or the hash of the columns before).
 * With equal seed words the result is the published algorithm's with that 32-bit seed. Allocates nothing; `out` may be the array the seed
 * was read from.
 */
export const hash64 = (
  bytes: Uint8Array,
  start: number,
  end: number,
  seedHigh: number,
  seedLow: number,
  out: HashWords,
): void => {
  let h1 = seedHigh | 0
  let h2 = seedLow | 0
  let h3 = h1
  let h4 = h2
  const length = end - start
  let at = start
  for (const blocksEnd = start + (length & ~15); at < blocksEnd; at += 16) {
    h1 ^= scramble(word(bytes, at), c1, 15, c2)
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0
    h2 ^= scramble(word(bytes, at + 4), c2, 16, c3)
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0
    h3 ^= scramble(word(bytes, at + 8), c3, 17, c4)
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0
    h4 ^= scramble(word(bytes, at + 12), c4, 18, c1)
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  const tail = end - at
  if (tail > 12) h4 ^= scramble(partialWord(bytes, at + 12, end), c4, 18, c1)
  if (tail > 8) h3 ^= scramble(partialWord(bytes, at + 8, end), c3, 17, c4)
  if (tail > 4) h2 ^= scramble(partialWord(bytes, at + 4, end), c2, 16, c3)
  if (tail > 0) h1 ^= scramble(partialWord(bytes, at, end), c1, 15, c2)

  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = avalanche((h2 + h1) | 0)
  h3 = avalanche((h3 + h1) | 0)
  h4 = avalanche((h4 + h1) | 0)
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0
  out[0] = h1
  out[1] = h2 + h1
}

/** Four bytes, little-endian. The caller's bounds are checked, so the reads can't miss. */
const word = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)

/** Up to four bytes that end before `end`; missing ones count as zero. */
const partialWord = (bytes: Uint8Array, at: number, end: number): number => {
  let value = bytes[at]!
  if (at + 1 < end) value |= bytes[at + 1]! << 8
  if (at + 2 < end) value |= bytes[at + 2]! << 16
  if (at + 3 < end) value |= bytes[at + 3]! << 24
  return value
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

const scramble = (block: number, before: number, bits: number, after: number): number =>
  Math.imul(rotate(Math.imul(block, before), bits), after)

/** Murmur's finaliser: every input bit changes every output bit with probability near one half. */
const avalanche = (value: number): number => {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
