import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { decodeEntry, encodeEntry, recordByteLength } from './entry.ts'
import { AllwriteError, InvariantError } from './errors.ts'
import { databaseId, incarnation, nodeId, position, xid } from './ids.ts'
import type { Position } from './ids.ts'
import type { AppendId, Entry, GroupEntry, WritesetRecord } from './writeset.ts'

const id: AppendId = { node: nodeId(3), incarnation: incarnation(2), number: 7 }

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const u32 = fc.nat({ max: 0xffff_ffff })
const u48 = fc.nat({ max: 2 ** 48 - 1 })
const keys = fc.array(fc.tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat({ max: 15 })), { maxLength: 20 })
const packed = keys.map((list) => Uint8Array.from(list.flatMap(([hash, tag]) => [...hash, tag])))
const inline = bytes(200).map((view) => ({ kind: 'inline' as const, bytes: view }))
const chunked = fc
  .record({ transaction: u32, chunks: fc.integer({ min: 1, max: 9 }), first: u48, byteLength: u48 })
  .map((c) => {
    const first = position(Math.max(1, c.first - 100))
    return { kind: 'chunked' as const, ...c, first, last: position(first + c.chunks + 5) }
  })
const record: fc.Arbitrary<WritesetRecord> = fc
  .record({ xid: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), a: u48, b: u48, schemaChange: fc.boolean(), packed })
  .chain((r) =>
    fc.oneof(inline, chunked).map((changes) => ({
      xid: xid(r.xid),
      early: position(Math.min(r.a, r.b)),
      late: position(Math.max(r.a, r.b)),
      schemaChange: r.schemaChange,
      keys: r.packed,
      changes,
    })),
  )
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant({ ...id, kind: 'fence' as const }),
  fc.record({ transaction: u32, index: u32, view: bytes(300) }).map(({ view, ...chunk }) => {
    return { ...id, kind: 'chunk' as const, ...chunk, bytes: view }
  }),
  fc
    .oneof(
      fc.constantFrom('none' as const, 'all' as const),
      fc.integer({ min: 1, max: 5 }).chain((tables) => fc.uint8Array({ minLength: 8 * tables, maxLength: 8 * tables })),
    )
    .map((scope) => ({ ...id, kind: 'hold' as const, scope })),
  fc
    .tuple(fc.array(record, { minLength: 1, maxLength: 6 }), fc.option(fc.integer({ min: 1, max: 0xffff_ffff })))
    .map(([records, database]) => {
      const alone = records.length === 1
      return {
        ...id,
        kind: 'group' as const,
        ...(database === null ? {} : { database: databaseId(database) }),
        records: alone ? records : records.map((r) => ({ ...r, schemaChange: false })),
      }
    }),
)

/** The payload somewhere inside a larger buffer, as a journal driver hands it out. */
const embedded = (payload: Uint8Array): Uint8Array => {
  const buffer = new Uint8Array(payload.length + 10).fill(0xee)
  buffer.set(payload, 5)
  return buffer.subarray(5, 5 + payload.length)
}

test('every entry comes back as it was', () => {
  fc.assert(
    fc.property(entry, (original) => {
      const payload = encodeEntry(original)
      assert.deepEqual(decodeEntry(id, embedded(payload)), original)
      if (original.kind === 'group') {
        assert.equal(
          payload.length,
          original.records.reduce((sum, r) => sum + recordByteLength(r), original.database === undefined ? 6 : 10),
        )
      }
    }),
  )
})

test('decoding copies neither keys nor changes', () => {
  const payload = encodeEntry(group({ keys: new Uint8Array(9), changes: { kind: 'inline', bytes: new Uint8Array(3) } }))
  const [decoded] = (decodeEntry(id, payload) as GroupEntry).records
  assert.equal(decoded!.keys.buffer, payload.buffer)
  assert.ok(decoded!.changes.kind === 'inline' && decoded!.changes.bytes.buffer === payload.buffer)
})

test('every truncation and every extension of an entry is refused as corrupt', () => {
  fc.assert(
    fc.property(entry, (original) => {
      const payload = encodeEntry(original)
      for (let length = 0; length < payload.length; length++) refused(payload.subarray(0, length))
      refused(Uint8Array.from([...payload, 0]))
    }),
    { numRuns: 30 },
  )
})

test('damaged and random bytes are refused as corrupt or read as an entry that encodes to the same bytes', () => {
  const decodes = (payload: Uint8Array): void => {
    try {
      assert.deepEqual(encodeEntry(decodeEntry(id, payload)), payload)
    } catch (error) {
      assert.ok(error instanceof AllwriteError, `thrown: ${String(error)}`)
      assert.equal(error.code, 'journal_corrupt')
    }
  }
  fc.assert(
    fc.property(bytes(120), fc.nat({ max: 5 }), (random, kind) => decodes(Uint8Array.from([1, kind, ...random]))),
  )
  fc.assert(
    fc.property(entry, fc.nat(), fc.integer({ min: 1, max: 255 }), (original, at, flip) => {
      const payload = encodeEntry(original)
      payload[at % payload.length]! ^= flip
      decodes(payload)
    }),
  )
})

test('an unknown version, kind, flag or key flag is refused, and the refusal names the append', () => {
  const payload = encodeEntry(group({ keys: new Uint8Array(9) }))
  for (const [at, value] of [
    [0, 2],
    [1, 9],
    [26, 8],
    [39, 0x10],
  ] as const) {
    const damaged = Uint8Array.from(payload)
    damaged[at] = value
    assert.match(refused(damaged).message, /n3\/2\/7/)
  }
})

test('that a record notifies is told', () => {
  const told = (fields: Partial<WritesetRecord>): unknown => {
    const entry = decodeEntry(id, encodeEntry(group(fields)))
    return entry.kind === 'group' && entry.records[0]?.notifies
  }
  assert.equal(told({ notifies: true }), true)
  assert.equal(told({}), undefined)
})

test('a hold of an unknown scope, or of no table, is refused', () => {
  refused(Uint8Array.from([1, 4, 3]))
  refused(Uint8Array.from([1, 4, 2, 0, 0, 0, 0]))
})

test('a malformed entry is never encoded', () => {
  const malformed: Entry[] = [
    { ...id, kind: 'group', records: [] },
    group({ early: position(2), late: position(1) }),
    group({ late: position(2 ** 48) }),
    group({ keys: new Uint8Array(8) }),
    { ...id, kind: 'group', records: [...group({ schemaChange: true }).records, ...group({}).records] },
    { ...id, kind: 'group', records: [...group({ notifies: true }).records, ...group({ notifies: true }).records] },
    { ...id, kind: 'hold', scope: new Uint8Array(0) },
    { ...id, kind: 'hold', scope: new Uint8Array(9) },
    { ...id, kind: 'chunk', transaction: -1, index: 0, bytes: new Uint8Array(0) },
  ]
  for (const entry of malformed) assert.throws(() => encodeEntry(entry), InvariantError)
})

const refused = (payload: Uint8Array): AllwriteError => {
  try {
    decodeEntry(id, payload)
  } catch (error) {
    assert.ok(error instanceof AllwriteError)
    assert.equal(error.code, 'journal_corrupt')
    return error
  }
  return assert.fail('it was decoded')
}

const group = (fields: Partial<WritesetRecord>): GroupEntry => ({
  ...id,
  kind: 'group',
  records: [
    {
      xid: xid(5n),
      early: 0 as Position,
      late: 0 as Position,
      schemaChange: false,
      keys: new Uint8Array(0),
      changes: { kind: 'inline', bytes: new Uint8Array(0) },
      ...fields,
    },
  ],
})
