import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import { nodeId, position } from '../../core/ids.ts'
import {
  bindPlain,
  close,
  copyData,
  copyDone,
  copyFail,
  describe as describeMessage,
  execute,
  flush,
  functionCall,
  parse,
  query,
  sync,
} from '../../wire/pgwire/messages.ts'
import {
  bareClient,
  eventually,
  show,
  TestGate,
  testServer,
  throughSession,
  type RawClient,
  type TestServer,
  type Through,
} from './session-fixtures.ts'
import type { Conflict } from './contract.ts'
import type { SessionOptions } from './session-options.ts'
import { createStatementClassifier, loadHarmlessContext, loadParser, nothingHarmless } from './statement/index.ts'

let server: TestServer
let options: Omit<SessionOptions, 'gate'>
let strict: Omit<SessionOptions, 'gate'>

before(async () => {
  server = await testServer()
  const admin = await bareClient(server, 'postgres')
  const ask = async (sql: string): Promise<(string | null)[][]> => {
    admin.send(query(sql))
    return (await admin.until('Z')).filter(({ type }) => type === 'D').map(({ body }) => rowOf(body))
  }
  await ask(setup)
  const oid = async (name: string): Promise<number> => Number((await ask(`SELECT '${name}'::regproc::oid`))[0]?.[0])
  await loadParser()
  const functions = {
    capture: await oid('allwrite.capture'),
    unseenWrites: await oid('allwrite.unseen_writes'),
    truncateRestarted: await oid('allwrite.truncate_restarted'),
    journalStatement: await oid('allwrite.journal_statement'),
  }
  const common = {
    functions,
    journalSecret: 'secret',
    hasDeferrable: () => true,
    cancelBackend: () => Promise.resolve(),
    terminateBackend: () => Promise.resolve(),
    committed: () => Promise.resolve(false),
    onSequenceExhausted: () => Promise.reject(new Error('no range')),
    log: {
      warn: () => undefined,
      error: (fields: object, text: string) => assert.fail(`${text} ${JSON.stringify(fields)}`),
    },
  }
  const real = createStatementClassifier({ harmless: await loadHarmlessContext(ask), cacheBytesMax: 1e6 })
  const blind = createStatementClassifier({ harmless: nothingHarmless, cacheBytesMax: 1e6 })
  options = { ...common, classify: (text, facts) => real.classify(text, facts) }
  strict = { ...common, classify: (text, facts) => blind.classify(text, facts) }
  await admin.end()
})

after(async () => {
  await server[Symbol.asyncDispose]()
})

const setup = `
CREATE SCHEMA allwrite;
CREATE FUNCTION allwrite.capture(nonce text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN pg_current_xact_id_if_assigned()::text; END $$;
CREATE FUNCTION allwrite.unseen_writes() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN current_setting('test.unseen', true); END $$;
CREATE FUNCTION allwrite.journal_statement(secret text, statement text, tables text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN IF secret <> 'secret' THEN RAISE EXCEPTION 'no'; END IF; INSERT INTO journaled VALUES (statement); END $$;
CREATE TABLE journaled (statement text);
CREATE FUNCTION allwrite.truncate_restarted() RETURNS void LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO journaled SELECT format('restarted, %s left', count(*)) FROM truncated; END $$;
CREATE TABLE truncated (id int);
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE SEQUENCE short MAXVALUE 2;
CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'noise'; RETURN 1; END $$;
CREATE FUNCTION sneaky() RETURNS text LANGUAGE sql AS $$ SELECT set_config('default_transaction_read_only', 'off', false) $$;
INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5) g;
`

function rowOf(body: Buffer): (string | null)[] {
  const row: (string | null)[] = []
  for (let offset = 2; offset < body.length;) {
    const length = body.readInt32BE(offset)
    row.push(length < 0 ? null : body.toString('utf8', offset + 4, offset + 4 + length))
    offset += 4 + Math.max(length, 0)
  }
  return row
}

/** One exchange of a script: what is sent at once, and how many messages of a type end its answer. */
interface Step {
  readonly send: readonly Buffer[]
  readonly until: string
  readonly count: number
}
const q = (...sql: string[]): Step[] => sql.map((text) => ({ send: [query(text)], until: 'Z', count: 1 }))
const x = (...send: Buffer[]): Step[] => [{ send, until: 'Z', count: 1 }]
const raw = (until: string, count: number, ...send: Buffer[]): Step[] => [{ send, until, count }]
const run = (sql: string): Buffer[] => [parse('', sql), bindPlain('', ''), describeMessage('P', ''), execute('')]

const scripts: Readonly<Record<string, Step[]>> = {
  'reads and writes': q(
    'select 1',
    'insert into t values (10, $$x$$)',
    'update t set v = v || 1 returning id, v',
    'delete from t where id = 3',
    'select * from t order by id',
    '',
  ),
  errors: q(
    'select 1/0',
    'selec',
    'insert into t values (1)',
    'select nope from t',
    'update t set v = 1/0',
    'select 1; selec',
  ),
  'several statements in one query': q(
    'select 1; select 2',
    'insert into t values (20); insert into t values (21)',
    'insert into t values (22); select 1/0; insert into t values (23)',
    'select 1; insert into t values (1); select 2',
    'select count(*) from t',
    'set work_mem = 100000; select 1/0',
    'show work_mem',
    'insert into t values (24); select 1; select nope;  select 3',
    ';;',
  ),
  'transaction control among several statements': q(
    'insert into t values (30); begin; insert into t values (31); commit',
    'insert into t values (32); commit; insert into t values (33); select 1/0',
    'insert into t values (34); rollback; insert into t values (35)',
    'select id from t where id >= 30 order by 1',
    'begin; insert into t values (36); commit; insert into t values (1)',
    'insert into t values (37); savepoint a; insert into t values (38)',
    'begin; insert into t values (39)',
    'insert into t values (40); commit; select 1',
    'insert into t values (41); commit and chain; select 1',
    'select id from t where id >= 30 order by 1',
  ),
  transactions: q(
    'begin',
    'insert into t values (50)',
    'savepoint a',
    'insert into t values (50)',
    'select 1',
    'rollback to a',
    'select count(*) from t',
    'release a',
    'commit',
    'begin',
    'select 1/0',
    'commit',
    'commit',
    'rollback',
    'start transaction isolation level repeatable read, read only',
    'select 1',
    'insert into t values (51)',
    'end',
    'begin; select 1',
    'begin',
    'commit and chain',
    'insert into t values (52)',
    'commit and chain',
    'rollback and chain',
    'select 1/0',
    'rollback and chain',
    'rollback',
    'commit and chain',
    'abort',
  ),
  'deferred constraints fail at the end': q(
    'insert into child values (1, 99)',
    'begin',
    'insert into child values (2, 98)',
    'select 1',
    'commit',
    'select count(*) from child',
    'insert into parent values (1); insert into child values (3, 1)',
  ),
  'settings and notices': q(
    'set search_path = public',
    'show search_path',
    'set local work_mem = 1000',
    'select noisy()',
    'begin',
    'set local work_mem = 2000',
    'show work_mem',
    'commit',
    'show work_mem',
    'set application_name = $$abc$$',
    'reset application_name',
    "set datestyle = 'German'",
    'drop table if exists nope',
    'discard all',
  ),
  'the read-only wish': q(
    'show default_transaction_read_only',
    'show transaction_read_only',
    'set default_transaction_read_only = on',
    'show default_transaction_read_only',
    'insert into t values (60)',
    'begin',
    'show transaction_read_only',
    'insert into t values (61)',
    'rollback',
    'begin read write',
    'insert into t values (62)',
    'commit',
    'begin',
    'set default_transaction_read_only = off',
    'rollback',
    'show default_transaction_read_only',
    'reset default_transaction_read_only',
    'insert into t values (63)',
    'set default_transaction_read_only = maybe',
    'set session characteristics as transaction read only',
    'insert into t values (64)',
    'reset all',
    'insert into t values (65)',
  ),
  'cursors, locks and prepared SQL': q(
    'declare c cursor for select 1',
    'lock table t',
    'begin',
    'declare c cursor for select id from t order by id',
    'fetch 2 from c',
    'lock table t',
    'close c',
    'commit',
    'prepare p as insert into t values ($1)',
    'execute p(70)',
    'execute p(70)',
    'deallocate p',
    'execute p(71)',
    'select 1; lock table t',
    'lock table t; select 1',
    'select 1; declare c cursor for select 1; fetch c',
    'begin; declare c binary cursor for select id from t order by id; fetch 1 from c; commit',
  ),
  'a semicolon inside a statement': [
    ...q(
      "select 'a;b'",
      "insert into t values (76, 'a;b') returning v",
      'select 1 /* ; */',
      'select 1; -- ;',
      "select nope, ';'",
      "select 1/0, ';'",
      "select $1, ';'",
      "select ';",
      "select 'a;' as averyveryverylongidentifierthatistruncatedbytheserverbecauseitistoolong",
      'begin',
      "update t set v = ';' where id = 76",
      "declare c binary cursor for select id, ';' from t order by id",
      'fetch 1 from c -- ;',
      "select 1/0, ';'",
      "select ';'",
      'rollback -- ;',
      "select 1; insert into t values (77, 'a;b'); select ';'",
      "do $$ begin perform 1; update t set v = ';' where id = 77; end $$",
      'create function f() returns int begin atomic select 1; select 2; end',
      'select f()',
      '-- ;',
    ),
    ...x(parse('', 'select 1'), sync),
    ...q("select ';'"),
    ...x(bindPlain('', ''), execute(''), sync),
    ...raw('G', 1, query('copy t from stdin -- ;')),
    ...raw('Z', 1, copyData(Buffer.from('78\ta\n')), copyDone),
  ],
  'extended: what needs a block': [
    ...x(...run('lock table t'), sync),
    ...x(...run('declare c cursor for select 1'), sync),
    ...x(...run('select 1'), ...run('lock table t'), sync),
    ...x(...run('insert into t values (140)'), ...run('lock table t'), sync),
    ...x(...run('insert into t values (141)'), ...run('commit'), ...run('lock table t'), sync),
    ...q('begin'),
    ...x(...run('lock table t'), sync),
    ...q('commit'),
  ],
  ddl: q(
    'create table d (id serial primary key)',
    'insert into d default values returning id',
    'begin',
    'alter table d add column v text',
    'insert into d (v) values ($$a$$)',
    'commit',
    'select * from d',
    'create table d (x int)',
    'drop table d',
    'vacuum t',
    'begin; vacuum t',
    'rollback',
    'create temp table tt (a int)',
    'insert into tt values (1)',
    'truncate tt',
    'do $$ begin insert into t values (75); end $$',
  ),
  'extended: reads and writes': [
    ...x(...run('select 1'), sync),
    ...x(...run('insert into t values (80)'), sync),
    ...x(
      ...run('insert into t values (81)'),
      ...run('select 1'),
      ...run('insert into t values (82) returning *'),
      sync,
    ),
    ...x(...run('insert into t values (83)'), ...run('select 1/0'), ...run('insert into t values (84)'), sync),
    ...x(...run('select id from t where id >= 80 order by 1'), sync),
    ...x(sync),
    ...x(parse('', ''), bindPlain('', ''), execute(''), sync),
    ...x(parse('', 'selec'), bindPlain('', ''), execute(''), sync),
    ...x(parse('', 'select 1; select 2'), bindPlain('', ''), execute(''), sync),
    ...x(bindPlain('', 'nope'), execute(''), sync),
  ],
  'extended: names and portals': [
    ...x(parse('ins', 'insert into t values ((select max(id) + 1 from t))'), describeMessage('S', 'ins'), sync),
    ...x(bindPlain('', 'ins'), execute(''), sync),
    ...x(bindPlain('', 'ins'), execute(''), bindPlain('', 'ins'), execute(''), sync),
    ...x(parse('ins', 'select 1'), sync),
    ...x(bindPlain('', 'ins'), execute(''), sync),
    ...x(close('S', 'ins'), parse('ins', 'select 7'), bindPlain('p', 'ins'), execute('p'), close('P', 'p'), sync),
    ...x(parse('', 'select id from t order by id'), sync),
    ...x(bindPlain('', ''), execute('', 2), execute('', 1), sync),
    ...x(execute(''), sync),
    ...q('begin'),
    ...x(parse('', 'select id from t order by id'), bindPlain('c', ''), execute('c', 2), sync),
    ...x(execute('c', 2), sync),
    ...x(...run('insert into t values (90)'), sync),
    ...x(execute('c', 1), sync),
    ...q('commit'),
    ...x(parse('', 'insert into t values (91)'), sync),
    ...x(bindPlain('', ''), execute(''), sync),
    ...x(bindPlain('', ''), execute(''), sync),
    ...x(bindPlain('', ''), describeMessage('P', ''), sync),
    ...q('deallocate all'),
    ...x(bindPlain('', 'ins'), execute(''), sync),
  ],
  'extended: transaction control in a pipeline': [
    ...x(
      ...run('begin'),
      ...run('insert into t values (100)'),
      ...run('commit'),
      ...run('insert into t values (101)'),
      sync,
    ),
    ...x(...run('insert into t values (102)'), ...run('begin'), ...run('insert into t values (103)'), sync),
    ...x(...run('insert into t values (104)'), ...run('rollback'), ...run('insert into t values (105)'), sync),
    ...x(...run('insert into t values (106)'), ...run('commit'), ...run('select 1/0'), sync),
    ...x(...run('select id from t where id >= 100 order by 1'), sync),
    ...x(...run('begin'), sync),
    ...x(...run('select 1/0'), sync),
    ...x(...run('select 1'), sync),
    ...x(...run('commit'), sync),
    ...x(...run('commit'), sync),
    ...x(...run('insert into child values (200, 999)'), sync),
    ...x(...run('begin'), ...run('insert into child values (201, 999)'), ...run('commit'), ...run('select 1'), sync),
    ...x(...run('begin'), ...run('commit and chain'), ...run('insert into t values (107)'), ...run('rollback'), sync),
    ...x(...run('savepoint s'), sync),
    ...x(...run('show default_transaction_read_only'), ...run('set default_transaction_read_only = on'), sync),
    ...x(...run('show default_transaction_read_only'), sync),
    ...x(...run('insert into t values (108)'), sync),
  ],
  'extended: flush': [
    ...raw('n', 1, parse('f', 'insert into t values (110)'), describeMessage('S', 'f'), flush),
    ...raw('C', 1, bindPlain('', 'f'), execute(''), flush),
    ...x(sync),
    ...raw('T', 1, parse('', 'select 1 as a'), bindPlain('', ''), describeMessage('P', ''), flush),
    ...x(execute(''), sync),
    ...raw('E', 1, ...run('select 1/0'), flush),
    ...x(...run('select 1'), sync),
    ...raw('E', 1, bindPlain('', 'f'), execute(''), flush),
    ...x(sync),
  ],
  copy: [
    ...raw('G', 1, query('copy t from stdin')),
    ...raw('Z', 1, copyData(Buffer.from('120\ta\n121\t')), copyData(Buffer.from('b\n')), copyDone),
    ...raw('G', 1, query('copy t from stdin')),
    ...raw('Z', 1, copyFail('changed my mind')),
    ...raw('G', 1, query('copy t from stdin')),
    ...raw('Z', 1, copyData(Buffer.from('120\ta\n')), copyDone),
    ...q('select 1'),
    ...raw('G', 1, query('copy t from stdin')),
    ...raw('Z', 1, copyData(Buffer.from('what\n')), copyData(Buffer.from('123\ta\n')), copyDone),
    ...raw('G', 1, query('copy t from stdin; select 1')),
    ...raw('Z', 1, copyData(Buffer.from('124\ta\n')), copyDone),
    ...q('copy (select id from t where id >= 120 order by 1) to stdout', 'copy nope from stdin'),
    ...raw('G', 1, parse('', 'copy t from stdin'), bindPlain('', ''), execute(''), sync),
    ...raw('Z', 1, copyData(Buffer.from('130\ta\n')), copyDone, sync),
    ...raw('G', 1, parse('', 'copy t from stdin'), bindPlain('', ''), execute(''), sync),
    ...raw('Z', 1, copyData(Buffer.from('130\ta\n')), copyDone, sync),
    ...q('begin'),
    ...raw('G', 1, query('copy t from stdin')),
    ...raw('Z', 1, copyData(Buffer.from('131\ta\n')), copyDone),
    ...q('commit', 'select id from t where id >= 120 order by 1'),
  ],
  'function calls': [
    ...x(functionCall(1598, [])).slice(1),
    ...x(functionCall(1304, [])).slice(1),
    ...x(functionCall(870, ['ABC'])),
    ...q('begin'),
    ...x(functionCall(870, ['ABC'])),
    ...x(functionCall(1, [])),
    ...q('rollback'),
  ],
  'listen and notify': q(
    'listen a',
    "select pg_notify('a', 'x')",
    'begin',
    "select pg_notify('a', 'y')",
    'commit',
    'unlisten *',
  ),
}

async function play(client: RawClient, steps: readonly Step[]): Promise<string[][]> {
  const answers: string[][] = []
  for (const { send, until, count } of steps) {
    client.send(...send)
    const answer = await client.until(until, count).catch((thrown: unknown) => {
      throw new Error(`step ${answers.length}: ${send.map((bytes) => bytes.toString('latin1')).join(' ')}`, {
        cause: thrown,
      })
    })
    answers.push(answer.map(show).map(masked))
  }
  return answers
}

/** A notification names its backend. */
const masked = (line: string): string => (line.startsWith('A ') ? `A ${line.slice(-8)}` : line)

async function twins(name: string): Promise<[string, string]> {
  const admin = await bareClient(server, 'template1')
  const pair: [string, string] = [`${name}_bare`, `${name}_ours`]
  for (const database of pair) {
    const answer = await admin.query(`CREATE DATABASE ${database} TEMPLATE postgres`)
    assert.ok(answer.includes('Z "I"') && !answer.some((line) => line.startsWith('E')), answer.join('\n'))
  }
  await admin.end()
  return pair
}

async function ours(database: string, gate: TestGate, more: Partial<SessionOptions> = {}): Promise<Through> {
  return throughSession(server, database, { ...options, ...more, gate })
}

describe('a session answers like the bare server', () => {
  let number = 0
  for (const [name, steps] of Object.entries(scripts)) {
    for (const kind of ['proven reads pass', 'nothing is proven'] as const) {
      test(`${name} (${kind})`, async () => {
        const [bareName, oursName] = await twins(`d${number++}`)
        const gate = new TestGate()
        const bare = await bareClient(server, bareName)
        await using through = await ours(
          oursName,
          gate,
          kind === 'nothing is proven' ? { classify: strict.classify } : {},
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
    const through = await ours(database, gate, { terminateBackend: () => terminate(pid)() })
    pid = through.pid
    return through
  }
  beforeEach(async () => {
    const pair = await twins(`c${count++}`)
    database = pair[1]
    admin = await bareClient(server, database)
  })
  afterEach(() => admin.end())
  const value = async (id: number): Promise<string | null | undefined> => {
    admin.send(query(`select v from t where id = ${id}`))
    const rows = (await admin.until('Z')).filter(({ type }) => type === 'D')
    return rows[0] && rowOf(rows[0].body)[0]
  }
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
    const other = await bareClient(server, database)
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
    const holder = await bareClient(server, database)
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
    await using through = await ours(database, gate, { committed })
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
    await using through = await ours(database, gate, { onSequenceExhausted: renew })
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
    const holder = await bareClient(server, database)
    await holder.query('begin; update t set v = v where id = 2')
    through.client.send(query('update t set v = 1 where id = 2'))
    await waitsForLock(through.pid)
    through.session.cancel()
    assert.deepEqual((await through.client.until('Z')).map(show), [
      'E C57014; Mcanceling statement due to user request; VERROR; Wwhile updating tuple (0,2) in relation "t"',
      'Z "I"',
    ])
    await holder.query('rollback')
    await holder.end()
    gate.plans.push((submission) => {
      through.session.cancel()
      return gate.commit(submission)
    })
    assert.deepEqual(await through.client.query("update t set v = 'mine' where id = 1"), [
      'C "UPDATE 1\\u0000"',
      'Z "I"',
    ])
    gate.plans.push(() => Promise.resolve({ kind: 'aborted', conflict: { ...conflict, position: position(99) } }))
    through.client.send(query("update t set v = 'again' where id = 1"))
    await eventually('it waits for the winner', () => gate.waits.includes(99))
    through.session.cancel()
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
