import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { nodeId, position } from '../../core/ids.ts'
import { query } from '../../wire/pgwire/messages.ts'
import type { Conflict, Outcome, Submission } from './contract.ts'
import { fakeSession } from './fake-backend.ts'
import { eventually, show, TestGate } from './session-fixtures.ts'
import { certainlyOne } from './single.ts'

const conflict: Conflict = {
  table: 'public.t',
  key: undefined,
  winner: nodeId(2),
  position: position(7),
  reason: 'brute_force',
}
const update = query('update t set v = 1 where id = 1')
const lost = /^E C40001; DTable "public.t" was changed by node n2 at position 7/

describe('after the submission', () => {
  test('a submission that the node does not answer is no success and no failure: 08007', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    gate.plans.push(() => Promise.reject(new Error('the node is ending')))
    fake.client.send(update)
    const answer = (await fake.client.until('never')).map(show)
    assert.equal(answer.length, 1)
    assert.match(answer[0] ?? '', /^E C08007.*outcome of the transaction is not known; VFATAL$/)
    assert.deepEqual(fake.errors, ['a submission has no outcome'])
    await fake.session.closed
    assert.equal(gate.participants.size, 0)
  })

  test('a backend that dies between append and COMMIT did not commit, without asking anyone; the client hears the outcome', async () => {
    const gate = new TestGate()
    const committed = (): Promise<boolean> => assert.fail('nothing was sent: nothing is to be asked')
    await using fake = await fakeSession({ gate, committed })
    gate.plans.push(async ({ participant }) => {
      fake.backend.die()
      // `abort` resolves when the backend's end was seen.
      await participant.abort(conflict)
      const local = await participant.commit()
      assert.equal(local, false)
      return { kind: 'committed', position: position(9), local }
    })
    fake.client.send(update)
    const answer = (await fake.client.until('never')).map(show)
    assert.deepEqual(answer.slice(0, 2), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    assert.match(answer[2] ?? '', /^E C57P01.*VFATAL$/)
  })

  for (const was of [true, false]) {
    test(`a backend that dies behind its COMMIT: the server says whether it committed (${was})`, async () => {
      const gate = new TestGate()
      await using fake = await fakeSession({ gate, committed: () => Promise.resolve(was) })
      fake.backend.script = (request) => (request === 'COMMIT' ? 'die' : undefined)
      let local: boolean | undefined
      gate.plans.push(async ({ participant }) => {
        local = await participant.commit()
        return { kind: 'committed', position: position(9), local }
      })
      fake.client.send(update)
      const answer = (await fake.client.until('never')).map(show)
      assert.deepEqual(answer.slice(0, 2), ['C "UPDATE 1\\u0000"', 'Z "I"'])
      assert.equal(local, was)
    })
  }

  test('a COMMIT that fails on the server is told as the journal has it', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    fake.backend.script = (request, backend) => (request === 'COMMIT' ? backend.failed('53100', 'I') : undefined)
    gate.plans.push(async ({ participant }) => {
      assert.equal(await participant.commit(), false)
      return { kind: 'committed', position: position(9), local: false }
    })
    fake.client.send(update)
    assert.deepEqual((await fake.client.until('Z')).map(show), ['C "UPDATE 1\\u0000"', 'Z "I"'])
  })

  test('an abort while COMMIT runs waits for what COMMIT says', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    fake.backend.script = (request) => (request === 'COMMIT' ? 'silence' : undefined)
    gate.plans.push(async ({ participant }) => {
      const commit = participant.commit()
      const abort = participant.abort(conflict)
      await eventually('COMMIT was sent', () => fake.backend.requests.includes('COMMIT'))
      fake.backend.answer(fake.backend.done('COMMIT', 'I'))
      await abort
      assert.equal(await commit, true)
      return { kind: 'committed', position: position(9), local: true }
    })
    fake.client.send(update)
    assert.deepEqual((await fake.client.until('Z')).map(show), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    assert.ok(!fake.backend.requests.includes('ROLLBACK'))
  })

  test('a client that leaves, and a session that is ended, wait for the outcome', async () => {
    const gate = new TestGate()
    const fake = await fakeSession({ gate })
    const waiting = deferred<Submission>()
    const outcome = deferred<Outcome>()
    gate.plans.push((submission) => {
      waiting.resolve(submission)
      return outcome.promise
    })
    fake.client.send(update)
    const submission = await waiting.promise
    await fake.client.end()
    fake.session.end()
    assert.equal(await submission.participant.commit(), true)
    outcome.resolve({ kind: 'committed', position: position(9), local: true })
    await fake.session.closed
    assert.equal(fake.backend.requests.filter((request) => request === 'COMMIT').length, 1)
    await fake[Symbol.asyncDispose]()
  })
})

describe('an abort', () => {
  test('during the capture takes the transaction before it is submitted; a single statement is run again', async () => {
    const gate = new TestGate()
    gate.at = 7
    await using fake = await fakeSession({ gate })
    let captures = 0
    fake.backend.script = (request) => (request === 'capture' && captures++ === 0 ? 'silence' : undefined)
    fake.client.send(update)
    await eventually('the capture runs', () => captures === 1)
    const [participant] = gate.participants.values()
    assert.ok(participant)
    const abort = participant.abort(conflict)
    fake.backend.answer(fake.backend.failed('57014', 'E'))
    await abort
    assert.deepEqual((await fake.client.until('Z')).map(show), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    const once = ['BEGIN READ WRITE', 'update t set v = 1 where id = 1', 'capture']
    assert.deepEqual(fake.backend.requests, [...once, 'ROLLBACK', ...once, 'COMMIT'])
    assert.equal(gate.nonces.size, 0)
    assert.equal(gate.submissions.length, 1)
  })

  test('that comes too late for a COMMIT of nothing takes nothing back', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    const nothingWritten = Buffer.from('5600000008ffffffff5a0000000554', 'hex')
    fake.backend.script = (request) =>
      request === 'capture' ? nothingWritten : request === 'COMMIT' ? 'silence' : undefined
    await fake.client.query('begin')
    await fake.client.query('update t set v = 1 where false')
    fake.client.send(query('commit'))
    await eventually('COMMIT runs', () => fake.backend.requests.includes('COMMIT'))
    const [participant] = gate.participants.values()
    assert.ok(participant)
    const abort = participant.abort(conflict)
    fake.backend.answer(fake.backend.done('COMMIT', 'I'))
    await abort
    assert.deepEqual((await fake.client.until('Z')).map(show), ['C "COMMIT\\u0000"', 'Z "I"'])
  })

  test('that is answered by the backend’s death frees the locks, and the client hears 57P01', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    await fake.client.query('begin')
    fake.backend.script = (request) => (request === 'ROLLBACK' ? 'die' : undefined)
    const [participant] = gate.participants.values()
    await participant?.abort(conflict)
    assert.match((await fake.client.until('never')).map(show)[0] ?? '', /^E C57P01.*VFATAL$/)
  })

  test('cancels again, then ends a backend that answers nothing; the client hears 40001', async () => {
    const gate = new TestGate()
    let cancels = 0
    await using fake = await fakeSession({ gate, cancelBackend: () => Promise.resolve(void cancels++) })
    await fake.client.query('begin')
    fake.backend.script = () => 'silence'
    fake.client.send(update)
    await eventually('it runs', () => fake.backend.requests.length === 2)
    const [participant] = gate.participants.values()
    await participant?.abort(conflict)
    assert.match((await fake.client.until('never')).map(show)[0] ?? '', new RegExp(`${lost.source}.*VFATAL$`))
    assert.ok(cancels > 10, `${cancels} cancels`)
  })

  test('meets a ROLLBACK that a late cancel hits: it is said again', async () => {
    const gate = new TestGate()
    await using fake = await fakeSession({ gate })
    await fake.client.query('begin')
    let rollbacks = 0
    fake.backend.script = (request, backend) =>
      request === 'ROLLBACK' && rollbacks++ < 3 ? backend.failed('57014', 'E') : undefined
    const [participant] = gate.participants.values()
    await participant?.abort(conflict)
    assert.equal(rollbacks, 4)
    const answer = (await fake.client.query('select 1')).map((line) => line.slice(0, 8))
    assert.deepEqual(answer, ['E C40001', 'Z "E"'])
  })
})

test('a text is certainly one statement only without a semicolon inside', () => {
  for (const one of ['select 1', 'select 1;', 'select 1; \n;', '']) assert.ok(certainlyOne(query(one)), one)
  for (const other of ["select ';'", 'select 1; select 2', 'select 1; --', 'select 1;\v;', 'select $$;$$'])
    assert.ok(!certainlyOne(query(other)), other)
})
