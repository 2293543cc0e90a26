/**
 * Rows locked without being written protect them at every node (RULES 12, ADR 13): of a lock and what it excludes, the later in the
 * order gets 40001. Both transactions do their work at their own node before either commits.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from 'pg'
import { isControl, needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { seenEverywhere } from '#testing/healed.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query(`create table doctors (id int primary key, ward int not null, on_call boolean not null);
    create table item (id int primary key, n int not null default 0);
    create table part (id int generated always as identity primary key, item int references item);
    create table note (id int generated always as identity primary key, what text);
    create table guarded (id int primary key, item int);
    create table jobs (id int primary key);
    create table done (id int generated always as identity primary key, job int not null, node int not null);
    insert into doctors select i, i / 2, true from generate_series(0, 199) i;
    insert into item select i from generate_series(1, 500) i;
    insert into jobs select i from generate_series(1, 50) i`)
  await client.end()
  await seenEverywhere(cluster, 'select 1 from jobs where id = 50')
})
after(() => cluster?.[Symbol.asyncDispose]())

/** Runs; true if that succeeded, false for 40001. Anything else throws. */
const succeeds = async (client: Client, sql: string): Promise<boolean> => {
  try {
    await client.query(sql)
    return true
  } catch (thrown) {
    assert.equal((thrown as { code?: string }).code, '40001', String(thrown))
    return false
  }
}

type Step = string | ((client: Client) => Promise<unknown>)

/** The first step at n1 and the second at n2, then they commit in this order. Answers whether the second one could. */
const second = async (steps: readonly [Step, Step], level = 'read committed'): Promise<boolean> => {
  const clients = await Promise.all([cluster.connect(1), cluster.connect(2)])
  try {
    for (const [i, client] of clients.entries()) {
      await client.query(`begin isolation level ${level}`)
      const step = steps[i] ?? ''
      await (typeof step === 'string' ? client.query(step) : step(client))
    }
    assert(await succeeds(clients[0], 'commit'), 'the first to commit wins')
    return await succeeds(clients[1], 'commit')
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

let items = 0
/** An item of a test's own, so that tests don't meet. */
const nextItem = (): number => (items += 1)

const lock = (id: number, strength: string): string => `select from item where id = ${id} for ${strength}`
const writes = (what: string): string => `; insert into note (what) values ('${what}')`

test('on call: each locks all of its ward, and leaves if somebody stays', { skip: needsCluster }, async () => {
  const leave =
    (id: number, ward: number): Step =>
    async (client) => {
      const { rowCount } = await client.query('select from doctors where ward = $1 and on_call for update', [ward])
      if ((rowCount ?? 0) > 1) await client.query('update doctors set on_call = false where id = $1', [id])
    }
  for (const [ward, level] of ['read committed', 'repeatable read'].entries()) {
    assert.equal(await second([leave(2 * ward, ward), leave(2 * ward + 1, ward)], level), false, level)
    await seenEverywhere(
      cluster,
      `select 1 from doctors where ward = ${ward} having bool_or(on_call) and not bool_and(on_call)`,
    )
  }
})

test(
  'what excludes what is PostgreSQL’s table of row locks, whichever comes first',
  { skip: needsCluster },
  async () => {
    const update = (id: number): string => `update item set n = n + 1 where id = ${id}`
    const remove = (id: number): string => `delete from item where id = ${id}`
    const child = (id: number): string => `insert into part (item) values (${id})`
    const strength = (of: string) => (id: number) => lock(id, of)
    const excluding = [
      ['for update, update', strength('update'), update],
      ['for no key update, update', strength('no key update'), update],
      ['for share, update', strength('share'), update],
      ['for share, delete', strength('share'), remove],
      ['for key share, delete', strength('key share'), remove],
      ['for update, for update', strength('update'), strength('update')],
      ['for update, for key share', strength('update'), strength('key share')],
      ['for share, for no key update', strength('share'), strength('no key update')],
      ['for update, a child', strength('update'), child],
    ] as const
    for (const [name, one, two] of excluding) {
      const [a, b] = [nextItem(), nextItem()]
      assert.equal(await second([one(a) + writes(name), two(a)]), false, name)
      assert.equal(await second([two(b), one(b) + writes(name)]), false, `${name}, the other way round`)
    }
    const compatible = [
      ['for key share, update', strength('key share'), update],
      ['for share, for share', strength('share'), strength('share')],
      ['for key share, for no key update', strength('key share'), strength('no key update')],
      ['for no key update, a child', strength('no key update'), child],
      ['for update, another row', strength('update'), () => update(nextItem())],
    ] as const
    for (const [name, one, two] of compatible) {
      const id = nextItem()
      assert.equal(await second([one(id) + writes(name), two(id)]), true, name)
    }
  },
)

test(
  'a transaction that only locks is protected, and protects, like one that writes',
  { skip: needsCluster },
  async () => {
    const update = (id: number): string => `update item set n = n + 1 where id = ${id}`
    for (const level of ['read committed', 'repeatable read']) {
      const [a, b, c] = [nextItem(), nextItem(), nextItem()]
      assert.equal(await second([lock(a, 'update'), update(a)], level), false, 'its lock holds')
      assert.equal(await second([update(b), lock(b, 'share')], level), false, 'it is told what it missed')
      assert.equal(await second([lock(c, 'share'), lock(c, 'share')], level), true)
    }
  },
)

test('waiters at one node for a row that they only lock are let in one by one', { skip: needsCluster }, async () => {
  const id = nextItem()
  const clients = await Promise.all(Array.from({ length: 8 }, () => cluster.connect(1)))
  const rounds = 5
  const worker = async (client: Client, number: number): Promise<number> => {
    let lost = 0
    for (let round = 0; round < rounds; round++) {
      await client.query('begin')
      // By either protocol.
      await (number % 2 === 0
        ? client.query(`select n from item where id = ${id} for update`)
        : client.query('select n from item where id = $1 for update', [id]))
      await client.query(`insert into note (what) select 'waiter ' || count(*) from note where what like 'waiter %'`)
      if (!(await succeeds(client, 'commit'))) lost += 1
    }
    return lost
  }
  const lost = await Promise.all(clients.map(worker))
  assert.deepEqual(
    lost,
    clients.map(() => 0),
  )
  const { rows } = await clients[0]!.query(
    `select from note where what like 'waiter %' group by what having count(*) > 1`,
  )
  assert.equal(rows.length, 0, 'each has found what the ones before have done')
  await Promise.all(clients.map((client) => client.end()))
})

test(
  'whoever locked the row at another node in the meantime wins, whenever that comes',
  { skip: needsCluster },
  async () => {
    for (const others of ['', writes('meanwhile')]) {
      const id = nextItem()
      const [holder, other] = await Promise.all([cluster.connect(2), cluster.connect(1)])
      await holder.query('begin')
      await holder.query(lock(id, 'update').replace('select', 'select id'))
      await other.query('begin')
      await other.query(lock(id, 'update') + others)
      await other.query(`insert into note (what) values ('by then ${id}')`)
      await other.query('commit')
      // It is applied before the holder goes on: what that reads now is new, what it has told its client is not.
      await seenEverywhere(cluster, `select 1 from note where what = 'by then ${id}'`)
      await holder.query(`insert into note (what) values ('too late ${id}')`)
      assert.equal(await succeeds(holder, 'commit'), false)
      await Promise.all([holder.end(), other.end()])
    }
  },
)

test('FOR UPDATE and a write of the same row keeps the stronger lock', { skip: needsCluster }, async () => {
  const id = nextItem()
  const both = `${lock(id, 'update')}; update item set n = (select count(*) from part where item = ${id}) where id = ${id}`
  assert.equal(await second([`insert into part (item) values (${id})`, both]), false)
})

test(
  'locks under savepoints and in PL/pgSQL count; those that were rolled back do not',
  { skip: needsCluster },
  async () => {
    const update = (id: number): string => `update item set n = n + 1 where id = ${id}`
    const [a, b, c] = [nextItem(), nextItem(), nextItem()]
    assert.equal(await second([`savepoint s; ${lock(a, 'update')}; release s`, update(a)]), false)
    const caught = (id: number): string =>
      `do $$ begin perform from item where id = ${id} for update; exception when others then null; end $$`
    assert.equal(await second([caught(b), update(b)]), false)
    assert.equal(await second([`savepoint s; ${lock(c, 'update')}; rollback to s${writes('c')}`, update(c)]), true)
  },
)

test(
  'a trigger’s lock counts, also for a statement that was prepared before there was one',
  { skip: needsCluster },
  async () => {
    const insert = (id: number) => ({ name: 'guard', text: 'insert into guarded values ($1, $1)', values: [id] })
    const client = await cluster.connect(1)
    await client.query(insert(nextItem()))
    await client.query(`create function hold() returns trigger language plpgsql as $$
      begin perform from item where id = new.item for update; return new; end $$;
    create trigger hold before insert on guarded for each row execute function hold()`)
    await seenEverywhere(cluster, `select 1 from pg_trigger where tgname = 'hold'`)
    const id = nextItem()
    const late = await cluster.connect(2)
    await late.query('begin')
    await late.query(`insert into part (item) values (${id})`)
    await client.query(insert(id))
    assert.equal(await succeeds(late, 'commit'), false)
    await Promise.all([client.end(), late.end()])
  },
)

test('LOCK TABLE keeps writers at other nodes off as well', { skip: needsCluster }, async () => {
  const insert = `insert into guarded values (${nextItem() + 1000}, 1)`
  assert.equal(await second(['lock table guarded in share mode', insert]), false)
  assert.equal(await second([insert, 'lock table guarded in exclusive mode; select count(*) from guarded']), false)
  assert.equal(await second(['lock table guarded in share mode', 'select from guarded']), true)
})

test('a job queue over all nodes: SKIP LOCKED and DELETE, each job once', async () => {
  const worker = async (number: number): Promise<void> => {
    const client = await cluster.connect(number)
    for (;;) {
      await client.query('begin')
      const { rows } = await client.query<{ id: number }>(
        'select id from jobs where id <= 30 order by id limit 1 for update skip locked',
      )
      const job = rows[0]?.id
      if (job === undefined) break
      if (
        (await succeeds(client, `delete from jobs where id = ${job}`)) &&
        (await succeeds(client, `insert into done (job, node) values (${job}, ${number})`)) &&
        (await succeeds(client, 'commit'))
      )
        continue
      await client.query('rollback')
    }
    await client.query('commit')
    await client.end()
  }
  await Promise.all([1, 2, 3, 4].map(worker))
  await eachOnce(1, 30)
})

test('a row as a mutex: who holds it finds what the one before has done', async () => {
  const worker = async (number: number): Promise<void> => {
    const client = await cluster.connect(number)
    for (let job = 31; job <= 50; job++) {
      for (;;) {
        await client.query('begin')
        const tried =
          (await succeeds(client, `select from jobs where id = ${job} for update`)) &&
          (await succeeds(
            client,
            `do $$ begin if not exists (select from done where job = ${job}) then
               insert into done (job, node) values (${job}, ${number}); end if; end $$`,
          )) &&
          (await succeeds(client, 'commit'))
        if (tried) break
        await client.query('rollback')
      }
    }
    await client.end()
  }
  await Promise.all([1, 2, 3, 4].map(worker))
  await eachOnce(31, 50)
  if (!isControl) await assertAllEqual(cluster)
})

const eachOnce = async (from: number, to: number): Promise<void> => {
  await seenEverywhere(
    cluster,
    `select 1 from done where job between ${from} and ${to} having count(distinct job) = ${to - from + 1}`,
  )
  const client = await cluster.connect(3)
  const { rows } = await client.query(
    'select job, count(*) from done where job between $1 and $2 group by job having count(*) <> 1',
    [from, to],
  )
  assert.deepEqual(rows, [], 'no job is done twice')
  await client.end()
}
