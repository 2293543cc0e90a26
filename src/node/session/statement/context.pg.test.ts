import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { initDatabase, locateBinaries, runtimeDir, startPostgres } from '../../../postgres/index.ts'
import type { PostgresServer } from '../../../postgres/index.ts'
import { testFolder } from '../../../postgres/test-folder.ts'
import { createStatementClassifier } from './classifier.ts'
import { loadHarmlessContext } from './context.ts'
import { loadParser } from './parser.ts'
import { scramVerifier } from './scram.ts'

const folder = testFolder()
const runtime = runtimeDir(folder.path)
const password = 'not a secret'
let server: PostgresServer
let client: Client

before(async () => {
  await loadParser()
  const binaries = await locateBinaries()
  const dataDir = join(folder.path, 'pgdata')
  await initDatabase({ binaries, dataDir, password, fsync: false })
  const socketDir = mkdtempSync(join(runtime, 's'))
  server = await startPostgres({
    binaries,
    dataDir,
    socketDir,
    port: 5432,
    settings: { fsync: 'off' },
    logFile: join(folder.path, 'log'),
  })
  client = await connect('allwrite', password)
})

after(async () => {
  await client.end()
  await server.stop('fast')
  folder[Symbol.dispose]()
  rmSync(runtime, { recursive: true, force: true })
})

async function connect(user: string, secret: string): Promise<Client> {
  const made = new Client({ host: server.socketDir, port: 5432, user, password: secret, database: 'postgres' })
  await made.connect()
  return made
}

async function rows(sql: string): Promise<(string | null)[][]> {
  return (await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })).rows
}

async function kinds(texts: readonly string[]): Promise<Record<string, string | undefined>> {
  const classifier = createStatementClassifier({ harmless: await loadHarmlessContext(rows), cacheBytesMax: 1 << 20 })
  return Object.fromEntries(texts.map((text) => [text, classifier.classify(text).statements[0]?.kind]))
}

function expecting(kind: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => [text, kind]))
}

test('the catalog decides: built-in code on plain tables is harmless, everything that may run a user’s is not', async () => {
  await client.query(`
    create table plain (id int primary key, a text, "row" int);
    create table parts (id int) partition by range (id);
    create table guarded (id int); alter table guarded enable row level security; create policy p on guarded using (true);
    create view looks as select * from plain;
    create schema other; create view other.twice as select 1; create table twice (a int);
    create function f(int) returns int language sql as 'select 1'; create function whole(plain) returns int language sql as 'select 1';
    create function abs(text) returns int language sql as 'select 1';
    create domain dom as int check (f(value) > 0); create type mood as enum ('sad');
    create extension citext; create table words (w citext)`)
  const harmless = [
    'select * from plain where id = 1 and a like $1',
    'select count(*), sum(id), lower(a) from public.plain group by a',
    'select * from parts',
    'select w from words where w = $1::citext order by w',
    'select relname, pg_catalog.pg_get_userbyid(relowner) from pg_catalog.pg_class c',
    'select * from information_schema.tables',
    'select * from pg_stat_activity',
    "select 'sad'::mood, 1::numeric(10,2), now(), random(), current_setting('work_mem'), version()",
    "select extract(epoch from now()), substring('abc' from 2), position('a' in 'b'), trim(' x '), now() at time zone 'UTC'",
    'select generate_series(1, 3), string_agg(a, $1) from plain group by 1',
    'select * from public.twice x, plain',
  ]
  const writes = [
    'select * from looks',
    'select * from other.twice',
    'select * from twice',
    'select * from guarded',
    'select f(1)',
    'select plain.whole from plain',
    'select abs(id) from plain',
    'select 1::dom',
    'select 1::_dom',
    'select dom(1)',
    'select nextval($1)',
    'select txid_current()',
    'select pg_current_xact_id()',
    "select query_to_xml('select f(1)', true, true, '')",
    "select table_to_xml('looks', true, true, '')",
    "select ts_stat('select f(1)')",
    "select set_config('default_transaction_read_only', 'off', false)",
    'select lo_create(0)',
    'select pg_advisory_lock(1)',
    "select pg_notify('a', 'b')",
    "select pg_logical_emit_message(true, 'a', 'b')",
    "select pg_replication_origin_create('x')",
    'select * from absent',
  ]
  assert.deepEqual(await kinds([...harmless, ...writes]), {
    ...expecting('harmless', harmless),
    ...expecting('write', writes),
  })
  // What is called harmless here does run, takes no xid, and does so read-only.
  await client.query('begin read only')
  for (const text of harmless) await client.query(text, text.includes('$1') ? ['x'] : [])
  assert.deepEqual(await rows('select pg_current_xact_id_if_assigned() is null'), [[true]])
  await client.query('rollback')
})

test('operators and casts that run SQL code make nothing harmless', async () => {
  assert.deepEqual(await kinds(['select 1']), { 'select 1': 'harmless' })
  await client.query(
    'create function eq(int, text) returns bool language sql as $$ select true $$; create operator === (leftarg = int, rightarg = text, function = eq)',
  )
  assert.deepEqual(await kinds(['select 1']), { 'select 1': 'write' })
  await client.query('drop operator === (int, text)')
  await client.query(
    'create function c(mood) returns int language sql as $$ select 1 $$; create cast (mood as int) with function c(mood)',
  )
  assert.deepEqual(await kinds(['select 1']), { 'select 1': 'write' })
  await client.query('drop cast (mood as int)')
  assert.deepEqual(await kinds(['select 1']), { 'select 1': 'harmless' })
})

test('PostgreSQL’s own operators, casts and functional notation reach no volatile function: what the white list rests on', async () => {
  assert.deepEqual(
    await rows(`select p.proname from pg_operator o join pg_proc p on p.oid = o.oprcode where o.oid < 16384 and p.provolatile = 'v'
      union all select p.proname from pg_cast c join pg_proc p on p.oid = c.castfunc where c.oid < 16384 and p.provolatile = 'v'
      union all select p.proname from pg_proc p where p.oid < 16384 and p.provolatile = 'v' and p.prokind = 'f' and p.pronargs - p.pronargdefaults <= 1
        and p.pronargs > 0 and p.proname not like 'pg\\_%' and p.proargtypes[0] in (select oid from pg_type where typtype = 'p' and typname in ('record', 'any', 'anyelement', 'anycompatible', 'anynonarray', 'anycompatiblenonarray'))`),
    [],
  )
})

test('no system function that is called harmless takes SQL text or is known to write', async () => {
  const context = await loadHarmlessContext(rows)
  const names = (
    await rows(`select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace`)
  ).map(([name]) => name ?? '')
  const suspects = names.filter(
    (name) =>
      context.isNonVolatileBuiltin(name) &&
      /xml|^lo_|^pg_advisory|stat_reset|_create|_drop|notify|set_config|nextval|setval|emit|promote|reload|rotate|terminate|cancel|switch_wal|backup|snapshot|ts_stat|rewrite|import|export/.test(
        name,
      ),
  )
  const reading =
    /^(xml|xpath|pg_snapshot|txid_snapshot|txid_current_snapshot|txid_visible|pg_current_snapshot|pg_visible_in_snapshot|pg_safe_snapshot|pg_stat_get_|pg_event_trigger)/
  assert.deepEqual(
    suspects.filter((name) => !reading.test(name)),
    [],
  )
})

test('our verifier is the one the server makes of the same password and salt', async () => {
  for (const secret of [
    'pencil',
    'p$&',
    'pässwörd ½ ﬁ',
    'a\u00ad\u00a0b',
    'пароль',
    '密码',
    'e\u0301',
    'x\u0007ﬁ',
    '😀',
    'שלום',
  ]) {
    await client.query(`create role scrammed password '${secret}'`)
    const [[stored]] = (await rows("select rolpassword from pg_authid where rolname = 'scrammed'")) as [[string]]
    await client.query('drop role scrammed')
    const salt = Buffer.from(/:([^$]+)\$/.exec(stored)?.[1] ?? '', 'base64')
    assert.equal(scramVerifier(secret, salt), stored, JSON.stringify(secret))
  }
})

test('a role with a rewritten password logs in with the plaintext', async () => {
  const classifier = createStatementClassifier({ harmless: await loadHarmlessContext(rows), cacheBytesMax: 1 << 16 })
  const [statement] = classifier.classify("create role scrammed login password 'it''s $1'").statements
  assert.ok(statement?.kind === 'journaled' && !statement.text.includes("it''s"))
  await client.query(statement.text)
  await (await connect('scrammed', "it's $1")).end()
  await client.query('drop role scrammed')
})

test('plain to write to are tables without code, also where the write goes on', async () => {
  // A domain of an earlier test, which runs a user function wherever it may be used.
  await client.query('drop domain dom cascade')
  await client.query(`
    create schema targets; set search_path = targets;
    create function code() returns int language sql as 'select 1';
    create function fired() returns trigger language plpgsql as 'begin return new; end';
    create domain checked as int check (value > 0);
    create table plain (id int primary key, n int default 1 check (n > 0), at timestamptz default now(), d checked);
    create table referenced (id int primary key);
    create table refers (id int primary key references referenced);
    create table triggered (id int primary key);
    create trigger fired before insert on triggered for each row execute function fired();
    create table above_trigger (id int primary key);
    create table cascades (id int references above_trigger on delete cascade);
    create trigger fired before delete on cascades for each row execute function fired();
    create table far_above (id int primary key);
    alter table above_trigger add foreign key (id) references far_above on update cascade;
    create table restricts (id int primary key);
    create table restricted (id int references restricts);
    create trigger fired before delete on restricted for each row execute function fired();
    create table root (id int) partition by range (id);
    create table leaf partition of root for values from (0) to (9);
    create trigger fired before insert on leaf for each row execute function fired();
    create table defaulting (id int default code());
    create table checking (id int check (id > code()));
    create table running (id text default query_to_xml('select 1', true, true, ''));
    create table ruled (id int);
    create rule r as on insert to ruled do also select 1;
    create table secured (id int);
    alter table secured enable row level security;
    create view seen as select * from plain;
    reset search_path`)
  const context = await loadHarmlessContext(rows)
  const named = await rows(
    `select relname from pg_class where relnamespace = 'targets'::regnamespace and relkind in ('r', 'p', 'v')`,
  )
  const plain = named.flatMap(([name]) => (name != null && context.isPlainTarget('targets', name) ? [name] : [])).sort()
  assert.deepEqual(plain, ['plain', 'referenced', 'refers', 'restricts'])
  assert.equal(context.isPlainTarget(undefined, 'restricts'), true)
  await client.query(`create schema hiding; create view hiding.restricts as select 1`)
  assert.equal((await loadHarmlessContext(rows)).isPlainTarget(undefined, 'restricts'), false)
  await client.query('alter domain targets.checked add check (value > targets.code())')
  assert.equal((await loadHarmlessContext(rows)).isPlainTarget('targets', 'plain'), false)
  await client.query('drop schema targets, hiding cascade')
})

test('statements called journaled fire no event trigger; DROP OWNED does', async () => {
  await client.query(`
    create table fired (tag text);
    create function note() returns event_trigger language plpgsql as $$ begin insert into fired values (tg_tag); end $$;
    create role a; create role b;
    create event trigger e on ddl_command_end execute function note()`)
  for (const text of [
    'alter role a nologin',
    'grant a to b',
    'alter role a set work_mem = 64',
    'comment on role a is $$x$$',
    'grant connect on database postgres to a',
    'revoke connect on database postgres from a',
    'grant set on parameter work_mem to a',
    'revoke set on parameter work_mem from a',
    'comment on database postgres is $$x$$',
    'reassign owned by a to b',
    'alter role b rename to bb',
  ])
    await client.query(text)
  assert.deepEqual(await rows('select * from fired'), [])
  await client.query('drop owned by a')
  const fired = await rows('select * from fired')
  await client.query('drop event trigger e; drop role a, bb')
  assert.deepEqual(fired, [['DROP OWNED']])
})
