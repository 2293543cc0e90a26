import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { query, sync } from '../../wire/pgwire/messages.ts'
import { bareClient, TestGate } from './session-fixtures.ts'
import { play, run, scripts } from './session-scripts.ts'
import { sessionServer, type SessionServer } from './session-server.ts'

let cluster: SessionServer

before(async () => {
  cluster = await sessionServer()
})

after(() => cluster[Symbol.asyncDispose]())

describe('a session answers like the bare server', () => {
  let number = 0
  for (const [name, steps] of Object.entries(scripts)) {
    for (const kind of ['proven reads pass', 'nothing is proven'] as const) {
      test(`${name} (${kind})`, async () => {
        const [bareName, oursName] = await cluster.twins(`d${number++}`)
        const gate = new TestGate()
        const bare = await bareClient(cluster.server, bareName)
        await using through = await cluster.ours(
          oursName,
          gate,
          kind === 'nothing is proven' ? { classify: cluster.strict.classify } : {},
        )
        const expected = await play(bare, steps)
        const got = await play(through.client, steps)
        for (const [index, answer] of expected.entries()) {
          assert.deepEqual(
            got[index],
            answer,
            `step ${index}: ${steps[index]?.send.map((bytes) => bytes.toString('latin1')).join(' ')}`,
          )
        }
        const content = 'select * from t order by id; select * from child order by id'
        assert.deepEqual(await through.client.query(content), await bare.query(content))
        assert.equal(gate.nonces.size, 0, 'no nonce is left watched')
        await bare.end()
      })
    }
  }
})

test('a Query in a batch that may write outside of a block is refused; nothing of the batch stays, and what follows runs', async () => {
  const [, name] = await cluster.twins('refused')
  const gate = new TestGate()
  await using through = await cluster.ours(name, gate)
  const send = [
    ...run('insert into t values (400)'),
    query('select 1'),
    ...run('select count(*) from t where id = 400'),
    sync,
  ]
  const [answer = []] = await play(through.client, [{ send, until: 'Z', count: 2 }])
  assert.deepEqual(
    answer.map((line) => line[0]),
    ['1', '2', 'n', 'C', 'E', 'Z', '1', '2', 'T', 'D', 'C', 'Z'],
  )
  assert.match(answer[4] ?? '', /C0A000;.*a Query in an extended batch that may write/)
  assert.match(answer[9] ?? '', /0"$/)
  assert.equal(gate.nonces.size, 0)
  const reads = [...run('select 1'), query('select 2'), sync]
  const [read = []] = await play(through.client, [{ send: reads, until: 'Z', count: 2 }])
  assert.deepEqual(
    read.map((line) => line[0]),
    ['1', '2', 'T', 'D', 'C', 'T', 'D', 'C', 'Z', 'Z'],
  )
})
