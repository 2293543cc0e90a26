import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { createKeyIndex, modesConflict } from './key-index.ts'
import { KeyFlag, LockMode } from './writeset.ts'

test("modes exclude each other as PostgreSQL's table of row-level locks says", () => {
  const { keyShare, share, noKeyUpdate, update } = LockMode
  const order = [keyShare, share, noKeyUpdate, update]
  const table = order.map((held) => order.map((asked) => (modesConflict(asked, held) ? 'X' : '.')).join(''))
  assert.deepEqual(table, ['...X', '..XX', '.XXX', 'XXXX'])
})

test('answers like a map of every key ever entered above the floor, whatever was dropped or rebuilt', () => {
  const step = fc.record({
    high: fc.nat({ max: 3 }),
    low: fc.nat({ max: 40 }),
    keyClass: fc.nat({ max: 7 }),
    read: fc.nat({ max: 30 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 1, max: 60 }), (steps, window) => {
      const index = createKeyIndex()
      const entered: { high: number; low: number; keyClass: number; position: number }[] = []
      steps.forEach(({ high, low, keyClass, read }, i) => {
        const position = 2 ** 33 + i
        const floor = position - window
        const early = Math.max(floor, position - 1 - read * 2)
        const late = Math.max(early, position - 1 - read)
        const expected = entered
          .filter((entry) => entry.high === high && entry.low === low)
          .filter((entry) => modesConflict((entry.keyClass & 3) as LockMode, (keyClass & 3) as LockMode))
          .filter((entry) => entry.position > (((entry.keyClass | keyClass) & KeyFlag.early) === 0 ? late : early))
          .reduce((newest, entry) => Math.max(newest, entry.position), 0)
        assert.equal(index.conflict(high, low, keyClass, early, late), expected)
        index.enter(high, low, keyClass, position, floor)
        entered.push({ high, low, keyClass, position })
      })
    }),
    { numRuns: 60 },
  )
})

test('memory follows the window, not the number of keys that passed through', () => {
  const index = createKeyIndex()
  let peak = 0
  for (let position = 1; position <= 200_000; position++) {
    index.enter(
      Math.imul(position, 0x9e3779b1),
      Math.imul(position, 0x85ebca6b),
      LockMode.update,
      position,
      Math.max(0, position - 5_000),
    )
    peak = Math.max(peak, index.size().bytes)
  }
  assert.ok(peak <= 5_000 * 16 * 8, `${peak} bytes for 5,000 live keys`)
})
