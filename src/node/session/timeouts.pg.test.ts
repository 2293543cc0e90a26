/** What ends a statement, a transaction or a session from outside: the same answers as PostgreSQL's, to the end of the connection. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { parse, query, sync } from '../../wire/pgwire/messages.ts'
import { bareClient, eventually, show, TestGate, type RawClient } from './session-fixtures.ts'
import { run } from './session-scripts.ts'
import { sessionServer, valueOf, type SessionServer } from './session-server.ts'

let cluster: SessionServer
before(async () => {
  cluster = await sessionServer()
})
after(() => cluster[Symbol.asyncDispose]())

/** What happens to a session once it is where its script leaves it. */
type Blow = (others: RawClient, pid: string) => Promise<void>

interface Case {
  /** Each is answered before the next. */
  readonly first: readonly string[]
  /** Sent last: answered in whatever way, or not at all. */
  readonly last?: readonly Buffer[]
  /** When `last` does this, the blow falls. */
  readonly when?: { readonly wait_event: string } | { readonly state: string }
  readonly blow?: Blow
  /** Asked when the blow is over; fails the same way where the session has ended. */
  readonly then?: readonly string[]
}

const cancel: Blow = async (other, pid) => {
  assert.equal(await valueOf(other, `select pg_cancel_backend(${pid})`), 't')
}
const terminate: Blow = async (other, pid) => {
  assert.equal(await valueOf(other, `select pg_terminate_backend(${pid})`), 't')
}
const sleep = 'select pg_sleep(20)'
const asleep = { wait_event: 'PgSleep' }
const idleIn = { state: 'idle in transaction' }

const cases: Readonly<Record<string, Case>> = {
  'statement_timeout of a statement': {
    first: ['set statement_timeout = 30'],
    last: [query(sleep)],
    then: ['select 1'],
  },
  'statement_timeout of a write': {
    first: ['set statement_timeout = 30'],
    last: [query('update t set v = pg_sleep(20)::text')],
    then: ['select v from t where id = 1'],
  },
  'statement_timeout in an extended batch': {
    first: ['set statement_timeout = 30'],
    last: [...run('select 1'), ...run(sleep), ...run('select 2'), sync],
    then: ['select 1'],
  },
  'statement_timeout in a transaction, SET LOCAL': {
    first: ['begin', 'set local statement_timeout = 30', 'insert into t values (10)'],
    last: [query(sleep)],
    then: ['select 1', 'commit', 'show statement_timeout', 'select count(*) from t'],
  },
  idle_in_transaction_session_timeout: {
    first: ['begin', 'insert into t values (10)', 'set idle_in_transaction_session_timeout = 200'],
    then: ['select 1'],
  },
  idle_session_timeout: { first: ['select 1', 'set idle_session_timeout = 200'], then: ['select 1'] },
  'transaction_timeout while a statement runs': {
    first: ['begin', 'insert into t values (10)', 'set transaction_timeout = 300'],
    last: [query(sleep)],
    then: ['select 1'],
  },
  'transaction_timeout of a single statement': { first: ['set transaction_timeout = 60'], last: [query(sleep)] },
  'transaction_timeout while idle': {
    first: ['begin', 'select 1', 'set transaction_timeout = 200'],
    then: ['select 1'],
  },
  'pg_cancel_backend of a statement': {
    first: [],
    last: [query(sleep)],
    when: asleep,
    blow: cancel,
    then: ['select 1'],
  },
  'pg_cancel_backend of a batch': {
    first: [],
    last: [...run('insert into t values (10)'), ...run(sleep), sync],
    when: asleep,
    blow: cancel,
    then: ['select count(*) from t'],
  },
  'pg_cancel_backend in a transaction': {
    first: ['begin', 'insert into t values (10)'],
    last: [query(sleep)],
    when: asleep,
    blow: cancel,
    then: ['select 1', 'rollback', 'select count(*) from t'],
  },
  'pg_cancel_backend of an idle transaction': {
    first: ['begin', 'insert into t values (10)'],
    when: idleIn,
    blow: cancel,
    then: ['select 1', 'commit', 'select count(*) from t'],
  },
  'pg_terminate_backend of a statement': { first: [], last: [query(sleep)], when: asleep, blow: terminate },
  'pg_terminate_backend of a write': {
    first: [],
    last: [query('update t set v = pg_sleep(20)::text')],
    when: asleep,
    blow: terminate,
  },
  'pg_terminate_backend of a batch': {
    first: [],
    last: [parse('p', 'select 1'), ...run('insert into t values (10)'), ...run(sleep), sync],
    when: asleep,
    blow: terminate,
  },
  'pg_terminate_backend of an idle transaction': {
    first: ['begin', 'insert into t values (10)'],
    when: idleIn,
    blow: terminate,
    then: ['commit'],
  },
  'pg_terminate_backend of an idle session': { first: ['select 1'], when: { state: 'idle' }, blow: terminate },
}

/** Everything that a client of a case is told. */
const told = async (client: RawClient, other: RawClient, one: Case): Promise<string[]> => {
  const pid = (await valueOf(client, 'select pg_backend_pid()')) ?? ''
  const answers: string[] = []
  const answer = async (): Promise<void> => {
    answers.push(...(await client.until('Z')).map(show), client.closed ? '(closed)' : '')
  }
  for (const sql of one.first) {
    client.send(query(sql))
    await answer()
  }
  if (one.last !== undefined) client.send(...one.last)
  const { when, blow } = one
  if (when !== undefined) {
    const [[column, value] = ['', '']] = Object.entries(when)
    await eventually(`${column} is ${value}`, async () => {
      const found = await valueOf(other, `select ${column} from pg_stat_activity where pid = ${pid}`)
      return found === value
    })
  }
  await blow?.(other, pid)
  if (one.last !== undefined) await answer()
  else if (blow !== cancel) {
    // Idle: the server speaks by itself, and closes.
    answers.push(...(await client.until('never')).map(show))
    assert.ok(client.closed)
  }
  for (const sql of one.then ?? []) {
    if (client.closed) break
    client.send(query(sql))
    await answer()
  }
  return answers
}

describe('what comes from outside is told as PostgreSQL tells it', () => {
  let number = 0
  for (const [name, one] of Object.entries(cases))
    test(name, async () => {
      const [bareName, oursName] = await cluster.twins(`timeouts${number++}`)
      const other = await bareClient(cluster.server, 'template1')
      const bare = await bareClient(cluster.server, bareName)
      const gate = new TestGate()
      await using through = await cluster.ours(oursName, gate)
      const expected = await told(bare, other, one)
      assert.deepEqual(await told(through.client, other, one), expected)
      assert.equal(gate.nonces.size, 0)
      await bare.end()
      await other.end()
    })
})

test('lock_timeout and a cancel of whoever waits for a lock, as in PostgreSQL', async () => {
  const [bareName, oursName] = await cluster.twins('locks')
  const answers: string[][] = []
  for (const name of [bareName, oursName]) {
    const holder = await bareClient(cluster.server, name)
    await holder.query('begin; update t set v = 1 where id = 1')
    await using through = name === oursName ? await cluster.ours(name, new TestGate()) : undefined
    const client = through?.client ?? (await bareClient(cluster.server, name))
    const seen = [
      ...(await client.query('set lock_timeout = 30')),
      ...(await client.query('update t set v = 2 where id = 1')),
      ...(await client.query('begin; select * from t where id = 1 for update')),
      ...(await client.query('rollback')),
      ...(await client.query('select v from t where id = 2')),
    ]
    answers.push(seen)
    await client.end()
    await holder.end()
  }
  assert.deepEqual(answers[1], answers[0])
  assert.ok(answers[0]?.some((line) => line.includes('55P03') || line.includes('C55P03')))
})
