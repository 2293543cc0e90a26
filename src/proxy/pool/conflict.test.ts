import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { commandComplete } from '../../wire/pgwire/messages.ts'
import { fakeCluster, fakePool, password, type Script } from './fake-node.ts'
import { openPool, type PoolOptions } from './pool.ts'
import { checkedSettings } from './settings.ts'

/** A pool in front of one node that runs by a script, and a client of it. */
async function begin(script: Script, settings: PoolOptions['settings'] = { maskConflicts: ['app@postgres'] }) {
  const fakes = await fakeCluster(1)
  fakes.node(1).script = script
  const pool = await openPool({
    routes: fakes.routes,
    ...fakePool(),
    settings: { MaxIdleConnectionsPercent: 100, ...settings },
    log: {
      warn: (_fields, message) => {
        throw new Error(message)
      },
    },
  })
  const client = new Client({ host: '127.0.0.1', port: pool.port, user: 'app', password, database: 'postgres' })
  await client.connect()
  return {
    fakes,
    pool,
    client,
    [Symbol.asyncDispose]: async () => {
      await client.end()
      await pool.close()
      await fakes[Symbol.asyncDispose]()
    },
  }
}

/** Conflicts at the texts named, as often as told. */
const conflictsAt = (times: Readonly<Record<string, number>>): Script => {
  const left = new Map(Object.entries(times))
  return (text) => {
    const count = left.get(text) ?? 0
    left.set(text, count - 1)
    return count > 0 ? 'conflict' : undefined
  }
}

test('a transaction that conflicts runs again, at its statement, its COMMIT, and while it runs again; the client hears nothing', async () => {
  await using bench = await begin(conflictsAt({ 'INSERT b': 1, 'SELECT two': 2, COMMIT: 2 }))
  const { client, fakes, pool } = bench
  await client.query('BEGIN')
  deepEqual((await client.query('SELECT one')).rows, [{ v: 'one' }])
  await client.query('INSERT a')
  deepEqual((await client.query({ name: 'two', text: 'SELECT two' })).rows, [{ v: 'two' }])
  await client.query('INSERT b')
  equal((await client.query('COMMIT')).command, 'COMMIT')
  await client.query('INSERT c')
  deepEqual(fakes.cluster.ledger, ['a', 'b', 'c'])
  equal(pool.failovers.masked, 5)
  equal(pool.failovers.differed, 0)
})

test('a statement by itself runs again as well', async () => {
  await using bench = await begin(conflictsAt({ 'INSERT a': 3 }))
  await bench.client.query('INSERT a')
  deepEqual(bench.fakes.cluster.ledger, ['a'])
})

test('who loses too often is told so, and who has not opted in, at once', async () => {
  await using bench = await begin(conflictsAt({ COMMIT: 100 }))
  await bench.client.query('BEGIN')
  await bench.client.query('INSERT a')
  await rejects(bench.client.query('COMMIT'), { code: '40001', message: /on another node/ })
  equal(bench.pool.failovers.masked, 5)
  equal((await bench.client.query('SELECT next')).rowCount, 1)
  deepEqual(bench.fakes.cluster.ledger, [])
  for (const maskConflicts of [[], ['app@other'], ['other@*']]) {
    await using plain = await begin(conflictsAt({ 'INSERT a': 1 }), { maskConflicts })
    await rejects(plain.client.query('INSERT a'), { code: '40001' })
    equal(plain.pool.failovers.masked, 0)
  }
})

test('other results than before: 40001, and the block is a failed one', async () => {
  let count = 0
  const conflicts = conflictsAt({ 'INSERT b': 1 })
  await using bench = await begin((text, session) =>
    text === 'UPDATE n' ? commandComplete(`UPDATE ${++count}`) : conflicts(text, session),
  )
  const { client } = bench
  await client.query('BEGIN')
  equal((await client.query('UPDATE n')).rowCount, 1)
  await rejects(client.query('INSERT b'), { code: '40001', detail: /did not give the same results/ })
  await rejects(client.query('SELECT x'), { code: '25P02' })
  await client.query('ROLLBACK')
  equal((await client.query('SELECT next')).rowCount, 1)
  deepEqual(bench.fakes.cluster.ledger, [])
})

test('entries of maskConflicts are checked', () => {
  deepEqual(checkedSettings({ maskConflicts: ['*@*', 'a b@c'] }).maskConflicts, ['*@*', 'a b@c'])
  for (const entry of ['app', '@', 'app@', '@shop'])
    throws(() => checkedSettings({ maskConflicts: [entry] }), { code: 'configuration' }, entry)
})
