import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { bareClient, TestGate } from './session-fixtures.ts'
import { play, scripts } from './session-scripts.ts'
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
