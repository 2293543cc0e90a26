import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServerSieve, shownOf } from './stream.ts'

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 0)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}
const walData = (change: Buffer): Buffer => message('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24), change]))
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
/** A pgoutput message; `xid` where it stands in a streamed block. */
const change = (type: string, rest: readonly (Buffer | string)[], xid?: number): Buffer =>
  Buffer.concat([
    Buffer.from(type),
    ...(xid === undefined ? [] : [int32(xid)]),
    ...rest.map((part) => Buffer.from(part)),
  ])
const relation = (id: number, schema: string, xid?: number): Buffer =>
  change('R', [int32(id), `${schema}\0t\0d\0\0`], xid)
const row = (type: string, id: number, text: string, xid?: number): Buffer => change(type, [int32(id), 'N', text], xid)

/** Feeds messages in pieces of `size` bytes; what passes, as texts. */
const sieved = (plugin: string, changes: readonly Buffer[], size = 7): string => {
  const passed: Buffer[] = []
  const sieve = createServerSieve({
    forward: (bytes) => void passed.push(Buffer.from(bytes)),
    onMessage: () => undefined,
  })
  sieve.show(shownOf(plugin))
  const all = Buffer.concat(changes.map(walData))
  for (let at = 0; at < all.length; at += size) sieve.push(all.subarray(at, at + size))
  assert.equal(sieve.midMessage, false)
  return Buffer.concat(passed).toString('latin1')
}

const big = 'x'.repeat(100_000)

for (const size of [1, 7, 4096, 1_000_000]) {
  test(`rows of schema allwrite are left out of pgoutput, in pieces of ${size} bytes`, () => {
    const text = sieved(
      'pgoutput',
      [
        relation(1, 'public'),
        relation(2, 'allwrite'),
        row('I', 1, 'seen-1'),
        row('I', 2, `hidden ${size > 10 ? big : ''}`),
        row('U', 2, 'hidden'),
        row('D', 2, 'hidden'),
        change('T', [int32(1), Buffer.of(0), int32(2), 'hidden']),
        change('T', [int32(1), Buffer.of(0), int32(1), 'seen-2']),
        change('M', [Buffer.of(0), Buffer.alloc(8), 'allwrite\0', int32(3), 'hidden']),
        change('M', [Buffer.of(0), Buffer.alloc(8), 'allwritten\0', int32(3), 'seen-3']),
        // Inside a streamed block, then behind it.
        change('S', [int32(77), Buffer.of(1)]),
        relation(3, 'allwrite', 77),
        relation(4, 'public', 77),
        row('I', 3, 'hidden', 77),
        row('I', 4, `seen-4 ${size > 10 ? big : ''}`, 77),
        change('M', [Buffer.of(0), Buffer.alloc(8), 'allwrite_flush\0', int32(3), 'hidden'], 77),
        change('E', []),
        row('I', 3, 'hidden'),
        row('I', 4, 'seen-5'),
        // Its number belongs to another table now.
        relation(3, 'public'),
        row('I', 3, 'seen-6'),
      ],
      size,
    )
    assert.doesNotMatch(text, /hidden/)
    assert.deepEqual(text.match(/seen-\d/g), ['seen-1', 'seen-2', 'seen-3', 'seen-4', 'seen-5', 'seen-6'])
  })
}

test('the same of test_decoding; of other plugins nothing is left out', () => {
  const lines = [
    'BEGIN 7',
    'table allwrite.ddl: INSERT: hidden',
    `table public.t: INSERT: v[text]:'table allwrite.ddl: seen'`,
    'message: transactional: 0 prefix: allwrite, sz: 3 content:hidden',
    'message: transactional: 0 prefix: other, sz: 3 content:seen',
    'COMMIT 7',
  ].map((line) => Buffer.from(line))
  const shown = sieved('test_decoding', lines)
  assert.doesNotMatch(shown, /hidden/)
  assert.equal(shown.match(/seen/g)?.length, 2)
  assert.equal(sieved('wal2json', lines).match(/hidden/g)?.length, 2)
})

test('other messages pass, and are told of; an impossible length ends it', () => {
  const told: number[] = []
  let bytes = 0
  const sieve = createServerSieve({
    forward: (part) => (bytes += part.length),
    onMessage: (type, body) => told.push(type, body.length),
  })
  const ready = message('Z', Buffer.from('I'))
  sieve.push(Buffer.concat([message('T', Buffer.alloc(1000)), ready.subarray(0, 3)]))
  assert.equal(sieve.midMessage, false)
  sieve.push(ready.subarray(3))
  assert.deepEqual(told, [0x54, 256, 0x5a, 1])
  assert.equal(bytes, 1005 + ready.length)
  assert.throws(() => sieve.push(Buffer.from([0x64, 0, 0, 0, 3])), /impossible message length 3 /)
})
