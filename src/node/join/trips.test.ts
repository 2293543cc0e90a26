import { equal, match, ok } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeId, position } from '../../core/ids.ts'
import { rebuildsMax, rebuildsWithinMs, rememberTrip, type Trip } from './trips.ts'

const folder = mkdtempSync(join(tmpdir(), 'trips-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const newNode = () => {
  const nodeDir = mkdtempSync(join(folder, 'n'))
  return { nodeDir, trip: (trip: Trip) => rememberTrip(nodeId(2), nodeDir, trip) }
}

test('a node is made anew for one record once: the second time it stays, names the record and says what to do', () => {
  const { nodeDir, trip } = newNode()
  equal(trip({ position: position(7), at: 0 }), undefined)
  equal(trip({ position: position(8), at: 0 }), undefined)
  const told = trip({ position: position(7), at: 100 * rebuildsWithinMs })
  match(told ?? '', /position 7 has tripped it before/)
  match(told ?? '', /allwrite start n2/)
  ok(told?.includes(join(nodeDir, 'rebuild')))
})

test('whatever the records: no more than a few rebuilds in a while', () => {
  const { trip } = newNode()
  for (let i = 1; i <= rebuildsMax; i++) equal(trip({ position: position(i), at: i }), undefined)
  match(trip({ position: position(90), at: 90 }) ?? '', /3 times within 30 minutes/)
  equal(trip({ position: position(91), at: 100 + rebuildsWithinMs }), undefined)
})

test('the file stays small, and one that was cut off counts as none', () => {
  const { nodeDir, trip } = newNode()
  for (let i = 1; i <= 40; i++) trip({ position: position(i), at: i * rebuildsWithinMs })
  const kept = JSON.parse(readFileSync(join(nodeDir, 'trips'), 'utf8')) as Trip[]
  equal(kept.length, 16)
  equal(kept.at(-1)?.position, 40)
  writeFileSync(join(nodeDir, 'trips'), '[{"posi')
  equal(trip({ position: position(40), at: 0 }), undefined)
})
