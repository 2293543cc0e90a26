import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { decodePreamble, encodePreamble, isPreamble } from './preamble.ts'

test('a preamble is read as it was written', () => {
  for (const binding of [
    { kind: 'reader' },
    { kind: 'pinned', epoch: 7 },
    { kind: 'pinned', epoch: 2 ** 32 - 1 },
  ] as const) {
    const bytes = encodePreamble(binding)
    equal(isPreamble(bytes), true)
    deepEqual(decodePreamble(bytes), binding)
  }
})

test('an unknown kind is told apart, and a start-up packet is none', () => {
  const bytes = encodePreamble({ kind: 'reader' })
  bytes[8] = 9
  equal(decodePreamble(bytes), undefined)
  equal(isPreamble(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47)), false)
  throws(() => encodePreamble({ kind: 'pinned', epoch: -1 }))
})
