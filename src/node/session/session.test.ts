import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { nodeId, position } from '../../core/ids.ts'
import {
  bindComplete,
  bindPlain,
  close,
  execute,
  flush,
  parse,
  parseComplete,
  query,
  readyForQuery,
  Status,
  sync,
} from '../../wire/pgwire/messages.ts'
import type { Conflict, Outcome, Submission } from './contract.ts'
import { fakeSession, type FakeSession } from './fake-backend.ts'
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

  for (const [how, end] of Object.entries({
    'its backend dies': (fake: FakeSession) => fake.backend.die(),
    'the node stops': (fake: FakeSession) => fake.session.end(),
  })) {
    test(`a unit that waits for its retry when ${how}: the client hears 57P01, not of a cancel`, async () => {
      const gate = new TestGate()
      await using fake = await fakeSession({ gate })
      gate.plans.push(() => Promise.resolve({ kind: 'aborted', conflict: { ...conflict, position: position(7) } }))
      fake.client.send(update)
      await eventually('the retry waits', () => gate.waits.includes(7))
      end(fake)
      const answer = (await fake.client.until('never')).map(show)
      assert.equal(answer.length, 1)
      assert.match(answer[0] ?? '', /^E C57P01.*VFATAL$/)
    })
  }

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

  test('gives a backend longer whose cancels take long: both lack CPU', async () => {
    const gate = new TestGate()
    let cancels = 0
    await using fake = await fakeSession({
      gate,
      cancelBackend: async () => {
        await new Promise((resolve) => setTimeout(resolve, 100))
        cancels++
      },
      terminateBackend: () => assert.fail('it is healthy'),
    })
    await fake.client.query('begin')
    fake.backend.script = (request) => (request.startsWith('update') ? 'silence' : undefined)
    fake.client.send(update)
    await eventually('it runs', () => fake.backend.requests.length === 2)
    const [participant] = gate.participants.values()
    const abort = participant?.abort(conflict)
    await eventually('it has had more than 500 ms', () => cancels > 5)
    fake.backend.answer(fake.backend.failed('57014', 'E'))
    await abort
    assert.match((await fake.client.until('Z')).map(show)[0] ?? '', lost)
  })

  test('gives a backend up to which a cancel may still be on its way: it gets no other statement', async () => {
    const gate = new TestGate()
    let cancels = 0
    await using fake = await fakeSession({
      gate,
      // A server that takes none, and does not say whether it ever will.
      cancelBackend: () => new Promise(() => void cancels++),
      terminateBackend: () => assert.fail('the statement is over'),
    })
    await fake.client.query('begin')
    fake.backend.script = (request) => (request.startsWith('update') ? 'silence' : undefined)
    fake.client.send(update)
    await eventually('it runs', () => fake.backend.requests.length === 2)
    const [participant] = gate.participants.values()
    const abort = participant?.abort(conflict)
    await eventually('it is cancelled', () => cancels === 1)
    fake.backend.answer(fake.backend.done('UPDATE 1'))
    await abort
    assert.match((await fake.client.until('never')).map(show)[0] ?? '', new RegExp(`${lost.source}.*VFATAL$`))
    assert.equal(fake.backend.requests.at(-1), 'ROLLBACK')
  })

  test('does so where the transaction is committed as well: that is told first', async () => {
    const gate = new TestGate()
    let cancels = 0
    await using fake = await fakeSession({ gate, cancelBackend: () => new Promise(() => void cancels++) })
    gate.plans.push(async ({ participant }) => {
      const committing = participant.commit()
      await participant.abort(conflict)
      return { kind: 'committed', position: position(9), local: await committing }
    })
    await fake.client.query('begin')
    await fake.client.query('select 1')
    fake.backend.script = (request) => (request === 'COMMIT' ? 'silence' : undefined)
    fake.client.send(query('commit'))
    await eventually('its COMMIT is cancelled', () => cancels === 1)
    fake.backend.answer(fake.backend.done('COMMIT', 'I'))
    const answer = (await fake.client.until('never')).map(show)
    assert.deepEqual(answer.slice(0, 2), ['C "COMMIT\\u0000"', 'Z "I"'])
    assert.match(answer.at(-1) ?? '', /^E C57P01.*must not hit another.*VFATAL$/)
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

describe('a conflict that is owed', () => {
  const open = async (gate: TestGate, options: Parameters<typeof fakeSession>[0] = { gate }) => {
    const fake = await fakeSession(options)
    await fake.client.query('begin')
    const [participant] = gate.participants.values()
    assert.ok(participant)
    const answer = async (...send: Buffer[]): Promise<string[]> => {
      fake.client.send(...send)
      return (await fake.client.until('Z')).map(show)
    }
    return { fake, participant, answer }
  }
  const failed = ['BEGIN READ WRITE', 'ROLLBACK TO SAVEPOINT "allwrite: this transaction is rolled back"']

  test('is not told by a Parse: that is done outside the failed transaction, and nothing else with it', async () => {
    const gate = new TestGate()
    const { fake, participant, answer } = await open(gate)
    await using _ = fake
    await participant.abort(conflict)
    assert.deepEqual(await answer(parse('p', 'update t set v = 1'), sync), ['1', 'Z "T"'])
    assert.deepEqual(await answer(sync), ['Z "T"'])
    assert.deepEqual(await answer(close('S', 'q'), sync), ['3', 'Z "T"'])
    assert.deepEqual(fake.backend.requests, [
      'BEGIN READ WRITE',
      'ROLLBACK',
      ...failed,
      'ROLLBACK',
      'parse p update t set v = 1',
      'sync',
      ...failed,
      'ROLLBACK',
      'close q',
      'sync',
      ...failed,
    ])
    const [first, ...rest] = await answer(bindPlain('', 'p'), execute(''), sync)
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
    assert.deepEqual(await fake.client.query('rollback'), ['C "ROLLBACK\\u0000"', 'Z "I"'])
    assert.ok(!fake.backend.requests.some((request) => /^(bind|execute)/.test(request)))
  })

  test('is told instead of a Parse that fails, and of one that the cluster refuses', async () => {
    const gate = new TestGate()
    const { fake, participant, answer } = await open(gate)
    await using _ = fake
    fake.backend.script = (request, backend) =>
      request.startsWith('parse p select v from mine') ? backend.refused('42P01') : undefined
    for (const sql of ['select v from mine', 'alter system reset work_mem']) {
      await participant.abort(conflict)
      const [first, ...rest] = await answer(parse('p', sql), sync)
      assert.match(first ?? '', lost)
      assert.deepEqual(rest, ['Z "E"'])
      await fake.client.query('rollback')
      await fake.client.query('begin')
    }
  })

  test('is told at the start of a batch that runs something; its Parse is not done', async () => {
    const gate = new TestGate()
    const { fake, participant, answer } = await open(gate)
    await using _ = fake
    await participant.abort(conflict)
    const [first, ...rest] = await answer(parse('p', 'update t set v = 1'), bindPlain('', 'p'), execute(''), sync)
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
    assert.ok(!fake.backend.requests.some((request) => request.startsWith('parse')))
  })

  test('is told in the middle of a batch whose Parse was flushed', async () => {
    const gate = new TestGate()
    const { fake, participant, answer } = await open(gate)
    await using _ = fake
    await participant.abort(conflict)
    fake.client.send(parse('p', 'update t set v = 1'), flush)
    assert.deepEqual((await fake.client.until('1')).map(show), ['1'])
    const [first, ...rest] = await answer(bindPlain('', 'p'), execute(''), sync)
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
  })

  /** The extended protocol is met by silence until told otherwise. */
  const waits = (fake: FakeSession): { end: () => void } => {
    let silent = true
    fake.backend.script = (request) => (silent && /^(parse|bind|execute|sync)/.test(request) ? 'silence' : undefined)
    return {
      end: () => {
        silent = false
      },
    }
  }

  test('comes of an abort during a Parse, which ends by itself and is believed', async () => {
    const gate = new TestGate()
    let cancels = 0
    const cancelBackend = (): Promise<void> => Promise.resolve(void cancels++)
    const { fake, participant, answer } = await open(gate, { gate, cancelBackend })
    await using _ = fake
    const silence = waits(fake)
    const parsed = answer(parse('p', 'update t set v = 1'), sync)
    await eventually('it runs', () => fake.backend.requests.includes('sync'))
    const abort = participant.abort(conflict)
    assert.equal(cancels, 0)
    silence.end()
    fake.backend.answer(Buffer.concat([parseComplete, readyForQuery(Status.open)]))
    await abort
    assert.deepEqual(await parsed, ['1', 'Z "T"'])
    assert.match((await fake.client.query('select 1'))[0] ?? '', lost)
  })

  test('comes of an abort during a Parse that waits: cancelled, it is told', async () => {
    const gate = new TestGate()
    let cancels = 0
    const cancelBackend = (): Promise<void> => Promise.resolve(void cancels++)
    const { fake, participant, answer } = await open(gate, { gate, cancelBackend })
    await using _ = fake
    const silence = waits(fake)
    const parsed = answer(parse('p', 'update t set v = 1'), sync)
    await eventually('it runs', () => fake.backend.requests.includes('sync'))
    const abort = participant.abort(conflict)
    await eventually('it is cancelled', () => cancels > 0)
    silence.end()
    fake.backend.answer(fake.backend.failed('57014', 'E'))
    await abort
    const [first, ...rest] = await parsed
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
  })

  test('has swallowed a ParseComplete: the statement is closed, since its client will parse it again', async () => {
    const gate = new TestGate()
    const { fake, participant, answer } = await open(gate)
    await using _ = fake
    const silence = waits(fake)
    const told = answer(parse('p', 'update t set v = 1'), bindPlain('', 'p'), execute(''), sync)
    await eventually('it runs', () => fake.backend.requests.includes('sync'))
    const abort = participant.abort(conflict)
    silence.end()
    fake.backend.answer(Buffer.concat([parseComplete, bindComplete, fake.backend.failed('57014', 'E')]))
    await abort
    const [first, ...rest] = await told
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
    await eventually('it is closed', () => fake.backend.requests.includes('close p'))
  })

  test('survives a cancel that hits the BEGIN of the failed transaction', async () => {
    const gate = new TestGate()
    const { fake, participant } = await open(gate)
    await using _ = fake
    let begins = 0
    fake.backend.script = (request, backend) =>
      request.startsWith('BEGIN') && begins++ < 2 ? backend.failed('57014', 'I') : undefined
    await participant.abort(conflict)
    const [first, ...rest] = await fake.client.query('select 1')
    assert.match(first ?? '', lost)
    assert.deepEqual(rest, ['Z "E"'])
    assert.equal(begins, 3)
    assert.deepEqual(fake.errors, [])
  })
})

test('a text is certainly one statement only without a semicolon inside', () => {
  for (const one of ['select 1', 'select 1;', 'select 1; \n;', '']) assert.ok(certainlyOne(query(one)), one)
  for (const other of ["select ';'", 'select 1; select 2', 'select 1; --', 'select 1;\v;', 'select $$;$$'])
    assert.ok(!certainlyOne(query(other)), other)
})

describe('a session that is to leave', () => {
  test('ends at once where no transaction is open', async () => {
    await using fake = await fakeSession({ gate: new TestGate() })
    fake.client.send(update)
    await fake.client.until('Z')
    fake.session.leave()
    assert.match((await fake.client.until('never')).map(show).at(-1) ?? '', /^E C57P01.*VFATAL$/)
    await fake.session.closed
  })

  for (const end of ['commit', 'rollback']) {
    test(`goes on to its ${end}, whose answer comes before the farewell`, async () => {
      await using fake = await fakeSession({ gate: new TestGate() })
      fake.client.send(query('begin'))
      await fake.client.until('Z')
      fake.session.leave()
      fake.client.send(update)
      assert.equal((await fake.client.until('Z')).map(show).at(-1), 'Z "T"')
      fake.client.send(query(end))
      const answer = (await fake.client.until('never')).map(show)
      assert.deepEqual(answer.slice(0, -1), [`C "${end.toUpperCase()}\\u0000"`, 'Z "I"'])
      assert.match(answer.at(-1) ?? '', /^E C57P01.*VFATAL$/)
      await fake.session.closed
    })
  }

  test('what is open when the patience is over is rolled back', async () => {
    await using fake = await fakeSession({ gate: new TestGate() })
    fake.client.send(query('begin'))
    await fake.client.until('Z')
    fake.session.leave()
    fake.session.end()
    assert.match((await fake.client.until('never')).map(show).at(-1) ?? '', /^E C57P01.*VFATAL$/)
    await fake.session.closed
  })
})
