/** Foreign tables and their servers, settings of the database, languages: the catalogs are the same everywhere, foreign rows are nobody's. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { startPlainServer } from '#testing/plain-server.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

const roundRobin = async (statements: readonly string[]): Promise<void> => {
  for (const [index, statement] of statements.entries()) {
    const client = await bench.on(1 + (index % 4))
    await client.query(statement).catch((error: unknown) => {
      throw new Error(`${statement}: ${fieldsOf(error).message}`, { cause: error })
    })
    await assertAllEqual(bench.cluster())
  }
  await assertSameCatalogs(bench.cluster())
}

const definitions = `(select string_agg(line, ' ' order by line) from (
  select concat(fdwname, fdwoptions, fdwacl) as line from pg_foreign_data_wrapper
  union all select concat(srvname, srvoptions, srvacl) from pg_foreign_server
  union all select concat(srvname, usename, umoptions) from pg_user_mappings
  union all select concat(ftrelid::regclass, ftoptions) from pg_foreign_table) lines)`

/** Whether a text stands in any log of the cluster: what the agents and the servers wrote. */
const isLogged = (needle: string): boolean => {
  const { dir } = bench.cluster()
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(^|\/)[^/]*log[^/]*$/.test(name) && !name.includes('pg_'))
    .some((name) => {
      try {
        return readFileSync(join(dir, name), 'utf8').includes(needle)
      } catch {
        return false
      }
    })
}

test('foreign tables reach one foreign server from every node; their rows are not replicated', { skip }, async () => {
  await using foreign = await startPlainServer()
  const url = new URL(foreign.url)
  await roundRobin([
    'create extension postgres_fdw',
    `create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${url.port}', dbname 'postgres')`,
    `create user mapping for postgres server far options (user 'postgres', password 'very-secret-word')`,
    `alter user mapping for postgres server far options (set password 'other-secret-word')`,
    'create table here (id int primary key, v text)',
    'create foreign table there (id int, v text) server far',
    `alter foreign table there add column w int`,
    `alter foreign table there drop column w`,
    `comment on server far is 'far away'`,
    `grant usage on foreign server far to public`,
  ])
  await bench.everywhere(definitions)
  const direct = new pg.Client({ connectionString: foreign.url })
  await direct.connect()
  await direct.query('create table there (id int primary key, v text)')
  await (await bench.on(2)).query(`insert into there values (1, 'by n2')`)
  await (
    await bench.on(3)
  ).query(`begin; insert into there values (2, 'by n3'); insert into here values (2, 'by n3'); commit`)
  assert.equal(await bench.everywhere('select count(*) from there'), '2')
  await (await bench.on(4)).query('insert into here select id + 10, v from there')
  assert.equal(await bench.everywhere('select count(*) from here'), '3')
  assert.equal(
    await outcomeOf((await bench.on(1)).query('create materialized view no as select * from there')),
    '0A000',
  )
  await (await bench.on(1)).query('begin; insert into there values (3); rollback')
  assert.deepEqual((await direct.query('select count(*)::int as n from there')).rows, [{ n: 2 }])
  await direct.end()
  assert.equal(isLogged('caught up'), true, 'the logs were found')
  assert.equal(isLogged('secret-word'), false, 'passwords of user mappings are in no log')
  await roundRobin(['drop foreign table there', 'drop user mapping for postgres server far', 'drop server far'])
})

test('what leads around the agent, or asks a foreign server per node, is refused', { skip }, async () => {
  const client = await bench.on(2)
  await bench.setUp('create foreign data wrapper dummy')
  for (const statement of [
    `create server own foreign data wrapper dummy options (host '/tmp')`,
    `create server own foreign data wrapper dummy options (host 'a,/tmp')`,
    `create server own foreign data wrapper dummy options (service 'x')`,
    `do $$ begin create server own foreign data wrapper dummy options (host '@x'); end $$`,
    'import foreign schema public from server own into public',
    `do $$ begin import foreign schema public from server own into public; end $$`,
  ])
    assert.equal(await outcomeOf(client.query(statement)), '0A000', statement)
  await bench.setUp('drop foreign data wrapper dummy')
  await bench.everywhere(definitions)
})

test('settings of the database hold for new sessions of every node, and not for the agent’s', { skip }, async () => {
  await bench.setUp(
    `alter database postgres set work_mem = '7MB'`,
    `alter database postgres set datestyle = 'German'`,
    `alter database postgres set bytea_output = 'escape'`,
    `alter database postgres set search_path = 'nowhere', public`,
    `alter database postgres set app.word = 'hello'`,
  )
  assert.equal(await bench.everywhere(`select current_setting('work_mem') || current_setting('app.word')`), '7MBhello')
  await bench.setUp(
    'create table public.dated (id int primary key, at date, raw bytea, f float8)',
    String.raw`insert into public.dated values (1, '2026-02-03', '\x00ff', 0.1 + 0.2)`,
    `alter table public.dated add column added timestamptz default now()`,
  )
  await bench.serving()
  await assertAllEqual(bench.cluster())
  for (const statement of [
    `alter database postgres set role = 'postgres'`,
    `alter database postgres set synchronous_commit = off`,
    `alter database postgres set session_replication_role = 'replica'`,
    `alter database postgres set work_mem from current`,
  ])
    assert.equal(await outcomeOf((await bench.on(3)).query(statement)), '0A000', statement)
  await bench.setUp('alter database postgres reset all')
  assert.equal(await bench.everywhere('select count(*) from pg_db_role_setting where setrole = 0'), '0')
})

test('languages, collation versions and security labels', { skip }, async () => {
  await roundRobin([
    'create language spoken handler plpgsql_call_handler',
    'alter language spoken rename to written',
    `comment on language written is 'x'`,
    'drop language written',
    `create collation mine (locale = 'C', provider = libc)`,
    'alter collation mine refresh version',
    'drop collation mine',
    'create table labelled (id int primary key)',
  ])
  const outcome = await outcomeOf((await bench.on(2)).query(`security label on table labelled is 'x'`))
  assert.equal(outcome, '22023', 'PostgreSQL says that there is no provider')
})
