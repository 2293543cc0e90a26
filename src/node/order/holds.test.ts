import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId, position } from '../../core/ids.ts'
import { hashBytes, KeyFlag, LockMode, type Entry, type HoldScope } from '../../core/writeset.ts'
import { createHolds, holdMsMax } from './holds.ts'
import { appendId, chunkOf, fenceOf, groupOf, holdOf, makeRecord, packKey, rowSchemaKey } from './order-fixtures.ts'

const hashesOf = (...names: string[]): Uint8Array =>
  new Uint8Array(Buffer.concat(names.map((name) => packKey(name).subarray(0, hashBytes))))

/** Node 1, which reads entries and whose clock is moved by hand. */
const setUp = () => {
  let timers: { at: number; run: () => void }[] = []
  let now = 0
  let at = 0
  const node = { serves: true }
  const changes: (number | undefined)[] = []
  const holds = createHolds({
    node: nodeId(1),
    listening: () => node.serves,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    onChange: (owner) => changes.push(owner),
  })
  const read = (entry: Entry, committed: readonly number[] = []): void => {
    at += 1
    holds.see({ position: position(at), entry, committed, own: undefined, byteLength: 1 })
  }
  return {
    holds,
    node,
    changes,
    read,
    hold: (owner: number, scope: HoldScope = 'all') => read(holdOf(appendId(owner, 1, at), scope)),
    schemaChange: (owner: number, commits: boolean) =>
      read(groupOf(appendId(owner, 1, at), [makeRecord({ schemaChange: true })]), commits ? [0] : []),
    pass: (ms: number): void => {
      now += ms
      const due = timers.filter((timer) => timer.at <= now)
      timers = timers.filter((timer) => timer.at > now)
      for (const { run } of due) run()
    },
    get timers() {
      return timers.length
    },
  }
}

const row = makeRecord({ keys: [packKey('t', LockMode.keyShare), rowSchemaKey] })

test('records of the named tables wait, and all schema changes; others go, and the owner’s never wait', () => {
  const { holds, hold } = setUp()
  hold(2, hashesOf('x', 't'))
  equal(holds.isHeld(row), true)
  equal(holds.isHeld(makeRecord({ keys: [packKey('u', LockMode.keyShare), rowSchemaKey] })), false)
  equal(holds.isHeld(makeRecord({ keys: [packKey('t', LockMode.keyShare, KeyFlag.checkOnly)] })), false)
  equal(holds.isHeld(makeRecord({ schemaChange: true })), true)
  const own = setUp()
  own.hold(1)
  equal(own.holds.isHeld(row), false)
  equal(own.holds.owner, 1)
})

test('a turn ends with its schema change, where that commits; with its release; with the fence of its owner', () => {
  const { holds, hold, schemaChange, read } = setUp()
  hold(2)
  schemaChange(2, false)
  schemaChange(3, true)
  read(groupOf(appendId(2, 1, 1), [row]), [0])
  read(chunkOf(appendId(2, 1, 2), 0, 0))
  read(fenceOf(appendId(3, 2, 0)))
  equal(holds.isHeld(row), true)
  schemaChange(2, true)
  equal(holds.isHeld(row), false)
  hold(2)
  equal(holds.isHeld(row), true)
  hold(2, 'none')
  equal(holds.isHeld(row), false)
  hold(2)
  read(fenceOf(appendId(2, 2, 0)))
  equal(holds.isHeld(row), false)
})

test('a turn whose owner is silent ends by the clock; one that is asked for again goes on', () => {
  const { holds, hold, pass } = setUp()
  hold(2)
  pass(holdMsMax - 1)
  hold(2, hashesOf('t'))
  pass(holdMsMax - 1)
  equal(holds.isHeld(row), true)
  pass(1)
  equal(holds.owner, undefined)
})

test('two turns come one after another in the order of the journal, each with a time of its own', () => {
  const { holds, hold, pass, schemaChange, changes } = setUp()
  hold(2)
  hold(3, hashesOf('u'))
  hold(3, hashesOf('t'))
  pass(holdMsMax - 1)
  equal(holds.owner, 2)
  schemaChange(2, true)
  equal(holds.owner, 3)
  equal(holds.isHeld(row), true)
  pass(holdMsMax - 1)
  equal(holds.owner, 3)
  pass(1)
  deepEqual(changes, [2, 3, undefined])
})

test('one that waits for its turn may give it up', () => {
  const { holds, hold } = setUp()
  hold(2)
  hold(3)
  hold(3, 'none')
  hold(2, 'none')
  equal(holds.owner, undefined)
})

test('holds that are read before the node serves are history', () => {
  const { holds, hold, node } = setUp()
  node.serves = false
  hold(2)
  node.serves = true
  equal(holds.isHeld(row), false)
})

test('no clock runs on when the node ends', () => {
  const bench = setUp()
  bench.hold(2)
  bench.holds.close()
  equal(bench.timers, 0)
})
