/**
 * NOTIFY across nodes: what is committed on any writer reaches every listener on every node, in commit order, exactly once (ADR 20).
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type pg from 'pg'
import { isControl, needsCluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { errorOf, fieldsOf } from '#testing/errors.ts'
import { startPlainServer } from '#testing/plain-server.ts'
import { signal } from '#testing/processes.ts'
import { assertReplayEqual } from '#testing/replay.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'
import { backendOf, commitOutcome, useCluster, whileStopped } from './rules-cluster.ts'

const bench = useCluster({ nodes: 3 })
const nodes = [1, 2, 3] as const

/** Long enough that a COMMIT which was sent has reached the journal's socket, ms. If not, the test fails. */
const appendedMs = 400

/** What a listener was told, in order: `channel payload`. */
interface Listener {
  readonly heard: string[]
  readonly client: pg.Client
}

let listeners: Listener[] = []

const listenAt = async (number: number, ...channels: string[]): Promise<Listener> => {
  const client = await bench.cluster().connect(number)
  const heard: string[] = []
  client.on('error', () => undefined)
  client.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload ?? ''}`))
  for (const channel of channels) await client.query(`listen "${channel}"`)
  return { heard, client }
}

/** Sends a last notification from each node: whatever comes before it in the order has come, and nothing comes behind it. */
const settled = async (listening: readonly Listener[] = listeners): Promise<void> => {
  for (const number of nodes) {
    const client = await bench.on(number)
    await client.query(`select pg_notify('end', '${number}')`)
  }
  await until('the last notification has come', () =>
    listening.every(({ heard }) => nodes.every((number) => heard.includes(`end ${number}`))),
  )
}

const wordsOf = ({ heard }: Listener): string[] => heard.filter((line) => !line.startsWith('end '))

const assertHeard = async (expected: readonly string[]): Promise<void> => {
  await settled()
  for (const [index, listener] of listeners.entries()) {
    assert.deepEqual(wordsOf(listener), expected, `at node ${index + 1}`)
  }
}

beforeEach(async () => {
  listeners = await Promise.all(nodes.map((number) => listenAt(number, 'a', 'b', 'A b', 'end')))
})
afterEach(async () => {
  await Promise.all(listeners.map(({ client }) => client.end().catch(() => undefined)))
})

describe('pg_notify()', () => {
  test('from every node to every node', async () => {
    const expected: string[] = []
    for (const number of nodes) {
      const client = await bench.on(number)
      await client.query('select pg_notify($1, $2)', ['a', `from ${number}`])
      expected.push(`a from ${number}`)
    }
    await assertHeard(expected)
  })

  test('in commit order, writes interleaved, each once', async () => {
    await bench.setUp('create table hot (n int)', 'insert into hot values (0)', 'create table noise (id int)')
    const each = 25
    await Promise.all(
      nodes.map((number) =>
        bench.withClient(number, async (client) => {
          for (let i = 0; i < each; i++) {
            await client.query('insert into noise values ($1)', [i])
            await hotStep(client)
          }
        }),
      ),
    )
    await assertHeard(Array.from({ length: each * nodes.length }, (_, i) => `a ${i + 1}`))
    await assertAllEqual(bench.cluster())
  })

  test('who hears it sees what was written with it, and what was committed before', async () => {
    await bench.setUp('create table seen (n int primary key)')
    const reader = await listenAt(3, 'b')
    const counts: Promise<number>[] = []
    reader.client.on('notification', ({ payload }) => {
      const n = Number(payload)
      const counted = reader.client.query<{ n: number }>('select count(*)::int as n from seen where n <= $1', [n])
      counts.push(counted.then(({ rows }) => rows[0]?.n ?? -1))
    })
    const writer = await bench.on(1)
    for (let n = 1; n <= 20; n++) {
      await writer.query(
        n % 2 === 0
          ? `insert into seen values (${n})`
          : `with row as (insert into seen values (${n}) returning n) select pg_notify('b', n::text) from row`,
      )
    }
    await until('all were heard', () => counts.length === 10)
    assert.deepEqual(await Promise.all(counts), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
    await reader.client.end()
  })

  test('equal ones are told once for a transaction, and once for each', async () => {
    const client = await bench.on(2)
    await client.query("begin; select pg_notify('a', 'x'), pg_notify('a', 'y'), pg_notify('a', 'x'); commit")
    await client.query("select pg_notify('a', 'x')")
    await client.query("select pg_notify('a', 'x')")
    await assertHeard(['a x', 'a y', 'a x', 'a x'])
  })

  test('equal ones of many transactions at a time arrive as often as they were committed', async () => {
    const clients = await Promise.all(
      nodes.flatMap((number) => [1, 2, 3, 4].map(() => bench.cluster().connect(number))),
    )
    const rounds = 10
    for (let i = 0; i < rounds; i++) {
      await Promise.all(clients.map((client) => client.query("select pg_notify('a', 'same')")))
    }
    await Promise.all(clients.map((client) => client.end()))
    await assertHeard(Array.from({ length: clients.length * rounds }, () => 'a same'))
  })

  test('what was rolled back is not told, to a savepoint either', async () => {
    const client = await bench.on(3)
    await client.query("begin; select pg_notify('a', 'no'); rollback")
    await client.query(
      "begin; select pg_notify('a', 'before'); savepoint s; select pg_notify('a', 'no'); rollback to s",
    )
    await client.query("select pg_notify('a', 'behind')")
    await client.query('commit')
    await errorOf(client.query("select pg_notify('a', 'no'), 1 / 0"))
    await assertHeard(['a before', 'a behind'])
  })

  test('from a trigger, and from a function that is not its owner’s', async () => {
    await bench.setUp(
      'create table watched (id int primary key, v text)',
      `create function tell() returns trigger language plpgsql as
       $$ begin perform pg_notify('a', tg_op || ' ' || new.id); return new; end $$`,
      'create trigger tell after insert or update on watched for each row execute function tell()',
      'create role clerk',
      'grant all on watched to clerk',
    )
    const client = await bench.on(2)
    await client.query("insert into watched values (1, 'x'), (2, 'y')")
    await client.query('set role clerk')
    await client.query("update watched set v = 'z' where id = 2")
    const outcomes = []
    for (const sql of ['select * from allwrite.notification', "insert into allwrite.notification values ('a', 'b')"]) {
      if (!isControl) outcomes.push((await errorOf(client.query(sql))).code)
    }
    await client.query('reset role')
    assert.deepEqual(outcomes, isControl ? [] : ['42501', '0A000'])
    await assertHeard(['a INSERT 1', 'a INSERT 2', 'a UPDATE 2'])
  })

  test('with a schema change in its transaction', async () => {
    const client = await bench.on(1)
    await client.query(
      "begin; create table changed (id int); insert into changed values (1); select pg_notify('a', 'ddl'); commit",
    )
    await assertHeard(['a ddl'])
  })

  test('NULL, the longest payload, and what is too long are as in PostgreSQL', async () => {
    await using plain = await startPlainServer()
    const { Client } = (await import('pg')).default
    const bare = new Client({ connectionString: plain.url })
    await bare.connect()
    const client = await bench.on(2)
    for (const sql of [
      "select pg_notify('', 'x')",
      "select pg_notify(null, 'x')",
      "select pg_notify(repeat('c', 64), 'x')",
      "select pg_notify('a', repeat('p', 8000))",
      `notify a, '${'p'.repeat(8000)}'`,
      'notify ""',
      'notify a, 1',
    ]) {
      const [ours, theirs] = [await errorOf(client.query(sql)), await errorOf(bare.query(sql))]
      assert.deepEqual([ours.code, ours.message], [theirs.code, theirs.message], sql)
    }
    await bare.end()
    await client.query("select pg_notify('a', null)")
    await client.query("select pg_notify('a', repeat('€', 2666))")
    await client.query(`notify a, '${'p'.repeat(7999)}'`)
    await assertHeard(['a ', `a ${'€'.repeat(2666)}`, `a ${'p'.repeat(7999)}`])
  })
})

describe('NOTIFY', () => {
  test('in simple and extended protocol, prepared, in and outside of blocks', async () => {
    const client = await bench.on(1)
    const prepared = { name: 'told', text: "notify a, 'prepared'" }
    const tags = [
      await client.query('notify a'),
      await client.query("/* so */ NOTIFY b, 'it''s'; "),
      await client.query(prepared),
      await client.query(prepared),
      await client.query({ text: `notify "A b", $$x$$`, queryMode: 'extended' } as pg.QueryConfig),
    ].map(({ command, rows }) => [command, rows.length])
    assert.deepEqual(
      tags,
      tags.map(() => ['NOTIFY', 0]),
    )
    await client.query('begin')
    await client.query("notify a, 'no'")
    await client.query('rollback')
    await client.query('begin')
    await client.query(prepared)
    await client.query("notify a, 'in'")
    await client.query('commit')
    await assertHeard(['a ', "b it's", 'a prepared', 'a prepared', 'A b x', 'a prepared', 'a in'])
  })

  test(
    'is refused where it would not be seen, and in a transaction that only reads',
    { skip: needsCluster },
    async () => {
      const client = await bench.on(2)
      for (const sql of [
        'do $$ begin notify a; end $$',
        "do $$ begin execute 'notify a'; end $$",
        'create function f() returns void language plpgsql as $$ begin notify a; end $$',
      ]) {
        const { code, hint } = await errorOf(client.query(sql))
        assert.deepEqual([code, /pg_notify/.test(hint)], ['0A000', true], sql)
      }
      await client.query('begin read only')
      assert.equal((await errorOf(client.query('notify a'))).code, '25006')
      await client.query('rollback')
      await assertHeard([])
    },
  )
})

describe('failures', { skip: needsCluster }, () => {
  test('a transaction that was lost after its append is told once at home, too (RULES 2)', async () => {
    const home = await bench.cluster().connect(1)
    home.on('error', () => undefined)
    const backend = await backendOf(home)
    await home.query("begin; select pg_notify('a', 'lost')")
    let told: Promise<string> | undefined
    await whileStopped(bench.cluster().journalPid(), async () => {
      told = commitOutcome(home)
      await runFor(appendedMs)
      await bench.withClient(1, (other) => other.query('select pg_terminate_backend($1, 5000)', [backend]))
    })
    assert.equal(await told, 'commit')
    await home.end().catch(() => undefined)
    await assertHeard(['a lost'])
  })

  test('kill -9 of an agent while notifications flow: survivors miss none, hear none twice, in one order', async (context) => {
    const cluster = bench.cluster()
    const acknowledged: string[] = []
    let stop = false
    const writers = nodes.map(async (number) => {
      for (let i = 0; !stop; i++) {
        const payload = `${number}.${i}`
        try {
          const client = await bench.on(number)
          await client.query(`select pg_notify('a', '${payload}')`)
          acknowledged.push(`a ${payload}`)
        } catch {
          await runFor(50)
        }
      }
    })
    await runFor(700)
    const victim = (await cluster.status()).find(({ id }) => id === 'n3')
    assert(victim?.agentPid)
    signal(victim.agentPid, 'SIGKILL')
    await runFor(testSeconds(2) * 1000)
    await bench.serving()
    stop = true
    await Promise.all(writers)
    const survivors = listeners.slice(0, 2)
    await settled(survivors)
    const [first, second] = survivors.map(wordsOf)
    assert(first && second)
    assert.deepEqual(first, second)
    assert.equal(new Set(first).size, first.length, 'nothing is told twice')
    assert.deepEqual(
      acknowledged.filter((line) => !first.includes(line)),
      [],
    )
    context.diagnostic(`${acknowledged.length} acknowledged, ${first.length} heard`)
    assert(acknowledged.some((line) => line.startsWith('a 3.')))
    await assertAllEqual(cluster)
  })

  test('nothing of it stays anywhere, and the journal can be replayed', async () => {
    for (const number of nodes) {
      const client = await bench.on(number)
      const { rows } = await client.query('select count(*)::int as n from allwrite.notification')
      assert.deepEqual(rows, [{ n: 0 }])
    }
    await assertReplayEqual(bench.cluster())
  })
})

/** One statement, so that its conflicts with other nodes are not shown; the row's lock orders all. */
const hotStep = async (client: pg.Client): Promise<void> => {
  for (;;) {
    try {
      await client.query("with hot as (update hot set n = n + 1 returning n) select pg_notify('a', n::text) from hot")
      return
    } catch (error) {
      if (fieldsOf(error).code !== '40001') throw error
    }
  }
}
