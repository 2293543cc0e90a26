/** What a session says to a client that is a pool (ADR 28, 29). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { position } from '../../core/ids.ts'
import { query } from '../../wire/pgwire/messages.ts'
import { fakeSession, type FakeSession } from './fake-backend.ts'
import { TestGate } from './session-fixtures.ts'

const id = '0123456789abcdef0123456789abcdef'

/** The reports that a statement's answer begins or goes with, and where the tag stands among them. */
async function told(fake: FakeSession, text: string): Promise<string[]> {
  fake.client.send(query(text))
  const messages = await fake.client.until('Z')
  return messages
    .filter(({ type }) => type === 'S' || type === 'C')
    .map(({ body }) => body.toString('latin1').replaceAll('\0', ' ').trim())
}

test('a pool is told before a statement runs that may change its session, and of nothing else', async () => {
  const gate = new TestGate()
  await using fake = await fakeSession({ gate }, '')
  assert.deepEqual(await told(fake, "SET work_mem = '7MB'"), ['allwrite.session setting work_mem', 'SET'])
  assert.deepEqual(await told(fake, 'RESET ALL'), ['allwrite.session setting all', 'RESET'])
  assert.deepEqual(await told(fake, 'DISCARD ALL'), ['allwrite.session discard all', 'DISCARD'])
  assert.deepEqual(await told(fake, 'LISTEN x'), ['allwrite.session code', 'LISTEN'])
  assert.deepEqual(await told(fake, 'BEGIN'), ['BEGIN'])
  assert.deepEqual(await told(fake, "SET LOCAL work_mem = '7MB'"), ['SET'])
  assert.deepEqual(await told(fake, 'SHOW work_mem'), ['SHOW'])
  assert.deepEqual(await told(fake, 'PREPARE p AS SELECT 1'), ['allwrite.session prepare', 'PREPARE'])
  assert.deepEqual(await told(fake, 'ROLLBACK'), ['ROLLBACK'])
})

test('a client that is no pool is told nothing of it', async () => {
  const gate = new TestGate()
  await using fake = await fakeSession({ gate })
  assert.deepEqual(await told(fake, "SET work_mem = '7MB'"), ['SET'])
})

test('a transaction that has written is counted in front of the capture, and the count is told with its commit', async () => {
  const gate = new TestGate()
  await using fake = await fakeSession({ gate }, id)
  gate.plans.push(async (submission) => {
    await submission.participant.commit()
    return { kind: 'committed', position: position(1), local: true }
  })
  const answer = await told(fake, 'update t set v = 1')
  assert.deepEqual(answer, ['allwrite.transactions 3', 'UPDATE 1'])
  const order = fake.backend.requests.filter((request) => request === 'count' || request === 'capture')
  assert.deepEqual(order, ['count', 'capture'])
})

test('a transaction that is not committed is not told as counted', async () => {
  const gate = new TestGate()
  await using fake = await fakeSession({ gate }, id)
  gate.plans.push(() => Promise.resolve({ kind: 'refused', error: new Error('no') }))
  assert.deepEqual(await told(fake, 'update t set v = 1'), [])
})
