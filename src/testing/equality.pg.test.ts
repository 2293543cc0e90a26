/** The comparison that all system tests trust must itself see every kind of difference. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'pg'
import { assertAllEqual, assertSameCatalogs } from './equality.ts'
import type { Comparable } from './equality.ts'
import { startPlainServer } from './plain-server.ts'
import type { PlainServer } from './plain-server.ts'

let server: PlainServer
/** Two databases of one server, shown as two nodes. */
let pair: Comparable

const connectTo = async (database: string): Promise<Client> => {
  const url = new URL(server.url)
  url.pathname = database
  const client = new Client({ connectionString: url.href })
  await client.connect()
  return client
}

const inDatabase = async (database: string, ...statements: string[]): Promise<void> => {
  const client = await connectTo(database)
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const schema = [
  'create table t (id int primary key, v text)',
  `insert into t values (1, 'a'), (2, 'b'), (3, null)`,
  'create table twins (v int)',
  'insert into twins values (1), (1), (2)',
  'create view w as select id from t',
]

before(async () => {
  server = await startPlainServer()
  const info = { state: 'serving', agentPid: 0, postgresPid: 0, dataDir: '' }
  const nodes = ['n1', 'n2'].map((id) => ({ id, url: server.url, ...info }))
  pair = {
    nodes,
    connect: (number) => connectTo(`d${number}`),
    status: () =>
      Promise.resolve(
        nodes.map(({ id }) => ({ id, state: 'serving', position: 5, lag: 0, agentPid: 1, postgresPid: 1 })),
      ),
  }
})
after(() => server?.[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const database of ['d1', 'd2']) {
    await inDatabase('postgres', `drop database if exists ${database}`, `create database ${database}`)
    await inDatabase(database, ...schema)
  }
})

test('equal databases are equal, whatever the physical order of their rows', async () => {
  await inDatabase('d2', 'update t set v = v', 'delete from twins', 'insert into twins values (2), (1), (1)')
  const sums = await assertAllEqual(pair, 1000)
  assert.deepEqual(Object.keys(sums), ['public.t', 'public.twins'])
  await assertSameCatalogs(pair, 1000)
})

const dataDifferences: Readonly<Record<string, string>> = {
  'a changed value': `update t set v = 'B' where id = 2`,
  'null against empty': `update t set v = '' where id = 3`,
  'a missing row': 'delete from t where id = 1',
  'a row too many': 'insert into t values (4)',
  'another duplicate, same count': 'update twins set v = 2 where ctid = (select min(ctid) from twins)',
  'a table too many': 'create table extra ()',
}
for (const [difference, statement] of Object.entries(dataDifferences)) {
  test(`seen in the data: ${difference}`, async () => {
    await inDatabase('d2', statement)
    await assert.rejects(assertAllEqual(pair, 300), assert.AssertionError)
  })
}

const catalogDifferences: Readonly<Record<string, string>> = {
  'a default': `alter table t alter v set default 'x'`,
  'not null': 'alter table twins alter v set not null',
  'an index': 'create index on twins (v)',
  'a constraint': 'alter table twins add check (v > 0)',
  'a view': 'create or replace view w as select id from t where id > 0',
  'a function': `create function f() returns int language sql as 'select 1'`,
  'a privilege': 'grant select on t to public',
  'an enum label': `create type e as enum ('a')`,
  'a comment': `comment on column t.v is 'x'`,
  'a privilege on a column': 'grant select (v) on t to public',
  'a privilege on a function':
    'create function g() returns int language sql return 1; revoke execute on function g from public',
  'row security': 'alter table t enable row level security',
  'a policy': 'create policy p on t using (id > 0)',
  'a rule': 'create rule r as on insert to twins do nothing',
  'the step of a sequence': 'create sequence s increment 2',
  'the owner of a sequence': 'create sequence s; alter sequence s owned by t.id',
  'a setting of a table': 'alter table t set (fillfactor = 70)',
  'the storage of a column': 'alter table t alter v set storage external',
  'a generated column': 'alter table twins add g int generated always as (v + 1) stored',
  'a constraint that is not enforced': 'alter table twins add constraint c check (v > 0) not enforced',
  'a domain': 'create domain d as int not null',
  'a trigger that is off':
    'create trigger n before update on t for each row execute function suppress_redundant_updates_trigger(); alter table t disable trigger n',
  statistics: 'create statistics s on id, v from t',
  'default privileges': 'alter default privileges grant select on tables to public',
  'a privilege on a schema': 'grant create on schema public to public',
}
for (const [difference, statement] of Object.entries(catalogDifferences)) {
  test(`seen in the catalogs: ${difference}`, async () => {
    await inDatabase('d2', statement)
    await assert.rejects(assertSameCatalogs(pair, 300), assert.AssertionError)
  })
}

test('a node that is behind is not called equal', async () => {
  const behind: Comparable = {
    ...pair,
    status: async () => (await pair.status()).map((node, index) => ({ ...node, position: 5 + index })),
  }
  await assert.rejects(assertAllEqual(behind, 300), /serve at the same position/)
})
