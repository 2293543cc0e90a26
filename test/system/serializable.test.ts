/**
 * SERIALIZABLE holds across nodes (RULES 15): what one transaction read must not have been changed elsewhere before its place in
 * the order. REPEATABLE READ, snapshot isolation, is the control in which the same interleavings do go wrong.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from 'pg'
import { isControl, needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { seenEverywhere } from '#testing/healed.ts'
import { errorOf } from '#testing/errors.ts'
import { testSeconds, until } from '#testing/wait.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query(`create table doctors (id int primary key, ward int not null, on_call boolean not null);
    create index on doctors (ward);
    create table bookings (id int generated always as identity primary key, room int not null, slot int not null);
    create table parent (id int primary key) partition by range (id);
    create table parent_low partition of parent for values from (0) to (100);
    create table parent_high partition of parent for values from (100) to (200);
    create table other (id int primary key, n int not null);
    insert into doctors select i, i / 2, true from generate_series(0, 199) i;
    insert into other values (1, 0), (2, 0)`)
  await client.end()
  await seenEverywhere(cluster, `select 1 from other where id = 2`)
})
after(() => cluster?.[Symbol.asyncDispose]())

/** Commits; true if that succeeded, false for 40001. Anything else throws. */
const commits = async (client: Client): Promise<boolean> => {
  try {
    await client.query('commit')
    return true
  } catch (thrown) {
    assert.equal((thrown as { code?: string }).code, '40001', String(thrown))
    return false
  }
}

type Step = (client: Client) => Promise<unknown>

/** Both transactions take their snapshot and write before either commits. Answers which committed. */
const race = async (level: string, nodes: readonly [number, number], steps: readonly [Step, Step]) => {
  const clients = await Promise.all(nodes.map((number) => cluster.connect(number)))
  try {
    for (const client of clients) await client.query(`begin isolation level ${level}`)
    const results: boolean[] = []
    for (const [i, client] of clients.entries()) await client.query('select count(*) from other where id = $1', [i - 9])
    await Promise.all(clients.map(async (client, i) => steps[i]?.(client)))
    for (const client of clients) results.push(await commits(client))
    return results
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

/** Leaves the ward if somebody else stays. */
const leave =
  (id: number, ward: number): Step =>
  async (client) => {
    const { rows } = await client.query<{ n: number }>(
      'select count(*)::int as n from doctors where ward = $1 and on_call',
      [ward],
    )
    if ((rows[0]?.n ?? 0) > 1) await client.query('update doctors set on_call = false where id = $1', [id])
  }

const onCall = async (ward: number): Promise<number> => {
  const client = await cluster.connect(4)
  const { rows } = await client.query<{ n: number }>(
    'select count(*)::int as n from doctors where ward = $1 and on_call',
    [ward],
  )
  await client.end()
  return rows[0]?.n ?? -1
}

test('write skew between two nodes: one of the two commits', { skip: needsCluster }, async () => {
  assert.deepEqual(await race('serializable', [1, 2], [leave(0, 0), leave(1, 0)]), [true, false])
  assert.equal(await onCall(0), 1)
})

test('the same under REPEATABLE READ commits twice: the test sees what it should', { skip: needsCluster }, async () => {
  assert.deepEqual(await race('repeatable read', [1, 2], [leave(2, 1), leave(3, 1)]), [true, true])
  await until('both are gone', async () => (await onCall(1)) === 0)
})

test('write skew between two sessions of one node: one of the two commits', async () => {
  const results = await race('serializable', [3, 3], [leave(4, 2), leave(5, 2)])
  assert.equal(results.filter(Boolean).length, 1)
  await until('it is seen', async () => (await onCall(2)) === 1)
})

test(
  'rows that are not there yet are read too: a phantom from another node is seen',
  { skip: needsCluster },
  async () => {
    const book =
      (slot: number): Step =>
      async (client) => {
        const { rows } = await client.query<{ n: number }>(
          'select count(*)::int as n from bookings where room = 7 and slot = $1',
          [slot],
        )
        if (rows[0]?.n === 0) await client.query('insert into bookings (room, slot) values (7, $1)', [slot])
      }
    assert.deepEqual(await race('serializable', [1, 3], [book(1), book(1)]), [true, false])
  },
)

test('a read of a partitioned table meets a write to one of its partitions', { skip: needsCluster }, async () => {
  const step =
    (id: number): Step =>
    async (client) => {
      const { rows } = await client.query<{ n: number }>('select count(*)::int as n from parent')
      if (rows[0]?.n === 0) await client.query('insert into parent values ($1)', [id])
    }
  assert.deepEqual(await race('serializable', [2, 4], [step(1), step(150)]), [true, false])
})

test('the loser is told the table, and succeeds when it tries again', { skip: needsCluster }, async () => {
  const [a, b] = await Promise.all([cluster.connect(1), cluster.connect(2)])
  await a.query('begin isolation level serializable')
  await b.query('begin isolation level serializable')
  for (const [client, id] of [
    [a, 1],
    [b, 2],
  ] as const) {
    await client.query('select sum(n) from other')
    await client.query('update other set n = n + 1 where id = $1', [id])
  }
  await a.query('commit')
  const error = await errorOf(b.query('commit'))
  assert.equal(error.code, '40001')
  assert.match(error.detail, /public\.other.*n1/)
  await b.query('begin isolation level serializable')
  await b.query('select sum(n) from other')
  await b.query('update other set n = n + 1 where id = 2')
  await b.query('commit')
  await Promise.all([a.end(), b.end()])
})

test('what touches other tables, or only reads, is not disturbed', { skip: needsCluster }, async () => {
  const results = await race(
    'serializable',
    [1, 2],
    [
      (client) => client.query('update other set n = n + 1 where id = 1'),
      (client) => client.query('select count(*) from doctors'),
    ],
  )
  assert.deepEqual(results, [true, true])
})

test('default_transaction_isolation: statements of their own are serializable, and run again unseen', async () => {
  const clients = await Promise.all([1, 2, 3, 4].map((number) => cluster.connect(number)))
  for (const client of clients) await client.query(`set default_transaction_isolation = 'serializable'`)
  const before = await clients[0]?.query<{ n: number }>('select n from other where id = 1')
  let told = 0
  for (let round = 0; round < 5; round++) {
    const results = await Promise.allSettled(
      clients.map((client) => client.query('update other set n = n + 1 where id = 1')),
    )
    told += results.filter(({ status }) => status === 'fulfilled').length
  }
  await Promise.all(clients.map((client) => client.end()))
  const client = await cluster.connect(1)
  const expected = (before?.rows[0]?.n ?? 0) + told
  await until('all are there', async () => {
    const { rows } = await client.query<{ n: number }>('select n from other where id = 1')
    return rows[0]?.n === expected
  })
  await client.end()
})

test('wards are never left alone, whoever leaves from wherever at the same time', async (context) => {
  const deadline = performance.now() + testSeconds(6) * 1000
  let left = 0
  let lost = 0
  const worker = async (number: number, offset: number): Promise<void> => {
    const client = await cluster.connect(number)
    for (let ward = 10; performance.now() < deadline; ward = ward < 99 ? ward + 1 : 10) {
      try {
        await client.query('begin isolation level serializable')
        await leave(2 * ward + offset, ward)(client)
        await client.query('commit')
        left += 1
        // Back on call, for the next round.
        await client.query('update doctors set on_call = true where id = $1', [2 * ward + offset])
      } catch (thrown) {
        const { code } = thrown as { code?: string }
        assert(code === '40001' || code === '40P01', String(thrown))
        lost += 1
        await client.query('rollback')
      }
    }
    await client.end()
  }
  const watcher = async (): Promise<void> => {
    const client = await cluster.connect(4)
    while (performance.now() < deadline) {
      const { rows } = await client.query(
        'select ward from doctors where ward >= 10 group by ward having not bool_or(on_call)',
      )
      assert.deepEqual(rows, [], 'a ward without anybody on call was seen')
    }
    await client.end()
  }
  await Promise.all([worker(1, 0), worker(2, 1), worker(3, 0), watcher()])
  context.diagnostic(`${left} transactions committed, ${lost} had to be started again`)
  assert(left > 0)
  if (!isControl) await assertAllEqual(cluster)
})
