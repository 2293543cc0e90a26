import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { query } from '../../wire/pgwire/messages.ts'
import { fakeSession, type FakeSession } from './fake-backend.ts'
import { eventually, TestGate } from './session-fixtures.ts'

const never = (): Promise<never> => new Promise(() => undefined)
const terminate = Buffer.from('X\0\0\0\x04', 'latin1')

/** The session waits for a build that does not end. */
const waiting = async (): Promise<FakeSession> => {
  let asked = 0
  const buildResult = (): Promise<never> => {
    asked += 1
    return never()
  }
  const fake = await fakeSession({ gate: new TestGate(), buildResult })
  fake.client.send(query('create index concurrently on t (a)'))
  await eventually('it has asked for the build', () => asked > 0 && fake.backend.requests.includes('COMMIT'))
  return fake
}

describe('a client that waits for its index', () => {
  test('and says good-bye frees its backend, whose locks the build may wait for', async () => {
    await using fake = await waiting()
    fake.client.send(terminate)
    await fake.session.closed
    assert.deepEqual(fake.errors, [])
  })

  test('and cancels is told so, and goes on', async () => {
    await using fake = await waiting()
    await fake.session.cancel()
    const [error] = await fake.client.until('Z')
    assert.equal(error?.type, 'E')
    const [answer] = await fake.client.query('select 1')
    assert.match(answer ?? '', /^C/)
  })
})
