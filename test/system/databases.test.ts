/** Several databases in one cluster: made, changed and dropped on any node, written to on all; one order over all of them. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import type pg from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { errorOf, outcomeOf } from '#testing/errors.ts'
import { allServing } from '#testing/healed.ts'
import { signal } from '#testing/processes.ts'
import { assertReplayEqual } from '#testing/replay.ts'
import { runFor } from '#testing/wait.ts'

const skip = needsCluster
const numbers = [1, 2, 3, 4]

let cluster: Cluster
before(async () => {
  if (skip === false) cluster = await startCluster({ nodes: 4 })
})
after(() => cluster?.[Symbol.asyncDispose]())

/** Runs statements in a connection of their own; the last one's result. */
const run = async (node: number, database: string | undefined, ...statements: string[]): Promise<pg.QueryResult> => {
  const client = await cluster.connect(node, database)
  try {
    let last: pg.QueryResult | undefined
    for (const statement of statements) last = await client.query(statement)
    assert(last)
    return last
  } finally {
    await client.end()
  }
}

const namesAt = async (node: number): Promise<string> =>
  (await run(node, undefined, 'select datname from pg_database order by 1')).rows
    .map(({ datname }: { datname: string }) => datname)
    .join(' ')

const nodeOf = (number: number) => cluster.status().then((nodes) => nodes[number - 1])

test('a database made on one node is there on all, and every node writes to it', { skip }, async () => {
  await run(1, undefined, 'create database app;')
  await run(2, 'app', 'create table t (id serial primary key, node int not null)')
  for (const node of numbers) await run(node, 'app', `insert into t (node) values (${node}), (${node})`)
  // Of the same name elsewhere: another table, whose rows conflict with nothing of the first's.
  await run(3, undefined, 'create table t (id int primary key, node int not null)')
  const [here, there] = await Promise.all([cluster.connect(1, 'app'), cluster.connect(2)])
  await here.query('begin; insert into t values (100, 1)')
  await there.query('insert into t values (100, 2)')
  await here.query('commit')
  await Promise.all([here.end(), there.end()])
  const sums = await assertAllEqual(cluster)
  assert.match(sums['app: public.t'] ?? '', /^9 rows/)
  assert.match(sums['public.t'] ?? '', /^1 rows/)
  await assertSameCatalogs(cluster)
})

test('writers of two databases on all nodes: each row once, no conflict between databases', { skip }, async () => {
  await run(
    1,
    'app',
    'create table counters (id int primary key, n int not null)',
    'insert into counters values (1, 0)',
  )
  await run(
    1,
    undefined,
    'create table counters (id int primary key, n int not null)',
    'insert into counters values (1, 0)',
  )
  const rounds = 25
  const writer = async (node: number, database?: string): Promise<void> => {
    const client = await cluster.connect(node, database)
    for (let done = 0; done < rounds;) {
      const outcome = await outcomeOf(client.query('update counters set n = n + 1 where id = 1'))
      if (outcome === 'ok') done += 1
      else assert.equal(outcome, '40001')
    }
    await client.end()
  }
  await Promise.all(numbers.flatMap((node) => [writer(node), writer(node, 'app')]))
  await assertAllEqual(cluster)
  for (const database of [undefined, 'app']) {
    assert.equal((await run(4, database, 'select n from counters')).rows[0].n, rounds * numbers.length)
  }
})

test(
  'roles, passwords, memberships, grants and default privileges are everywhere at once, from any database',
  { skip },
  async () => {
    await run(2, 'app', `create role reader login password 'secret'`, 'create role team', 'grant team to reader')
    await run(3, 'app', 'grant select on t to team', 'alter default privileges grant select on tables to team')
    await run(4, 'app', 'create table later (id int primary key)', 'insert into later values (7)')
    await run(1, undefined, 'revoke connect on database app from public', 'grant connect on database app to team')
    await assertSameCatalogs(cluster)
    for (const node of numbers) {
      const url = new URL(cluster.urlOf(node))
      Object.assign(url, { username: 'reader', password: 'secret', pathname: 'app' })
      const client = new Client({ connectionString: url.href })
      await client.connect()
      assert.equal((await client.query('select id from later')).rows[0].id, 7)
      assert.equal(await outcomeOf(client.query('create database mine')), '42501')
      assert.equal(await outcomeOf(client.query('drop database app')), '42501')
      await client.end()
    }
    // A role that another database's schema hangs on can't go, whoever asks where.
    assert.equal(await outcomeOf(run(1, undefined, 'drop role team')), '2BP01')
    await run(1, 'app', 'revoke connect on database app from team', 'drop owned by team', 'drop owned by reader')
    await run(2, undefined, 'drop role reader, team', 'grant connect on database app to public')
    await assertSameCatalogs(cluster)
  },
)

test('what PostgreSQL says of databases is said here, and of what a cluster has not, why', { skip }, async () => {
  const client = await cluster.connect(1)
  const refused = async (statement: string, code: string): Promise<void> => {
    assert.equal((await errorOf(client.query(statement))).code, code, statement)
  }
  await refused('create database app', '42P04')
  await refused('drop database nope', '3D000')
  await client.query('drop database if exists nope')
  await refused('create database x template nope', '3D000')
  await refused('drop database postgres', '55006')
  await refused('alter database nope rename to more', '3D000')
  await refused('alter database postgres rename to more', '0A000')
  await refused(`create database x encoding 'LATIN1'`, '0A000')
  await refused('create database x tablespace elsewhere', '0A000')
  await refused('create database x oid 99999', '0A000')
  await refused('create database x owner nobody', '42704')
  await refused('create database x template postgres', '0A000')
  await client.query('begin')
  await refused('create database x', '25001')
  await client.query('rollback')
  await client.end()
  assert.equal(await outcomeOf(cluster.connect(2, 'nope')), '3D000')
  assert.equal(await outcomeOf(run(2, 'app', 'drop database postgres')), '0A000')
  const user = await cluster.connect(3, 'app')
  const { detail } = await errorOf(run(3, undefined, 'drop database app'))
  assert.equal(detail, 'There is 1 other session using the database.')
  await user.end()
  for (const node of numbers) assert.equal(await namesAt(node), 'app postgres template0 template1')
})

test('two nodes make the same database at the same time: one of them, at all nodes', { skip }, async () => {
  const outcomes = await Promise.all(numbers.map((node) => outcomeOf(run(node, undefined, 'create database race'))))
  assert.deepEqual(outcomes.toSorted(), ['42P04', '42P04', '42P04', 'ok'])
  await Promise.all(numbers.map((node) => outcomeOf(run(node, undefined, `create database race${node}`))))
  await run(1, 'race3', 'create table here (id int primary key)')
  await assertSameCatalogs(cluster)
  const dropped = await Promise.all(numbers.map((node) => outcomeOf(run(node, undefined, 'drop database race'))))
  assert.deepEqual(dropped.toSorted(), ['3D000', '3D000', '3D000', 'ok'])
  for (const node of numbers) await run(5 - node, undefined, `drop database race${node}`)
  await assertSameCatalogs(cluster)
})

test('a database is renamed, given away, set up, and copied with its rows and sequences', { skip }, async () => {
  await run(1, undefined, 'create role owner_of_it', 'create database model')
  await run(2, 'model', 'create table s (id serial primary key, v text)', `insert into s (v) values ('one'), ('two')`)
  await run(3, undefined, 'alter database model rename to pattern', 'alter database pattern owner to owner_of_it')
  await run(4, undefined, `alter database pattern set work_mem to '5MB'`, 'alter database pattern connection limit 20')
  assert.equal(await outcomeOf(cluster.connect(1, 'model')), '3D000')
  await run(1, undefined, 'create database copy template pattern')
  for (const node of numbers) await run(node, 'copy', `insert into s (v) values ('copy at ${node}')`)
  for (const node of numbers) await run(node, 'pattern', `insert into s (v) values ('pattern at ${node}')`)
  assert.equal((await run(3, 'pattern', 'show work_mem')).rows[0].work_mem, '5MB')
  const sums = await assertAllEqual(cluster)
  assert.match(sums['copy: public.s'] ?? '', /^6 rows/)
  assert.match(sums['pattern: public.s'] ?? '', /^6 rows/)
  await assertSameCatalogs(cluster)
})

/** Inserts into `load` of a database until it is told to stop or the database is gone; what was acknowledged. */
const startWriter = (node: number, database: string): { readonly stop: () => Promise<readonly number[]> } => {
  let stopping = false
  const acknowledged: number[] = []
  const work = async (): Promise<void> => {
    for (let i = node * 100_000; !stopping;) {
      try {
        const client = await cluster.connect(node, database)
        try {
          while (!stopping) {
            i += 1
            await client.query('insert into load values ($1)', [i])
            acknowledged.push(i)
          }
        } finally {
          await client.end().catch(() => undefined)
        }
      } catch {
        await runFor(20)
      }
    }
  }
  const done = work()
  return {
    stop: async () => {
      stopping = true
      await done
      return acknowledged
    },
  }
}

test('a database is dropped under load on all nodes, while another one goes on', { skip }, async () => {
  await run(1, undefined, 'create database doomed', 'create database stays')
  for (const database of ['doomed', 'stays']) await run(2, database, 'create table load (id int primary key)')
  const doomed = numbers.map((node) => startWriter(node, 'doomed'))
  const stays = numbers.map((node) => startWriter(node, 'stays'))
  await runFor(1_000)
  await run(3, undefined, 'drop database doomed with (force)')
  await runFor(500)
  const acknowledged = (await Promise.all(stays.map(({ stop }) => stop()))).flat()
  const lost = (await Promise.all(doomed.map(({ stop }) => stop()))).flat()
  assert(lost.length > 0 && acknowledged.length > 0)
  const sums = await assertAllEqual(cluster)
  const rows = Number(/^(\d+) rows/.exec(sums['stays: public.load'] ?? '')?.[1])
  assert(rows >= acknowledged.length, `${rows} of ${acknowledged.length} rows`)
  assert(!('doomed: public.load' in sums))
  await assertSameCatalogs(cluster)
})

test(
  'kill -9 while databases are made and dropped: every node has what was acknowledged',
  { skip },
  async (context) => {
    const made: string[] = []
    const dropped: string[] = []
    for (let round = 0; round < 3; round++) {
      const node = (await nodeOf(2))!
      const name = `crash${round}`
      const [creating, dropping] = [
        outcomeOf(run(1, undefined, `create database ${name}`)),
        round === 0
          ? Promise.resolve('ok')
          : outcomeOf(run(3, undefined, `drop database crash${round - 1} with (force)`)),
      ]
      await runFor(60 + 90 * round)
      for (const pid of [node.agentPid, node.postgresPid]) if (pid !== null) signal(pid, 'SIGKILL')
      const outcomes = await Promise.all([creating, dropping])
      context.diagnostic(`round ${round}: ${outcomes.join(', ')}`)
      if (outcomes[0] === 'ok') made.push(name)
      if (outcomes[1] === 'ok' && round > 0) dropped.push(`crash${round - 1}`)
      await allServing(cluster)
    }
    const names = await namesAt(2)
    for (const name of made) assert.equal(names.includes(name), !dropped.includes(name), `${name} in ${names}`)
    await assertSameCatalogs(cluster)
    await run(2, 'stays', 'insert into load values (-1)')
    await assertAllEqual(cluster)
  },
)

test('a node that was down meanwhile has every database when it is back', { skip }, async () => {
  await cluster.command(['stop', 'n4'])
  await run(1, undefined, 'create database missed', 'drop database if exists copy')
  await run(2, 'missed', 'create table m (id int primary key)', 'insert into m values (1)')
  await run(3, undefined, 'alter database missed rename to found', 'create database more template found')
  await run(3, 'more', 'insert into m values (2)')
  await cluster.command(['start', 'n4'])
  await allServing(cluster)
  const sums = await assertAllEqual(cluster)
  assert.match(sums['found: public.m'] ?? '', /^1 rows/)
  assert.match(sums['more: public.m'] ?? '', /^2 rows/)
  await assertSameCatalogs(cluster)
})

test('kill -9 of everything: databases and their rows are back', { skip }, async () => {
  const writers = numbers.map((node) => startWriter(node, 'stays'))
  await runFor(500)
  await cluster.killEverything()
  await cluster.restart()
  await allServing(cluster)
  const acknowledged = (await Promise.all(writers.map(({ stop }) => stop()))).flat()
  await assertAllEqual(cluster)
  const { rows } = await run(1, 'stays', 'select id from load')
  const held = new Set(rows.map(({ id }: { id: number }) => id))
  assert.deepEqual(
    acknowledged.filter((id) => !held.has(id)),
    [],
  )
  await assertSameCatalogs(cluster)
})

test('a node that joins by a copy has all databases and writes to each', { skip }, async () => {
  await cluster.command(['kill', 'n3'])
  rmSync(join(cluster.dir, 'n3', 'pgdata'), { recursive: true })
  await cluster.command(['start', 'n3'])
  await allServing(cluster)
  const { rows } = await run(3, undefined, 'select node from allwrite.lineage order by xid_from')
  assert.notEqual(rows[0].node, 3, 'a copy of another')
  await run(3, 'found', `insert into m values (3)`)
  await run(3, 'pattern', `insert into s (v) values ('joined')`)
  await assertAllEqual(cluster)
  await assertSameCatalogs(cluster)
})

test('the journal of all this, replayed into a fresh server, gives what the nodes hold', { skip }, async () => {
  await assertReplayEqual(cluster)
})
