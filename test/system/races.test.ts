/** Constraints hold across nodes: of two writers that can't both be right, exactly one is. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { fieldsOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { numberFromEnv } from '#testing/wait.ts'

const rounds = numberFromEnv('ALLWRITE_TEST_ROUNDS', 200)
/** Rounds under way at the same time, each with two clients of its own. */
const lanes = 8

let cluster: Cluster
let pairs: (readonly [pg.Client, pg.Client])[] = []
before(async () => {
  cluster = await startCluster({ nodes: 4 })
  // Lane by lane another pair of nodes: 1+2, 2+3, 3+4, 4+1, ….
  pairs = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const [left, right] = [1 + (lane % 4), 1 + ((lane + 1) % 4)]
      return [await cluster.connect(left), await cluster.connect(right)] as const
    }),
  )
})
after(async () => {
  await Promise.all(pairs.flat().map((client) => client.end()))
  await cluster?.[Symbol.asyncDispose]()
})

type Settled = PromiseSettledResult<pg.QueryResult>

/** Runs two statements at two nodes at the same time, `rounds` times with a key of its own each. */
const race = async (
  left: (key: number) => string,
  right: (key: number) => string,
  judge: (key: number, outcome: readonly [Settled, Settled]) => void,
): Promise<void> => {
  await Promise.all(
    pairs.map(async ([a, b], lane) => {
      for (let key = lane; key < rounds; key += lanes) {
        judge(key, await Promise.allSettled([a.query(left(key)), b.query(right(key))]))
      }
    }),
  )
  await assertAllEqual(cluster)
}

const setUp = async (...statements: string[]): Promise<void> => {
  const client = await cluster.connect(1)
  for (const statement of statements) await client.query(statement)
  await client.end()
  await assertAllEqual(cluster)
}

const codeOf = (settled: Settled): string => (settled.status === 'fulfilled' ? 'ok' : fieldsOf(settled.reason).code)

const exactlyOne =
  (loserCode: string) =>
  (key: number, outcome: readonly [Settled, Settled]): void => {
    assert.deepEqual(outcome.map(codeOf).toSorted(), [loserCode, 'ok'].toSorted(), `round ${key}`)
  }

/** Asks every node; all must give the same number. */
const countEverywhere = async (query: string): Promise<number> => {
  const counts = await Promise.all(
    [1, 2, 3, 4].map(async (number) => {
      const client = await cluster.connect(number)
      const { rows } = await client.query<{ count: string }>(query)
      await client.end()
      return Number(rows[0]?.count)
    }),
  )
  assert.equal(new Set(counts).size, 1, counts.join(', '))
  return counts[0] ?? 0
}

test('the same primary key inserted at two nodes: exactly one wins', async () => {
  await setUp('create table pk_race (id int primary key, node text)')
  await race(
    (key) => `insert into pk_race values (${key}, 'left')`,
    (key) => `insert into pk_race values (${key}, 'right')`,
    exactlyOne('23505'),
  )
  assert.equal(await countEverywhere('select count(*) from pk_race'), rounds)
})

test('the same secondary unique value inserted at two nodes: exactly one wins', async () => {
  await setUp('create table email_race (id bigint primary key, email text unique)')
  await race(
    (key) => `insert into email_race values (${key * 2}, 'user${key}')`,
    (key) => `insert into email_race values (${key * 2 + 1}, 'user${key}')`,
    exactlyOne('23505'),
  )
  assert.equal(await countEverywhere('select count(distinct email) from email_race'), rounds)
})

test('two rows updated to the same secondary unique value at two nodes: exactly one wins', async () => {
  await setUp(
    'create table nick_race (id bigint primary key, nick text unique)',
    `insert into nick_race select n, 'old' || n from generate_series(0, ${rounds * 2 - 1}) n`,
  )
  await race(
    (key) => `update nick_race set nick = 'new${key}' where id = ${key * 2}`,
    (key) => `update nick_race set nick = 'new${key}' where id = ${key * 2 + 1}`,
    exactlyOne('23505'),
  )
  assert.equal(await countEverywhere(`select count(*) from nick_race where nick like 'new%'`), rounds)
})

test('a unique value given up at one node and taken at another: never twice', async () => {
  await setUp(
    'create table handover (id bigint primary key, slot int unique)',
    `insert into handover select n, n from generate_series(0, ${rounds - 1}) n`,
  )
  await race(
    (key) => `update handover set slot = null where id = ${key}`,
    (key) => `insert into handover values (${rounds + key}, ${key})`,
    (key, [gave, took]) => {
      assert.equal(codeOf(gave), 'ok', `round ${key}`)
      assert(['ok', '23505'].includes(codeOf(took)), `round ${key}: ${codeOf(took)}`)
    },
  )
  assert.equal(await countEverywhere('select count(slot) - count(distinct slot) as count from handover'), 0)
})

test('ON CONFLICT DO NOTHING at two nodes: one inserts, the other does nothing', async () => {
  await setUp('create table nothing_race (id int primary key, node text)')
  await race(
    (key) => `insert into nothing_race values (${key}, 'left') on conflict do nothing`,
    (key) => `insert into nothing_race values (${key}, 'right') on conflict do nothing`,
    (key, outcome) => {
      const inserted = outcome.map((settled) =>
        settled.status === 'fulfilled' ? settled.value.rowCount : codeOf(settled),
      )
      assert.deepEqual(inserted.map(String).toSorted(), ['0', '1'], `round ${key}`)
    },
  )
})

test('ON CONFLICT DO UPDATE at two nodes: both count', async () => {
  await setUp('create table upsert_race (id int primary key, n int not null)')
  const upsert = (key: number): string =>
    `insert into upsert_race values (${key}, 1) on conflict (id) do update set n = upsert_race.n + 1`
  await race(upsert, upsert, (key, outcome) => assert.deepEqual(outcome.map(codeOf), ['ok', 'ok'], `round ${key}`))
  assert.equal(await countEverywhere('select count(*) from upsert_race where n <> 2'), 0)
  assert.equal(await countEverywhere('select count(*) from upsert_race'), rounds)
})

test('a child inserted while its parent is deleted elsewhere: exactly one wins, no orphan', async () => {
  await setUp(
    'create table parent (id int primary key)',
    'create table child (id int primary key, parent int not null references parent)',
    `insert into parent select generate_series(0, ${rounds - 1})`,
  )
  await race(
    (key) => `insert into child values (${key}, ${key})`,
    (key) => `delete from parent where id = ${key}`,
    exactlyOne('23503'),
  )
  assert.equal(
    await countEverywhere('select count(*) from child c where not exists (select from parent p where p.id = c.parent)'),
    0,
  )
})

test('a parent changed harmlessly while a child is inserted elsewhere: both win', async () => {
  await setUp(
    'create table account (id int primary key, note text)',
    'create table entry (id int primary key, account int not null references account)',
    `insert into account select n, '' from generate_series(0, ${rounds - 1}) n`,
  )
  await race(
    (key) => `insert into entry values (${key}, ${key})`,
    (key) => `update account set note = 'changed' where id = ${key}`,
    (key, outcome) => assert.deepEqual(outcome.map(codeOf), ['ok', 'ok'], `round ${key}`),
  )
})

test('ON DELETE CASCADE against a new child elsewhere: no orphan', async () => {
  await setUp(
    'create table owner (id int primary key)',
    'create table thing (id int primary key, owner int references owner on delete cascade)',
    `insert into owner select generate_series(0, ${rounds - 1})`,
  )
  await race(
    (key) => `insert into thing values (${key}, ${key})`,
    (key) => `delete from owner where id = ${key}`,
    (key, [inserted, deleted]) => {
      assert.equal(codeOf(deleted), 'ok', `round ${key}`)
      assert(['ok', '23503'].includes(codeOf(inserted)), `round ${key}: ${codeOf(inserted)}`)
    },
  )
  assert.equal(await countEverywhere('select count(*) from thing'), 0)
})
