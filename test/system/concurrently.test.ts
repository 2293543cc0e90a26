/** Indexes come, go and are built anew while all nodes write: each node builds its own, and none is left without. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { allServing } from '#testing/healed.ts'
import { loadTable, describeErrors, longestGap, startLoad } from '#testing/load.ts'
import { signal } from '#testing/processes.ts'
import { runFor, until } from '#testing/wait.ts'

/** Longest pause of a writer during a build, ms: the machine has other work. */
const gapMsMax = 3_000
/** So many that a build takes a while. */
const rows = 300_000

let cluster: Cluster
const clients = new Map<number, pg.Client>()
before(async () => {
  cluster = await startCluster({ nodes: 3 })
  for (const number of [1, 2, 3]) clients.set(number, await cluster.connect(number))
  await on(1).query(loadTable)
  await on(1).query('create table big (id int primary key, v int not null, t text not null)')
  await on(1).query(`insert into big select n, n % 1000, md5(n::text) from generate_series(1, ${rows}) n`)
  await assertAllEqual(cluster)
})
after(async () => {
  await Promise.all([...clients.values()].map((client) => client.end().catch(() => undefined)))
  await cluster?.[Symbol.asyncDispose]()
})

/** The open client of node `number`. */
const on = (number: number): pg.Client => {
  const client = clients.get(number)
  assert(client)
  return client
}

/** A client in place of one whose node was restarted. */
const again = async (number: number): Promise<pg.Client> => {
  await clients
    .get(number)
    ?.end()
    .catch(() => undefined)
  clients.set(number, await cluster.connect(number))
  return on(number)
}

/** `valid`, `invalid` or `none`. */
const stateAt = async (number: number, index: string): Promise<string> => {
  const found = await on(number).query<{ valid: boolean }>(
    'select i.indisvalid as valid from pg_class c join pg_index i on i.indexrelid = c.oid where c.relname = $1',
    [index],
  )
  const [row] = found.rows
  return row === undefined ? 'none' : row.valid ? 'valid' : 'invalid'
}

const everywhere = (index: string, wanted: string): Promise<unknown> =>
  until(
    `index ${index} is ${wanted} at all nodes`,
    async () => {
      const states = await Promise.all([1, 2, 3].map((number) => stateAt(number, index)))
      if (states.some((state) => state !== wanted)) throw new Error(states.join(', '))
      return true
    },
    { msMax: 60_000, everyMs: 50 },
  )

/** No index of a build, or of a drop, is left anywhere. */
const nothingLeft = (): Promise<unknown> =>
  until(
    'nothing is left to do at any node',
    async () => {
      for (const number of [1, 2, 3]) {
        const left = await on(number).query<{ name: string }>(
          `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
            where not i.indisvalid or c.relname ~ '^allwrite_dropped_|_cc(new|old)' union all select id::text from allwrite.concurrent`,
        )
        if (left.rows.length > 0) throw new Error(`n${number}: ${left.rows.map(({ name }) => name).join(', ')}`)
      }
      return true
    },
    { msMax: 60_000, everyMs: 100 },
  )

const equalEverywhere = async (): Promise<void> => {
  await nothingLeft()
  await assertAllEqual(cluster)
  await assertSameCatalogs(cluster)
}

test('CREATE, REINDEX and DROP INDEX CONCURRENTLY while all nodes write: no error, no long pause, the same everywhere', async (context) => {
  const load = startLoad(cluster.nodes.map(({ url }) => url))
  const begun = performance.now()
  const step = (what: string): void =>
    context.diagnostic(`${Math.round(performance.now() - begun)} ms: ${what}, ${load.acknowledged.length} rows`)
  try {
    await runFor(3000)
    step('written')
    await on(1).query('create index concurrently load_at on load (at)')
    assert.equal(await stateAt(1, 'load_at'), 'valid')
    step('assert.equal(await stateAt(1, load_at), valid)')
    await on(2).query('create index concurrently on big (v, t)')
    assert.equal(await stateAt(2, 'big_v_t_idx'), 'valid')
    step('assert.equal(await stateAt(2, big_v_t_idx), valid)')
    await everywhere('load_at', 'valid')
    step('await everywhere(load_at, valid)')
    await everywhere('big_v_t_idx', 'valid')
    step('await everywhere(big_v_t_idx, valid)')
    await on(3).query('reindex index concurrently load_at')
    await on(3).query('reindex table concurrently load')
    step('await on(3).query(reindex table concurrently load)')
    assert.equal(await stateAt(3, 'load_at'), 'valid')
    await on(2).query('drop index concurrently load_at')
    assert.equal(await stateAt(2, 'load_at'), 'none')
    await everywhere('load_at', 'none')
    step('await everywhere(load_at, none)')
    // The extended protocol's way.
    await on(1).query({ name: 'x', text: 'drop index concurrently if exists big_v_t_idx', values: [] })
    await everywhere('big_v_t_idx', 'none')
  } finally {
    await load.stop()
  }
  const gap = longestGap(load, [1, 2, 3], begun, performance.now())
  context.diagnostic(
    `${load.acknowledged.length} rows; longest gap ${Math.round(gap)} ms; errors: ${describeErrors(load)}`,
  )
  assert.equal(load.errors.size, 0, describeErrors(load))
  assert(gap < gapMsMax, `a writer paused for ${gap} ms`)
  await equalEverywhere()
})

test('inside a transaction block CONCURRENTLY is refused as PostgreSQL does', async () => {
  for (const statement of ['create index concurrently i on big (v)', 'drop index concurrently big_pkey']) {
    await on(1).query('begin')
    const error = await on(1)
      .query(statement)
      .then(
        () => assert.fail('it ran'),
        (thrown: unknown) => fieldsOf(thrown),
      )
    assert.equal(error.code, '25001')
    assert.match(error.message, /^(CREATE|DROP) INDEX CONCURRENTLY cannot run inside a transaction block$/)
    assert.equal(await outcomeOf(on(1).query(statement)), '25P02')
    await on(1).query('rollback')
    assert.equal(await outcomeOf(on(1).query(`select 1; ${statement}`)), '25001')
  }
})

test('errors are as PostgreSQL words them, and no node has what failed', async () => {
  await on(1).query('create index there on big (t)')
  await on(1).query('create role visitor')
  await on(1).query('create view seen as select * from big')
  const failing: readonly (readonly [statement: string, code: string, message: string])[] = [
    ['create index concurrently there on big (v)', '42P07', 'relation "there" already exists'],
    ['create index concurrently i on big (nothing)', '42703', 'column "nothing" does not exist'],
    ['create index concurrently i on nothing (v)', '42P01', 'relation "nothing" does not exist'],
    ['create index concurrently i on big ((1 / (v - 5)))', '22012', 'division by zero'],
    ['create index concurrently i on seen (v)', '42809', 'cannot create index on relation "seen"'],
    ['drop index concurrently nothing', '42704', 'index "nothing" does not exist'],
    ['drop index concurrently big', '42809', '"big" is not an index'],
    [
      'drop index concurrently big_pkey',
      '2BP01',
      'cannot drop index big_pkey because constraint big_pkey on table big requires it',
    ],
  ]
  for (const [statement, code, message] of failing) {
    const error = await on(2)
      .query(statement)
      .then(
        () => assert.fail(`${statement}: it ran`),
        (thrown: unknown) => fieldsOf(thrown),
      )
    assert.deepEqual([error.code, error.message], [code, message], statement)
  }
  await on(3).query('set role visitor')
  assert.equal(await outcomeOf(on(3).query('create index concurrently i on public.big (v)')), '42501')
  assert.equal(await outcomeOf(on(3).query('drop index concurrently there')), '42501')
  await on(3).query('reset role')
  await on(2).query('create index concurrently if not exists there on big (v)')
  await on(2).query('drop index concurrently if exists nothing')
  await on(2).query('drop index concurrently there')
  await everywhere('there', 'none')
  await everywhere('i', 'none')
  await equalEverywhere()
})

test('a unique index comes and goes at one position: CONCURRENTLY makes no difference', async () => {
  const notices: string[] = []
  on(1).on('notice', ({ message }) => notices.push(message ?? ''))
  await on(1).query('create unique index concurrently big_t on big (t)')
  assert.match(notices.join(), /CONCURRENTLY is ignored/)
  await assertAllEqual(cluster)
  assert.equal(await outcomeOf(on(2).query(`insert into big values (-1, 1, md5('1'))`)), '23505')
  await on(3).query('drop index concurrently big_t')
  await assertAllEqual(cluster)
  assert.equal(await outcomeOf(on(2).query(`insert into big values (-1, 1, md5('1'))`)), 'ok')
  await on(2).query('delete from big where id = -1')
  await equalEverywhere()
})

test('kill -9 of an agent in the middle of a build: the index is valid there after its return', async () => {
  const victim = (await cluster.status()).find(({ id }) => id === 'n2')
  assert(victim?.agentPid)
  const build = on(1).query('create index concurrently survives on big (t, v)')
  await until('the build has begun at n2', async () => (await stateAt(2, 'survives')) !== 'none', {
    msMax: 30_000,
    everyMs: 5,
  })
  signal(victim.agentPid, 'SIGKILL')
  await build
  await allServing(cluster)
  await again(2)
  await everywhere('survives', 'valid')
  await equalEverywhere()
})

test('a node that was down builds and drops what it has missed', async () => {
  await cluster.command(['kill', 'n3'])
  await on(1).query('create index concurrently missed on big (v)')
  await on(2).query('drop index concurrently survives')
  await cluster.command(['start', 'n3'])
  await allServing(cluster)
  await again(3)
  await everywhere('missed', 'valid')
  await everywhere('survives', 'none')
  await equalEverywhere()
})

test('ALTER TABLE and DROP TABLE at another node during a build hold nobody up', async () => {
  const build = on(1).query('create index concurrently altered on big (t, v, id)')
  await until('the build has begun at n2', async () => (await stateAt(2, 'altered')) !== 'none', {
    msMax: 30_000,
    everyMs: 5,
  })
  await on(2).query('alter table big add column more int')
  await build
  await everywhere('altered', 'valid')
  const doomed = outcomeOf(on(1).query('create index concurrently doomed on big (t, id, v)'))
  await until('the build has begun at n3', async () => (await stateAt(3, 'doomed')) !== 'none', {
    msMax: 30_000,
    everyMs: 5,
  })
  await on(3).query('drop table big cascade')
  assert.match(await doomed, /^(ok|42704|42P01)$/)
  await equalEverywhere()
})

test('a partitioned index put together from parts that were built concurrently is valid everywhere', async () => {
  await on(1).query('create table parts (id int, v int) partition by list (id)')
  await on(1).query('create table parts_1 partition of parts for values in (1)')
  await on(1).query('insert into parts select 1, n from generate_series(1, 50000) n')
  await on(1).query('create index parts_v on only parts (v)')
  await on(1).query('create index concurrently parts_1_v on parts_1 (v)')
  await on(1).query('alter index parts_v attach partition parts_1_v')
  await everywhere('parts_v', 'valid')
  assert.equal(await outcomeOf(on(1).query('create index concurrently on parts (v)')), '0A000')
  assert.equal(await outcomeOf(on(1).query('drop index concurrently parts_v')), '0A000')
  await equalEverywhere()
})

test('a row that another node took before it had the index is not refused by the one that has it', async () => {
  await on(1).query('create table wide (id int primary key, t text)')
  await assertAllEqual(cluster)
  // Holds up the build at n2, not its beginning: only n1 and n3 refuse what is too large for the index.
  const reader = await cluster.connect(2)
  await reader.query('begin isolation level repeatable read')
  await reader.query('select count(*) from wide')
  await reader.query('lock table wide in row exclusive mode')
  await on(1).query('create index concurrently wide_t on wide (t)')
  const tooLarge = `select string_agg(md5(n::text), '') from generate_series(1, 500) n`
  assert.equal(await outcomeOf(on(1).query(`insert into wide values (1, (${tooLarge}))`)), '54000')
  assert.equal(await stateAt(2, 'wide_t'), 'invalid')
  await on(2).query(`insert into wide values (2, (${tooLarge}))`)
  await reader.query('rollback')
  await reader.end()
  await assertAllEqual(cluster)
  await on(2).query('delete from wide')
  await on(2).query('drop index concurrently wide_t')
  await everywhere('wide_t', 'none')
  await equalEverywhere()
})
