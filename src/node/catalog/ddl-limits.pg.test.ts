/** What DDL is refused, and no more than that: by what it does, not by what its text looks like. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { agentSecret, carry, journaled, startPair, transact, type TestNode, type TestPair } from './catalog-testing.ts'

let pair: TestPair
let home: TestNode
let other: TestNode

before(async () => {
  pair = await startPair()
  ;[home, other] = pair.nodes
})
after(() => pair.close())

/** Runs statements at home and their record at the other node. */
const everywhere = async (...statements: string[]): Promise<void> =>
  carry(home, await transact(home.user, statements), other)

const refused = (statement: string, message: RegExp): Promise<void> =>
  assert.rejects(transact(home.user, [statement]), { code: '0A000', message })

const answer = async (node: TestNode, sql: string): Promise<unknown> =>
  (await node.agent.query<{ answer: unknown }>(`SELECT (${sql}) AS answer`)).rows[0]?.answer

test('text search parsers and templates, access methods and transforms travel', async () => {
  await everywhere(
    'CREATE TEXT SEARCH TEMPLATE lower_only (INIT = dsimple_init, LEXIZE = dsimple_lexize)',
    `CREATE TEXT SEARCH PARSER words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)`,
    'ALTER TEXT SEARCH PARSER words RENAME TO parts',
    'CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = lower_only)',
    'CREATE ACCESS METHOD second_heap TYPE TABLE HANDLER heap_tableam_handler',
    'CREATE ACCESS METHOD tree TYPE INDEX HANDLER bthandler',
    'CREATE TABLE kept (a int PRIMARY KEY) USING second_heap',
    'CREATE FUNCTION from_sql(internal) RETURNS internal LANGUAGE internal STRICT IMMUTABLE AS $$prsd_lextype$$',
    'CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION from_sql(internal))',
  )
  const made = `(SELECT count(*)::int FROM pg_ts_parser WHERE prsname = 'parts') + (SELECT count(*)::int FROM pg_ts_dict WHERE dictname = 'plain')
    + (SELECT count(*)::int FROM pg_am WHERE amname IN ('second_heap', 'tree')) + (SELECT count(*)::int FROM pg_transform)`
  for (const node of [home, other]) assert.equal(await answer(node, made), 5)
  await everywhere(
    'DROP TABLE kept',
    'DROP ACCESS METHOD second_heap',
    'DROP ACCESS METHOD tree',
    'DROP TRANSFORM FOR int LANGUAGE sql',
    'DROP TEXT SEARCH DICTIONARY plain',
    'DROP TEXT SEARCH TEMPLATE lower_only',
    'DROP TEXT SEARCH PARSER parts',
  )
  for (const node of [home, other]) assert.equal(await answer(node, made), 0)
})

test('tables of another kind than heap are refused: nobody knows whether their rows are decoded', async () => {
  await everywhere(
    `CREATE FUNCTION odd(internal) RETURNS table_am_handler LANGUAGE internal STRICT AS 'spghandler'`,
    `CREATE FUNCTION even(internal) RETURNS table_am_handler LANGUAGE internal STRICT AS 'heap_tableam_handler'`,
  )
  await refused('CREATE ACCESS METHOD other TYPE TABLE HANDLER odd', /other than heap/)
  await everywhere('CREATE ACCESS METHOD other TYPE TABLE HANDLER even', 'DROP ACCESS METHOD other')
})

test('ALTER TYPE is refused for a volatile cast that it may call, with or without USING, and for no other', async () => {
  await everywhere(
    `CREATE TYPE dice AS (n float8)`,
    `CREATE FUNCTION throw(int) RETURNS dice LANGUAGE sql AS 'SELECT row(random())::dice'`,
    'CREATE CAST (int AS dice) WITH FUNCTION throw(int) AS ASSIGNMENT',
    'CREATE DOMAIN die AS dice',
    'CREATE TABLE thrown (a int, b text)',
  )
  for (const node of [home, other]) await node.agent.query(`INSERT INTO public.thrown VALUES (1, '2')`)
  const message = /ALTER TYPE would store values in table "public.thrown" that differ from node to node/
  await refused('ALTER TABLE thrown ALTER a TYPE dice', message)
  await refused('ALTER TABLE thrown ALTER a TYPE die', message)
  await refused('ALTER TABLE thrown ALTER a TYPE dice USING a', message)
  await refused('ALTER TABLE thrown ALTER b TYPE float8 USING ((a + 1)::Dice).n', message)
  await refused('ALTER TABLE thrown ALTER b TYPE float8 USING random()', message)
  await everywhere(
    'ALTER TABLE thrown ALTER b TYPE int USING b::int',
    'ALTER TABLE thrown ALTER a TYPE boolean USING CASE WHEN a % 2 = 0 THEN true ELSE false END',
  )
  await everywhere('DROP TABLE thrown', 'DROP TYPE dice CASCADE')
})

test('what ALTER TYPE computed is compared: a text that means another moment at each node is no silent difference', async () => {
  const alter = `ALTER TABLE app_log ALTER at TYPE timestamptz USING at::timestamptz, ALTER n TYPE float8`
  await everywhere(
    'CREATE TABLE app_log (id int PRIMARY KEY, at text, n numeric) PARTITION BY RANGE (id)',
    'CREATE TABLE app_log_1 PARTITION OF app_log FOR VALUES FROM (0) TO (10)',
  )
  for (const node of [home, other])
    await node.agent.query(
      `INSERT INTO public.app_log VALUES (1, '2020-01-01', 0.1), (2, NULL, 'NaN'), (3, 'today', 1e30)`,
    )
  const compared = await transact(home.user, [`SET TimeZone = 'Asia/Tokyo'`, alter])
  assert.equal((await journaled(home, compared)).length, 3)
  await carry(home, compared, other)
  for (const node of [home, other]) {
    await node.agent.query('DROP TABLE public.app_log')
    await node.agent.query(
      'CREATE TABLE public.app_log (id int PRIMARY KEY, at text, n numeric); SELECT allwrite.settle()',
    )
    await node.agent.query(`INSERT INTO public.app_log VALUES (1, 'now', 1)`)
  }
  const differs = carry(home, await transact(home.user, [alter]), other)
  await assert.rejects(differs, {
    code: 'XX001',
    message: /ALTER TYPE has given column "at" of public.app_log other values/,
  })
})

test('a generated column may show its table’s OID, but not store it: the apply worker has none, and each node another', async () => {
  const message = /generated column shown\.b that stores what depends on tableoid/
  await refused(
    `CREATE TABLE shown (a int PRIMARY KEY, b bool GENERATED ALWAYS AS (tableoid = 'pg_class'::regclass) STORED)`,
    message,
  )
  await everywhere('CREATE TABLE shown (a int PRIMARY KEY)')
  await refused('ALTER TABLE shown ADD b oid GENERATED ALWAYS AS (tableoid) STORED', message)
  await everywhere(
    'ALTER TABLE shown ADD b oid GENERATED ALWAYS AS (tableoid) VIRTUAL',
    'CREATE TEMP TABLE mine (b oid GENERATED ALWAYS AS (tableoid) STORED)',
    'DROP TABLE shown, mine',
  ).catch((thrown: unknown) => assert.match(String(thrown), /temporary and permanent/))
})

test('a schema’s name may hold the word, and a remark may name the cluster’s schema', async () => {
  await everywhere('CREATE SCHEMA "my allwrite"', 'CREATE SCHEMA allwrite_app', 'CREATE SCHEMA x')
  await refused('DROP SCHEMA allwrite CASCADE', /schema allwrite belongs to the cluster/)
  await refused('DROP SCHEMA IF EXISTS x, "my allwrite", ALLWRITE CASCADE', /schema allwrite belongs to the cluster/)
  await refused('ALTER SCHEMA "allwrite" RENAME TO x', /schema allwrite belongs to the cluster/)
  const xid = await transact(home.user, [
    'ALTER SCHEMA x RENAME TO y -- not schema allwrite',
    'DROP SCHEMA "my allwrite", allwrite_app, y',
  ])
  assert.equal((await journaled(home, xid)).length, 2)
  await carry(home, xid, other)
})

test('a WITH HOLD cursor may stand beside temporary tables, not beside what runs code', async () => {
  const hold = async (...before: string[]): Promise<unknown> => {
    await home.bob.query('DISCARD ALL')
    for (const sql of [...before, 'BEGIN', 'DECLARE held CURSOR WITH HOLD FOR SELECT 1']) await home.bob.query(sql)
    try {
      const { rows } = await home.bob.query<{ xid: string | null }>(
        `SELECT allwrite.capture_locking('${agentSecret}', 'nonce', '0/0') AS xid`,
      )
      await home.bob.query('COMMIT')
      return rows[0]?.xid
    } catch (thrown) {
      await home.bob.query('ROLLBACK')
      return (thrown as Error).message
    }
  }
  assert.equal(await hold(), null)
  assert.equal(await hold('CREATE TEMP TABLE t (a serial PRIMARY KEY, b text)', 'CREATE INDEX ON t (b)'), null)
  const refusal = 'a WITH HOLD cursor of a session with temporary views, domains or functions is not supported'
  assert.equal(await hold('CREATE TEMP VIEW v AS SELECT 1'), refusal)
  assert.equal(await hold('CREATE TEMP TABLE t ()', 'CREATE DOMAIN pg_temp.d AS int'), refusal)
  assert.equal(await hold('CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$'), refusal)
})

test('temporary tables are changed as one likes, and nothing of it is journaled', async () => {
  const xid = await transact(home.user, [
    'CREATE TEMP TABLE parent (a int, b int DEFAULT 1 CHECK (b > 0))',
    'CREATE TEMP TABLE child () INHERITS (parent)',
    'CREATE INDEX ON parent (a)',
    'CREATE TEMP VIEW shown AS SELECT a FROM parent',
  ])
  assert.deepEqual(await journaled(home, xid), [])
  const changed = await transact(home.user, ['ALTER TABLE parent ALTER b TYPE bigint'])
  assert.deepEqual(await journaled(home, changed), [])
  const drops = [
    'DROP VIEW shown',
    'ALTER TABLE parent ALTER a TYPE text USING a || random()::text',
    'DROP TABLE parent CASCADE',
  ]
  assert.deepEqual(await journaled(home, await transact(home.user, drops)), [])
})
