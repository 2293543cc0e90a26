import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import { nodeId, position } from '../../core/ids.ts'
import { bindPlain, copyData, copyDone, execute, parse, query, sync } from '../../wire/pgwire/messages.ts'
import { bareClient, eventually, show, TestGate, type RawClient, type Through } from './session-fixtures.ts'
import type { Conflict } from './contract.ts'
import { run } from './session-scripts.ts'
import { rowOf, sessionServer, valueOf, type SessionServer } from './session-server.ts'

let cluster: SessionServer

before(async () => {
  cluster = await sessionServer()
})

after(() => cluster[Symbol.asyncDispose]())

const conflict: Conflict = {
  table: 'public.t',
  key: 'Key (id)=(1)',
  winner: nodeId(2),
  position: position(7),
  reason: 'certification',
}
const lostText =
  'E C40001; DKey (id)=(1) of table "public.t" was changed by node n2 at position 7.; HRetry the transaction.; Mcould not serialize access due to concurrent update on another node; VERROR'
const failedText = 'E C25P02; Mcurrent transaction is aborted, commands ignored until end of transaction block; VERROR'

describe('a transaction that loses', () => {
  let database: string
  let count = 0
  let admin: RawClient
  const lose = (gate: TestGate, times: number): void => {
    for (let index = 0; index < times; index++) {
      gate.plans.push(() => {
        gate.at = 7
        return Promise.resolve({ kind: 'aborted', conflict })
      })
    }
  }
  const terminate = (pid: number) => async (): Promise<void> => {
    await admin.query(`select pg_terminate_backend(${pid})`)
  }
  const open = async (gate: TestGate): Promise<Through> => {
    let pid = 0
    const through = await cluster.ours(database, gate, { terminateBackend: () => terminate(pid)() })
    pid = through.pid
    return through
  }
  beforeEach(async () => {
    const pair = await cluster.twins(`c${count++}`)
    database = pair[1]
    admin = await bareClient(cluster.server, database)
  })
  afterEach(() => admin.end())
  const value = (id: number): Promise<string | null | undefined> => valueOf(admin, `select v from t where id = ${id}`)
  const waitsForLock = (pid: number): Promise<unknown> =>
    eventually(
      'the statement waits',
      async () =>
        (await admin.query(`select 1 from pg_stat_activity where pid = ${pid} and wait_event_type = 'Lock'`)).length >
        3,
    )

  test('certification: a single statement is run again, unseen, after the winner is applied', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    lose(gate, 3)
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 1 returning id"), [
      'T id:23',
      'D "\\u0000\\u0001\\u0000\\u0000\\u0000\\u00011"',
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    assert.equal(gate.submissions.length, 4)
    assert.deepEqual(gate.waits, [7, 7, 7])
    assert.equal(await value(1), 'mine')
  })
  test('certification: an extended batch is run again with its named statement', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    lose(gate, 2)
    through.client.send(parse('u', "update t set v = 'mine' where id = 1"), bindPlain('', 'u'), execute(''), sync)
    assert.deepEqual((await through.client.until('Z')).map(show), ['1', '2', 'C "UPDATE 1\\u0000"', 'Z "I"'])
    assert.equal(gate.submissions.length, 3)
    through.client.send(bindPlain('', 'u'), execute(''), sync)
    assert.deepEqual((await through.client.until('Z')).map(show), ['2', 'C "UPDATE 1\\u0000"', 'Z "I"'])
  })
  test('certification: retries are bounded, and the error names key, node and position', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    lose(gate, 21)
    assert.deepEqual(await through.client.query('update t set v = 1 where id = 1'), [lostText, 'Z "I"'])
    assert.equal(gate.submissions.length, 21)
    assert.equal(await value(1), 'v1')
    assert.deepEqual(await through.client.query('update t set v = 1 where id = 1'), ['C "UPDATE 1\\u0000"', 'Z "I"'])
  })
  test('certification: a client transaction gets the error at COMMIT, and is over', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    lose(gate, 1)
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    assert.deepEqual(await through.client.query('commit'), [lostText, 'Z "I"'])
    assert.equal(await value(1), 'v1')
  })
  test('certification: a refusal shows its own error', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    gate.plans.push(() => Promise.resolve({ kind: 'refused', error: new AllwriteError('too_large', 'too large') }))
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 1"), [
      'E C54000; Mtoo large; VERROR',
      'Z "I"',
    ])
    assert.equal(await value(1), 'v1')
  })
  test('unseen writes are refused by name', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await through.client.query("set test.unseen = 'a large object'")
    const [error, ready] = (await through.client.query("do $$ begin update t set v = 'x'; end $$")) as [string, string]
    assert.match(error, /C0A000.*a large object/)
    assert.equal(ready, 'Z "I"')
    assert.equal(gate.submissions.length, 0)
    assert.equal(gate.nonces.size, 0)
    assert.equal(await value(1), 'v1')
  })

  test('brute force: an idle transaction releases its locks at once; the next statement gets 40001, then 25P02', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    await through.client.query('savepoint s')
    await through.participant.abort(conflict)
    assert.deepEqual(await admin.query("update t set v = 'theirs' where id = 1"), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 2"), [lostText, 'Z "E"'])
    assert.deepEqual(await through.client.query('select 1'), [failedText, 'Z "E"'])
    through.client.send(...run('select 1'), sync)
    assert.deepEqual((await through.client.until('Z')).map(show), [failedText, 'Z "E"'])
    assert.match((await through.client.query('rollback to s'))[0] ?? '', /^E C3B001/)
    assert.deepEqual(await through.client.query('commit'), ['C "ROLLBACK\\u0000"', 'Z "I"'])
    assert.deepEqual(await through.client.query('select v from t where id = 2'), [
      'T v:25',
      'D "\\u0000\\u0001\\u0000\\u0000\\u0000\\u0002v2"',
      'C "SELECT 1\\u0000"',
      'Z "I"',
    ])
  })
  for (const kind of ['simple', 'extended'] as const) {
    test(`brute force: COMMIT of a lost transaction fails with 40001, ROLLBACK does not (${kind})`, async () => {
      const gate = new TestGate()
      await using through = await open(gate)
      const { client, participant } = through
      const say = async (sql: string): Promise<string[]> => {
        if (kind === 'simple') return client.query(sql)
        client.send(parse('', sql), bindPlain('', ''), execute(''), sync)
        return (await client.until('Z')).map(show)
      }
      for (const [end, answer] of [
        ['commit', [lostText]],
        ['rollback', kind === 'simple' ? ['C "ROLLBACK\\u0000"'] : ['1', '2', 'C "ROLLBACK\\u0000"']],
      ] as const) {
        await say('begin')
        await say("update t set v = 'mine' where id = 1")
        await participant.abort(conflict)
        assert.deepEqual(await say(end), [...answer, 'Z "I"'])
      }
      assert.equal(await value(1), 'v1')
      assert.equal(gate.submissions.length, 0)
    })
  }
  test('brute force: a waiting statement is cancelled; the client transaction gets 40001', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await admin.query('begin; update t set v = v where id = 2')
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    through.client.send(query('update t set v = 1 where id = 2'), query('select 1'), query('rollback'))
    const other = await bareClient(cluster.server, database)
    await eventually(
      'it waits',
      async () =>
        (await other.query(`select 1 from pg_stat_activity where pid = ${through.pid} and wait_event_type = 'Lock'`))
          .length > 3,
    )
    await through.participant.abort(conflict)
    assert.deepEqual(await other.query('set lock_timeout = 1000; update t set v = v where id = 1'), [
      'C "SET\\u0000"',
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    assert.deepEqual((await through.client.until('Z', 3)).map(show), [
      lostText,
      'Z "E"',
      failedText,
      'Z "E"',
      'C "ROLLBACK\\u0000"',
      'Z "I"',
    ])
    await admin.query('rollback')
    await other.end()
  })
  test('brute force: a single statement that waits is run again, unseen', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    gate.at = 7
    const holder = await bareClient(cluster.server, database)
    await holder.query("begin; update t set v = 'held' where id = 2")
    through.client.send(query('update t set v = v || 1 where id < 3'))
    await waitsForLock(through.pid)
    await through.participant.abort(conflict)
    await holder.query('commit')
    assert.deepEqual((await through.client.until('Z')).map(show), ['C "UPDATE 2\\u0000"', 'Z "I"'])
    assert.equal(await value(2), 'held1')
    await holder.end()
  })
  test('brute force: what was submitted stays submitted; the client is told committed', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    let answer: boolean | undefined
    gate.plans.push(async ({ participant }) => {
      await participant.abort(conflict)
      assert.equal(await value(1), 'v1')
      answer = await participant.commit()
      return { kind: 'committed', position: position(9), local: false }
    })
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 1"), [
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    assert.equal(answer, false)
    assert.deepEqual(await through.client.query('select 1'), [
      'T ?column?:23',
      'D "\\u0000\\u0001\\u0000\\u0000\\u0000\\u00011"',
      'C "SELECT 1\\u0000"',
      'Z "I"',
    ])
  })
  test('a backend killed after the submission: committed first, then the end', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    let answer: boolean | undefined
    gate.plans.push(async ({ participant }) => {
      await terminate(through.pid)()
      await eventually(
        'it is gone',
        async () => (await admin.query(`select 1 from pg_stat_activity where pid = ${through.pid}`)).length === 3,
      )
      answer = await participant.commit()
      return { kind: 'committed', position: position(9), local: false }
    })
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    through.client.send(query('commit'))
    const messages = (await through.client.until('never')).map(show)
    assert.deepEqual(messages.slice(0, 2), ['C "COMMIT\\u0000"', 'Z "I"'])
    assert.match(messages[2] ?? '', /^E C57P01/)
    assert.equal(answer, false)
    await through.session.closed
    assert.equal(gate.participants.size, 0)
  })
  test('a connection that breaks behind COMMIT: the server is asked until it says what became of the transaction', async () => {
    const gate = new TestGate()
    let asked = 0
    const committed = async (xid: string): Promise<boolean> => {
      if (asked++ === 0) throw new Error('starting up')
      return eventually('the transaction is over', async () => {
        admin.send(query(`select pg_xact_status('${xid}')`))
        const status = (await admin.until('Z')).filter(({ type }) => type === 'D').map(({ body }) => rowOf(body)[0])[0]
        return status === 'in progress' ? undefined : { was: status === 'committed' }
      }).then(({ was }) => was)
    }
    await using through = await cluster.ours(database, gate, { committed })
    let answer: boolean | undefined
    gate.plans.push(async ({ participant }) => {
      const commit = participant.commit()
      through.backend.destroy()
      answer = await commit
      return { kind: 'committed', position: position(9), local: answer }
    })
    through.client.send(query("update t set v = 'mine' where id = 1"))
    const messages = (await through.client.until('never')).map(show)
    assert.deepEqual(messages.slice(0, 2), ['C "UPDATE 1\\u0000"', 'Z "I"'])
    assert.match(messages[2] ?? '', /^E C57P01/)
    assert.equal(asked, 2)
    assert.equal(answer, (await value(1)) === 'mine')
  })
  test('a statement killed with its backend before the submission: the server’s last words, and the end', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    through.client.send(query('select pg_sleep(60)'))
    await eventually(
      'it sleeps',
      async () =>
        (await admin.query(`select 1 from pg_stat_activity where pid = ${through.pid} and wait_event = 'PgSleep'`))
          .length > 3,
    )
    await terminate(through.pid)()
    const messages = (await through.client.until('never')).map(show)
    assert.match(messages.at(-1) ?? '', /^E C57P01.*VFATAL/)
    assert.equal(await value(1), 'v1')
  })
  test('a sequence’s range that ends is renewed: a single statement is run again, a transaction hears 40001', async () => {
    const gate = new TestGate()
    const renew = async (): Promise<void> => {
      await admin.query('alter sequence short maxvalue 1000')
    }
    await using through = await cluster.ours(database, gate, { onSequenceExhausted: renew })
    await admin.query("select setval('short', 2)")
    assert.deepEqual(await through.client.query("insert into t select nextval('short') + 100"), [
      'C "INSERT 0 1\\u0000"',
      'Z "I"',
    ])
    await admin.query('alter sequence short maxvalue 3')
    await through.client.query('begin')
    const [error, ready] = (await through.client.query("insert into t select nextval('short') + 100")) as [
      string,
      string,
    ]
    assert.match(error, /^E C40001.*HRetry the transaction/)
    assert.equal(ready, 'Z "E"')
  })
  test('a journaled statement is journaled in its own transaction, or fails with it', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    assert.deepEqual(await through.client.query('create role awtestrole'), ['C "CREATE ROLE\\u0000"', 'Z "I"'])
    through.client.send(...run('drop role awtestrole'), sync)
    assert.deepEqual((await through.client.until('Z')).map(show), ['1', '2', 'n', 'C "DROP ROLE\\u0000"', 'Z "I"'])
    const lines = await admin.query("select string_agg(statement, ';') from journaled")
    assert.ok(lines.some((line) => line.includes('create role awtestrole;drop role awtestrole')))
    assert.equal(gate.submissions.length, 2)
  })
  test('TRUNCATE ... RESTART IDENTITY is followed at once by what restarts the cluster’s numbering', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await admin.query('delete from journaled')
    const text = 'truncate truncated restart identity; insert into truncated values (1)'
    assert.deepEqual(await through.client.query(text), ['C "TRUNCATE TABLE\\u0000"', 'C "INSERT 0 1\\u0000"', 'Z "I"'])
    through.client.send(
      ...run('truncate truncated restart identity'),
      ...run('insert into truncated values (1), (2)'),
      sync,
    )
    await through.client.until('Z')
    const lines = await admin.query("select string_agg(statement, ';') from journaled")
    assert.ok(lines.some((line) => line.includes('restarted, 0 left;restarted, 0 left')))
    assert.equal(gate.submissions.length, 2)
  })
  test('a comment never brings back what a rewrite took out', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await through.client.query('create unlogged table u (a int) /* create table u (a int) */')
    through.client.send(...run('create unlogged table u2 (a int) /* create table u2 (a int) */'), sync)
    await through.client.until('Z')
    const kinds = await admin.query(
      "select string_agg(relpersistence::text, '') from pg_class where relname in ('u', 'u2')",
    )
    assert.equal(kinds[1], 'D "\\u0000\\u0001\\u0000\\u0000\\u0000\\u0002pp"')
  })
  test('a client that leaves before the submission takes its transaction with it', async () => {
    const gate = new TestGate()
    const through = await open(gate)
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    await through[Symbol.asyncDispose]()
    assert.equal(gate.participants.size, 0)
    assert.deepEqual(await admin.query('set lock_timeout = 5000; update t set v = v where id = 1'), [
      'C "SET\\u0000"',
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    assert.equal(gate.submissions.length, 0)
  })
  test('a client that leaves after the submission does not take it back', async () => {
    const gate = new TestGate()
    const through = await open(gate)
    gate.plans.push(async (submission) => {
      await through.client.end()
      await eventually('the session noticed', () => through.client.closed)
      return gate.commit(submission)
    })
    through.client.send(query("update t set v = 'mine' where id = 1"))
    await through.session.closed
    assert.equal(await value(1), 'mine')
  })
  test('cancel: a running statement is cancelled; after the submission it has no effect; a waiting retry ends with 57014', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    const holder = await bareClient(cluster.server, database)
    await holder.query('begin; update t set v = v where id = 2')
    through.client.send(query('update t set v = 1 where id = 2'))
    await waitsForLock(through.pid)
    void through.session.cancel()
    assert.deepEqual((await through.client.until('Z')).map(show), [
      'E C57014; Mcanceling statement due to user request; VERROR; Wwhile updating tuple (0,2) in relation "t"',
      'Z "I"',
    ])
    await holder.query('rollback')
    await holder.end()
    gate.plans.push((submission) => {
      void through.session.cancel()
      return gate.commit(submission)
    })
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 1"), [
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    gate.plans.push(() => Promise.resolve({ kind: 'aborted', conflict: { ...conflict, position: position(99) } }))
    through.client.send(query("update t set v = 'again' where id = 1"))
    await eventually('it waits for the winner', () => gate.waits.includes(99))
    void through.session.cancel()
    assert.deepEqual((await through.client.until('Z')).map(show), [
      'E C57014; Mcanceling statement due to user request; VERROR',
      'Z "I"',
    ])
    assert.equal(await value(1), 'mine')
  })
  test('the guard that a function switched off is on again before the next statement', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    const shown = await through.client.query('select sneaky()')
    assert.ok(!shown.some((line) => line.startsWith('S')), 'the client keeps its own view')
    const setting = async (): Promise<string[]> =>
      (
        await through.client.query("select setting || '' from pg_settings where name = 'default_transaction_read_only'")
      ).filter((line) => line.startsWith('D'))
    assert.deepEqual(await setting(), ['D "\\u0000\\u0001\\u0000\\u0000\\u0000\\u0002on"'])
  })
  test('brute force while the client does not read: its backend is drained', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    await through.client.query('begin')
    await through.client.query("update t set v = 'mine' where id = 1")
    through.client.socket.pause()
    through.client.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
    await eventually(
      'it is blocked',
      async () =>
        (await admin.query(`select 1 from pg_stat_activity where pid = ${through.pid} and wait_event = 'ClientWrite'`))
          .length > 3,
    )
    await through.participant.abort(conflict)
    assert.deepEqual(await admin.query('set lock_timeout = 1000; update t set v = v where id = 1'), [
      'C "SET\\u0000"',
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    through.client.socket.resume()
    const end = (await through.client.until('Z')).map(show).slice(-2)
    assert.deepEqual(end, [lostText, 'Z "E"'])
  })
  test('brute force during COPY FROM STDIN ends the copy', async () => {
    const gate = new TestGate()
    await using through = await open(gate)
    through.client.send(query('copy t from stdin'))
    await through.client.until('G')
    through.client.send(copyData(Buffer.from('300\ta\n')))
    await through.participant.abort(conflict)
    through.client.send(copyData(Buffer.from('301\ta\n')), copyDone, query('select 1'))
    const messages = (await through.client.until('Z', 2)).map(show)
    assert.deepEqual(messages.slice(0, 2), [lostText, 'Z "I"'])
    assert.equal(messages.at(-1), 'Z "I"')
  })
})
