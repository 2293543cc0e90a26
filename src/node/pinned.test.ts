import { deepEqual, equal, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { incarnation, nodeId, position, xid } from '../core/ids.ts'
import { KeyFlag, LockMode, type WritesetRecord } from '../core/writeset.ts'
import type { Judged } from './order/judge.ts'
import { createPinChanges } from './pin-changes.ts'
import { createPinned, type Pin } from './pinned.ts'

const hash = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const other = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)
const key = (of: Uint8Array, tag: number): Uint8Array => Uint8Array.of(...of, tag)

const judged = (at: number, keys: Uint8Array, committed: readonly number[] = [0]): Judged => {
  const record: WritesetRecord = {
    xid: xid(7n),
    early: position(0),
    late: position(0),
    schemaChange: false,
    keys,
    changes: { kind: 'inline', bytes: new Uint8Array(0) },
  }
  const id = { node: nodeId(1), incarnation: incarnation(1), number: 1 }
  const entry = { kind: 'group', ...id, records: [record] } as const
  return { position: position(at), entry, committed, own: undefined, byteLength: 0 }
}
const change = (at: number): Judged =>
  judged(at, Buffer.concat([key(other, 3), key(hash, LockMode.keyShare), key(other, 0)]))

test('a change of the writer is what a committed record entered, not what was lost or only checked', () => {
  const changes = createPinChanges(hash)
  let told = 0
  changes.onChange(() => told++)
  changes.see(judged(1, key(other, LockMode.update)))
  changes.see(judged(2, key(hash, LockMode.keyShare), []))
  changes.see(judged(3, changes.key))
  deepEqual([changes.at, told], [0, 0])
  changes.see(change(4))
  deepEqual([changes.at, told], [4, 1])
  deepEqual(changes.key, key(hash, LockMode.update | KeyFlag.early | KeyFlag.checkOnly))
})

async function pinnedOf(row: { now: Pin }) {
  const changes = createPinChanges(hash)
  const fatal: Error[] = []
  const pinned = await createPinned({
    node: nodeId(2),
    query: () => Promise.resolve([{ epoch: String(row.now.epoch), node: String(row.now.node) }]),
    internal: {
      run: (_sql, values = []) => {
        const [node, epoch] = values
        // Another node may have been first.
        if (row.now.epoch === epoch) row.now = { epoch: row.now.epoch + 1, node: Number(node) }
        return Promise.resolve([])
      },
    },
    changes,
    gate: { whenApplied: () => Promise.resolve(), serving: true },
    onFatal: (error) => fatal.push(error),
  })
  return { pinned, changes, fatal }
}

test('a session enters the epoch of its writer alone, and commits nothing from the change on', async () => {
  const row = { now: { epoch: 4, node: 2 } }
  const { pinned, changes } = await pinnedOf(row)
  await rejects(pinned.enter({ kind: 'pinned', epoch: 3 }), { sqlState: '57P03' })
  const stay = await pinned.enter({ kind: 'pinned', epoch: 4 })
  let ended = 0
  stay.onOver(() => ended++)
  equal(stay.restriction.refusal(), undefined)
  row.now = { epoch: 5, node: 1 }
  // In the same tick: nothing behind the entry can have been applied.
  changes.see(change(9))
  equal(stay.restriction.refusal()?.sqlState, '57P01')
  equal(ended, 1)
  await rejects(pinned.enter({ kind: 'pinned', epoch: 4 }), {
    sqlState: '57P03',
    detail: 'Since epoch 5 the writer is n1.',
  })
  deepEqual(pinned.current, { epoch: 5, node: 1 })
})

test('who takes over from an epoch that is over is told who has it', async () => {
  const row = { now: { epoch: 4, node: 1 } }
  const { pinned } = await pinnedOf(row)
  deepEqual(await pinned.take(3), { epoch: 4, node: 1 })
  deepEqual(await pinned.take(4), { epoch: 5, node: 2 })
})
