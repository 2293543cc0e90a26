import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query } from '../../wire/pgwire/messages.ts'
import { fakeSession } from './fake-backend.ts'
import { show, TestGate } from './session-fixtures.ts'

/** FunctionCallResponse with a text, and ReadyForQuery. */
const answerOf = (text: string): Buffer => {
  const value = Buffer.from(text)
  const body = Buffer.alloc(9)
  body.write('V', 'latin1')
  body.writeUInt32BE(8 + value.length, 1)
  body.writeInt32BE(value.length, 5)
  return Buffer.concat([body, value, Buffer.from('Z\0\0\0\u0005T', 'latin1')])
}

test('a session that has had temporary tables checks their constraints before each capture, and is captured once', async () => {
  const gate = new TestGate()
  await using fake = await fakeSession({ gate })
  let asked = 0
  fake.backend.script = (request) => {
    if (request !== 'capture') return undefined
    asked += 1
    return asked === 1 ? answerOf('+') : undefined
  }
  const { requests } = fake.backend
  for (const expected of [
    ['BEGIN', 'update', 'capture', 'SET CONSTRAINTS ALL IMMEDIATE', 'capture', 'COMMIT'],
    ['BEGIN', 'update', 'SET CONSTRAINTS ALL IMMEDIATE', 'capture', 'COMMIT'],
  ]) {
    fake.client.send(query('update t set v = 1 where id = 1'))
    assert.deepEqual((await fake.client.until('Z')).map(show), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    const seen = requests.splice(0).map((request) => request.replace(/^(BEGIN|update) .*/, '$1'))
    assert.deepEqual(seen, expected)
  }
  assert.equal(gate.nonces.size, 0)
})
