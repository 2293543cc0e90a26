import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../core/ids.ts'
import { createCancelRegistry, nodeBitsOfPid, passCancel } from './cancel.ts'

const nothing = (): Promise<void> => Promise.resolve()

test('only the exact key cancels, and only while the session lives', async () => {
  const registry = createCancelRegistry(nodeId(5))
  let cancelled = 0
  const count = (by: number) => async (): Promise<void> => {
    cancelled += by
  }
  const key = registry.open(0, count(1))
  registry.open(2, () => assert.fail('another session'))
  await registry.cancel(key.pid, Buffer.alloc(4, key.secret.at(0) === 0 ? 1 : 0))
  await registry.cancel(key.pid, Buffer.alloc(0))
  await registry.cancel(key.pid, Buffer.concat([key.secret, key.secret]))
  await registry.cancel(key.pid + 7, key.secret)
  assert.equal(cancelled, 0)
  await registry.cancel(key.pid, key.secret)
  assert.equal(cancelled, 1)
  key.setCancel(count(10))
  await registry.cancel(key.pid, key.secret)
  assert.equal(cancelled, 11)
  key.close()
  await registry.cancel(key.pid, key.secret)
  assert.equal(cancelled, 11)
  assert.equal(registry.size, 1)
})

test('keys have the length of their protocol, and process ids name the node and fit an int32', () => {
  for (const node of [1, 2, 2047, 2048, 65535]) {
    const registry = createCancelRegistry(nodeId(node))
    assert.equal(registry.open(0, nothing).secret.length, 4)
    assert.equal(registry.open(2, nothing).secret.length, 32)
    const { pid } = registry.open(2, nothing)
    assert.ok(pid > 0 && pid <= 0x7fff_ffff)
    assert.equal(nodeBitsOfPid(pid), node & 0x7ff)
  }
})

test('process ids of live sessions are never given twice', () => {
  const registry = createCancelRegistry(nodeId(1))
  const kept = registry.open(0, nothing)
  const seen = new Set([kept.pid])
  for (let index = 0; index < 1_048_580; index++) {
    const key = registry.open(0, nothing)
    assert.notEqual(key.pid, kept.pid)
    seen.add(key.pid)
    key.close()
  }
  assert.equal(seen.size, 2 ** 20 - 1)
})

test('a cancel for a server that is not there ends without an error', async () => {
  await passCancel('/nonexistent/.s.PGSQL.1', 1, Buffer.alloc(4))
})
