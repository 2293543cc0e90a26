import assert from 'node:assert/strict'
import test from 'node:test'
import { hash64, hashWords } from './hash.ts'

const hex = (text: string, seedHigh = 0, seedLow = seedHigh): string => {
  const out = hashWords()
  const bytes = new TextEncoder().encode(`..${text}.`)
  hash64(bytes, 2, bytes.length - 1, seedHigh, seedLow, out)
  return [...out].map((half) => half.toString(16).padStart(8, '0')).join('')
}

test('equals the published MurmurHash3 x86_128 where both seed words are its seed', () => {
  assert.equal(hex(''), '0000000000000000')
  assert.equal(hex('', 1), '88c4adec54d201b9')
  assert.equal(hex('Hello, world!', 123), '61c9129e5a1aacd7')
  assert.equal(hex('The quick brown fox jumps over the lazy dog'), '2f1583c3ecee2c67')
})

test('depends on both seed words and on every byte', () => {
  const seen = new Set<string>()
  for (let length = 0; length < 48; length++) {
    for (let at = 0; at < length; at++) seen.add(hex('a'.repeat(at) + 'b' + 'a'.repeat(length - at - 1)))
  }
  assert.equal(seen.size, (47 * 48) / 2)
  assert.notEqual(hex('42', 1, 2), hex('42', 1, 3))
  assert.notEqual(hex('42', 1, 2), hex('42', 3, 2))
})

test('a million consecutive integers have no common hash and fill the low bits evenly', () => {
  const out = hashWords()
  const bytes = new Uint8Array(7)
  const seen = new Set<number>()
  const buckets = new Uint32Array(256)
  for (let value = 0; value < 1_000_000; value++) {
    for (let at = 6, rest = value; at >= 0; at--, rest = Math.floor(rest / 10)) bytes[at] = 48 + (rest % 10)
    hash64(bytes, 0, 7, 7, 9, out)
    seen.add(out[0]! * 2 ** 21 + (out[1]! >>> 11))
    buckets[out[1]! & 255]!++
  }
  assert.equal(seen.size, 1_000_000)
  for (const count of buckets) assert.ok(Math.abs(count - 3906) < 400, `bucket of ${count}`)
})
