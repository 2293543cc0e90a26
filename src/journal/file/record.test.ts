import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { incarnation, nodeId, position } from '../../core/ids.ts'
import { decodeRecords, encodeRecord, recordHeaderBytes, recordIsValid, recordPlace } from './record.ts'

const anyRecord = fc.record({
  id: fc.record(
    {
      node: fc.integer({ min: 1, max: 0xffff }).map(nodeId),
      incarnation: fc.integer({ min: 1, max: 0xffff_ffff }).map(incarnation),
      number: fc.nat({ max: 2 ** 48 - 1 }),
    },
    { noNullPrototype: true },
  ),
  place: fc.nat({ max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 200 }),
})
const anySalt = fc.nat({ max: 0xffff_ffff })

it('every record decodes to what was encoded', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1 }), fc.nat({ max: 2 ** 47 }), anySalt, (records, first, salt) => {
      const bytes = Buffer.alloc(records.reduce((sum, { payload }) => sum + recordHeaderBytes + payload.length, 0))
      let at = 0
      for (const [n, { id, place, payload }] of records.entries()) {
        const start = at
        at = encodeRecord(bytes, at, salt, position(first + n), id, place, payload)
        assert.ok(recordIsValid(bytes, start, salt))
        assert.equal(recordPlace(bytes, start), place)
      }
      const entries = decodeRecords(bytes, first)
      assert.deepEqual(
        entries.map(({ id, payload }) => ({ id, payload: [...payload] })),
        records.map(({ id, payload }) => ({ id, payload: [...payload] })),
      )
    }),
  )
})

it('no changed bit, other salt or missing byte passes for a record', () => {
  fc.assert(
    fc.property(anyRecord, anySalt, fc.nat(), fc.nat({ max: 7 }), (record, salt, where, bit) => {
      const bytes = Buffer.alloc(recordHeaderBytes + record.payload.length)
      encodeRecord(bytes, 0, salt, position(5), record.id, record.place, record.payload)
      assert.ok(!recordIsValid(bytes, 0, (salt + 1) >>> 0))
      assert.ok(!recordIsValid(bytes.subarray(0, -1), 0, salt))
      bytes[where % bytes.length]! ^= 1 << bit
      assert.ok(!recordIsValid(bytes, 0, salt))
    }),
  )
})
