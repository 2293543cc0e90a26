import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { crc32c } from './crc32c.ts'

/** One bit at a time, from the definition. */
const naive = (bytes: Uint8Array): number => {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

it('CRC-32C gives the values of RFC 3720 B.4', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Uint8Array.from(Array(32).keys())), 0x46dd794e)
  assert.equal(crc32c(Uint8Array.from(Array(32).keys()).toReversed()), 0x113fdb5c)
})

it('CRC-32C equals its bitwise definition for any bytes, and can be continued anywhere', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      const middle = Math.min(cut, bytes.length)
      assert.equal(crc32c(bytes), naive(bytes))
      assert.equal(crc32c(bytes, middle, bytes.length, crc32c(bytes, 0, middle)), naive(bytes))
    }),
  )
})
