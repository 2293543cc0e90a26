/** Changes out: publications and replication slots of the user, read at a node (ADR 36). */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import type pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { assertAllEqual, assertSameCatalogs, whenQuiescent } from '#testing/equality.ts'
import { outcomeOf } from '#testing/errors.ts'
import { changesOf, connectReplication, type ReplicationClient } from '#testing/replication-client.ts'
import { until } from '#testing/wait.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster({ args: ['--slot-wal', '16MB'] })

const role = { user: 'reader', password: 'word' }
const streamOf = (slot: string, publication: string, more = '', from = '0/0'): string =>
  `START_REPLICATION SLOT ${slot} LOGICAL ${from} (proto_version '1', publication_names '${publication}'${more})`

const connect = (number: number, login: { user?: string; password?: string; options?: string } = role) =>
  connectReplication(bench.cluster().urlOf(number), login)

const exec = async (number: number, ...statements: string[]): Promise<void> => {
  const client = await bench.on(number)
  for (const statement of statements) await client.query(statement)
}

const lsnText = (lsn: bigint): string => `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`

/** How far the client of slot `feed` has read. */
let seen = '0/0'

/** First columns of the rows that were inserted into a table. */
const inserted = ({ payloads }: ReplicationClient, table: string): (string | null | undefined)[] =>
  changesOf(payloads)
    .filter((change) => change.kind === 'I' && change.table === `public.${table}`)
    .map(({ values }) => values[0])

const insertMany = async (number: number, table: string, from: number, count: number): Promise<void> => {
  const client: pg.Client = await bench.on(number)
  for (let i = 0; i < count; i++) await client.query(`insert into ${table} values ($1, $2)`, [from + i, `n${number}`])
}

test('publications are made, changed and dropped on any node', { skip }, async () => {
  await bench.setUp(
    'create table pub_a (id int primary key, v text)',
    'create table pub_b (id int primary key, v text)',
  )
  const steps: readonly [number, string][] = [
    [1, `create publication pub for table pub_a where (id > 0)`],
    [2, 'alter publication pub add table pub_b (id)'],
    [3, 'alter publication pub drop table pub_a'],
    [4, `alter publication pub set (publish = 'insert, update')`],
    [1, 'alter publication pub rename to pub_renamed'],
    [2, 'create publication pub_schema for tables in schema public'],
    [3, 'alter publication pub_renamed set table pub_a, pub_b'],
    [4, `comment on publication pub_renamed is 'of a test'`],
    [1, 'do $$ begin create publication pub_inner for all tables; end $$'],
    [2, 'drop publication pub_schema, pub_inner'],
  ]
  for (const [number, statement] of steps) {
    await exec(number, statement)
    await whenQuiescent(bench.cluster())
  }
  await assertSameCatalogs(bench.cluster())
  // Of a table whose old rows are published as a whole PostgreSQL refuses the next UPDATE instead.
  await exec(1, 'alter publication pub_renamed set table pub_a (id)')
  const client = await bench.on(3)
  assert.equal(await outcomeOf(client.query('create unique index on pub_a (v)')), '0A000')
  assert.equal(await outcomeOf(client.query('create publication pub_own for table allwrite.sequence')), '0A000')
  await client.query(
    'begin; savepoint s; create publication pub_gone; rollback to s; insert into pub_a values (1); commit',
  )
  await exec(3, 'update pub_a set v = 1', 'drop publication pub_renamed')
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
})

test('a client of one node is shown each row that was written anywhere, once', { skip }, async () => {
  await bench.setUp(
    `create role reader replication login password 'word'`,
    'create table feed (id int primary key, v text)',
    'grant select on feed to reader',
    'create publication feed_all for all tables',
  )
  await using cdc = await connect(1)
  assert.match((await cdc.query('IDENTIFY_SYSTEM'))[0]?.['dbname'] ?? '', /^postgres$/)
  await cdc.query('CREATE_REPLICATION_SLOT feed LOGICAL pgoutput NOEXPORT_SNAPSHOT')
  await Promise.all([1, 2, 3, 4].map((number) => insertMany(number, 'feed', number * 1000, 25)))
  await exec(2, 'alter table feed add column w int default 7', `insert into feed values (5000, 'wide', 8)`)
  await exec(3, `alter role reader connection limit 20`, 'begin; insert into feed values (6000); rollback')
  await exec(4, `insert into feed values (5001, 'last')`)
  cdc.start(streamOf('feed', 'feed_all', `, messages 'true'`))
  await cdc.until('the last row', () => inserted(cdc, 'feed').includes('5001'))
  const ids = inserted(cdc, 'feed').map(Number)
  assert.equal(new Set(ids).size, ids.length, 'none twice')
  assert.equal(ids.length, 4 * 25 + 2)
  for (const number of [1, 2, 3, 4]) {
    const own = ids.filter((id) => Math.floor(id / 1000) === number)
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
      `in the order of n${number}`,
    )
  }
  assert.deepEqual(changesOf(cdc.payloads).find(({ values }) => values[0] === '5000')?.values, ['5000', 'wide', '8'])
  const tables = new Set(changesOf(cdc.payloads).map(({ table }) => table))
  assert.deepEqual([...tables], ['public.feed'], 'nothing of the agent’s')
  assert.ok(!cdc.payloads.some((payload) => payload.includes('allwrite')), 'no message of the agent’s')
  cdc.confirm(cdc.lsn)
  seen = lsnText(cdc.lsn)
  await until('the slot moved', async () => {
    const { rows } = await (
      await bench.on(1)
    ).query<{ moved: boolean }>(
      `select confirmed_flush_lsn >= $1::pg_lsn as moved from pg_replication_slots where slot_name = 'feed'`,
      [seen],
    )
    return rows[0]?.moved
  })
})

test('a slot outlives the death of its node, and shows what was written meanwhile', { skip }, async () => {
  await bench.cluster().command(['kill', 'n1'])
  await exec(2, `insert into feed values (7000, 'while it was dead')`)
  await bench.cluster().command(['start', 'n1'])
  await bench.serving()
  await exec(1, `insert into feed values (7001, 'behind')`)
  await using cdc = await connect(1)
  // The server writes down what was confirmed when it likes: after a crash a client says how far it is, as everywhere.
  cdc.start(streamOf('feed', 'feed_all', '', seen))
  await cdc.until('both rows', () => inserted(cdc, 'feed').includes('7001'))
  assert.deepEqual(inserted(cdc, 'feed'), ['7000', '7001'])
})

test('a replication connection reaches nothing that is the agent’s, and writes nothing', { skip }, async () => {
  const refused: readonly [string, string][] = [
    ['START_REPLICATION SLOT allwrite LOGICAL 0/0', '42501'],
    [streamOf('feed', '"allwrite"'), '42501'],
    ['DROP_REPLICATION_SLOT allwrite', '42501'],
    ['DROP_REPLICATION_SLOT "allwrite_16384"', '42501'],
    ['CREATE_REPLICATION_SLOT allwrite LOGICAL pgoutput', '42501'],
    ['CREATE_REPLICATION_SLOT p PHYSICAL', '0A000'],
    ['START_REPLICATION 0/0 TIMELINE 1', '0A000'],
    ['START_REPLICATION SLOT feed PHYSICAL 0/0', '0A000'],
    [`BASE_BACKUP (LABEL 'x')`, '0A000'],
    ['UPLOAD_MANIFEST', '0A000'],
    [`insert into feed values (1)`, '0A000'],
    ['begin read write; insert into feed values (1); commit', '0A000'],
    [`set default_transaction_read_only = off`, '0A000'],
    ['do $$ begin end $$', '0A000'],
    [`select set_config('role', 'postgres', false)`, '0A000'],
    [`select pg_drop_replication_slot('feed')`, '0A000'],
    ['create table here_only ()', '0A000'],
    ['select * from allwrite.ddl', '42501'],
    ['copy feed from stdin', '0A000'],
    ['IDENTIFY_SYSTEM nonsense', '42601'],
    ['READ_REPLICATION_SLOT feed', '0A000'],
  ]
  await using cdc = await connect(1)
  for (const [command, sqlState] of refused) assert.equal(await outcomeOf(cdc.query(command)), sqlState, command)
  const superuser = await connect(1, {})
  try {
    for (const [command, sqlState] of refused) {
      if (sqlState !== '42501' || !/select/.test(command))
        assert.equal(await outcomeOf(superuser.query(command)), sqlState, `as superuser: ${command}`)
    }
  } finally {
    await superuser[Symbol.asyncDispose]()
  }
  // What a subscriber does besides: its first statement, and the copy of what is there.
  await cdc.query(`SELECT pg_catalog.set_config('search_path', '', false);`)
  assert.equal((await cdc.query('SHOW wal_level'))[0]?.['wal_level'], 'logical')
  await cdc.query('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ')
  await cdc.query(`CREATE_REPLICATION_SLOT passing TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')`)
  assert.equal((await cdc.query('SELECT count(*) FROM public.feed'))[0]?.['count'], '104')
  await cdc.query('COMMIT')
  await exec(1, `create role bare login password 'word'`)
  assert.equal(await outcomeOf(connect(1, { user: 'bare', password: 'word' })), '42501')
  assert.equal(await outcomeOf(connect(1, { ...role, options: '-c session_replication_role=replica' })), '0A000')
  assert.equal(
    await outcomeOf(
      (await bench.on(1)).query(
        "select * from pg_subscription where false; create subscription s connection '' publication p",
      ),
    ),
    '0A000',
  )
})

test('slots by SQL functions; test_decoding shows nothing of the agent’s', { skip }, async () => {
  const client = await bench.on(2)
  await client.query(`select pg_create_logical_replication_slot('by_sql', 'test_decoding')`)
  await exec(3, `insert into feed values (8000, 'by n3')`)
  await assertAllEqual(bench.cluster())
  const { rows } = await client.query<{ data: string }>(
    `select data from pg_logical_slot_get_changes('by_sql', null, null) where data like '%8000%'`,
  )
  assert.equal(rows.length, 1)
  await exec(2, `insert into feed values (8001, 'by n2')`)
  await using cdc = await connect(2)
  cdc.start('START_REPLICATION SLOT by_sql LOGICAL 0/0')
  const texts = (): string[] => cdc.payloads.map(String)
  await cdc.until('the row', () => texts().some((line) => line.includes('8001')))
  assert.deepEqual(
    texts().filter((line) => line.includes('allwrite')),
    [],
  )
})

test(
  'a slot whose client is dead is dropped before it fills the disk, and one with the agent’s name at once',
  { skip },
  async () => {
    const client = await bench.on(2)
    await client.query(`select pg_create_physical_replication_slot('allwrite_77', true)`)
    await client.query(`select pg_create_logical_replication_slot('dead', 'pgoutput')`)
    for (let i = 0; i < 20; i++)
      await client.query(`select pg_logical_emit_message(false, 'fill', repeat('x', 1000000), true)`)
    await until('the slots are gone', async () => {
      const { rows } = await client.query(
        `select from pg_replication_slots where slot_name in ('dead', 'allwrite_77', 'by_sql')`,
      )
      return rows.length === 0
    })
    await using cdc = await connect(2)
    cdc.start(streamOf('dead', 'feed_all'))
    assert.match((await cdc.ended).message, /replication slot "dead" does not exist/)
    await exec(2, `insert into feed values (8002, 'the node goes on')`)
  },
)

test('a node that is made anew has lost its slots, and says so', { skip }, async () => {
  const { dataDir } = bench.cluster().nodes[1] ?? { dataDir: '' }
  await exec(2, `select pg_create_logical_replication_slot('lost', 'pgoutput')`)
  await bench.cluster().command(['kill', 'n2'])
  rmSync(dataDir, { recursive: true, force: true })
  await bench.cluster().command(['start', 'n2'])
  await bench.serving()
  await using cdc = await connect(2)
  cdc.start(streamOf('lost', 'feed_all'))
  assert.match((await cdc.ended).message, /replication slot "lost" does not exist/)
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
})
