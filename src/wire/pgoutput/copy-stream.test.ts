import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createMessageCutter, keepalive, postgresTimestamp, standbyStatusUpdate } from './copy-stream.ts'

const framed = (type: number, body: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

test('messages come out whole and in order, wherever the stream is cut', () => {
  const messages = fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 60 })), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, sizes) => {
      const got: [number, Uint8Array][] = []
      const cut = createMessageCutter((type, bytes, start, end) =>
        got.push([type, Uint8Array.from(bytes.subarray(start, end))]),
      )
      const stream = Buffer.concat(sent.map(([type, body]) => framed(type, body)))
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] ?? 1
        // The socket's buffer is used again: what is kept must be a copy.
        const chunk = Buffer.from(stream.subarray(at, at + size))
        cut(chunk)
        at += size
      }
      deepEqual(
        got,
        sent.map(([type, body]) => [type, Uint8Array.from(body)]),
      )
    }),
  )
})

test('an impossible length is refused before a byte of it is waited for', () => {
  for (const length of [0, 3, 0x7fff_ffff]) {
    const bytes = Buffer.alloc(5)
    bytes.writeUInt32BE(length, 1)
    throws(() => createMessageCutter(() => undefined)(bytes), /impossible message length/)
  }
})

test('status and keepalive messages have the documented layout', () => {
  equal(postgresTimestamp(Date.UTC(2000, 0, 1)), 0n)
  equal(postgresTimestamp(Date.UTC(2000, 0, 1) + 1.5), 1500n)
  const status = standbyStatusUpdate(0x1_0000_0002n, Date.UTC(2000, 0, 1))
  equal(status.length, 1 + status.readUInt32BE(1))
  equal(status.toString('latin1', 0, 1) + status.toString('latin1', 5, 6), 'dr')
  deepEqual(
    [6, 14, 22].map((at) => status.readBigUInt64BE(at)),
    Array(3).fill(0x1_0000_0002n),
  )
  const alive = keepalive(77n, Date.UTC(2000, 0, 1), true)
  equal(alive.length, 1 + alive.readUInt32BE(1))
  deepEqual([alive.readBigUInt64BE(6), alive[22]], [77n, 1])
})
