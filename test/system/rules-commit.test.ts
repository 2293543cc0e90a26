/** RULES 1, 2, 10, 14: between append and COMMIT, and across crashes, only the journal decides. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { signal } from '#testing/processes.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'
import { backendOf, commitOutcome, useCluster, whileStopped } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

/** Long enough that a COMMIT which was sent has reached the journal's socket, ms. If not, the test fails. */
const appendedMs = 400

const statusOf = async (id: string): Promise<{ agentPid: number; postgresPid: number }> => {
  const node = (await bench.cluster().status()).find((status) => status.id === id)
  assert(node?.agentPid && node.postgresPid, `${id} has no processes`)
  return { agentPid: node.agentPid, postgresPid: node.postgresPid }
}

/** A transaction whose append is in flight while `strike` happens; resolves with what its client was told. */
const strikeAfterAppend = async (
  settings: readonly string[],
  strike: (pid: number) => Promise<void>,
): Promise<string> => {
  const client = await bench.cluster().connect(2)
  try {
    for (const setting of settings) await client.query(setting)
    const pid = await backendOf(client)
    await client.query('begin')
    await client.query(`insert into decided select coalesce(max(id), 0) + 1 from decided`)
    let told: Promise<string> | undefined
    await whileStopped(bench.cluster().journalPid(), async () => {
      told = commitOutcome(client)
      await runFor(appendedMs)
      await strike(pid)
    })
    return (await told) ?? ''
  } finally {
    await client.end().catch(() => undefined)
  }
}

const strikes: Readonly<Record<string, readonly [readonly string[], (pid: number) => Promise<void>]>> = {
  pg_terminate_backend: [
    [],
    async (pid) => {
      await bench.withClient(2, (other) => other.query('select pg_terminate_backend($1, 5000)', [pid]))
    },
  ],
  pg_cancel_backend: [
    [],
    async (pid) => {
      await bench.withClient(2, (other) => other.query('select pg_cancel_backend($1)', [pid]))
    },
  ],
  // Long enough that on a loaded machine none of them strikes before the append.
  idle_in_transaction_session_timeout: [[`set idle_in_transaction_session_timeout = '1s'`], () => runFor(1_500)],
  transaction_timeout: [[`set transaction_timeout = '1500ms'`], () => runFor(2_000)],
  statement_timeout: [[`set statement_timeout = '1s'`], () => runFor(1_500)],
}

for (const [name, [settings, strike]] of Object.entries(strikes)) {
  test(
    `${name} after the append: the client is told committed, every node has the row (RULES 2)`,
    { skip },
    async () => {
      await bench.setUp('create table if not exists decided (id int primary key)')
      const before = Number(await bench.everywhere('select count(*) from decided'))
      const told = await strikeAfterAppend(settings, strike)
      await assertAllEqual(bench.cluster())
      const rows = Number(await bench.everywhere('select count(*) from decided')) - before
      assert.deepEqual({ told, rows }, { told: 'commit', rows: 1 })
    },
  )
}

test(
  'a record in flight when its agent dies: everywhere or nowhere, and no later one is taken for it (RULES 1)',
  { skip },
  async () => {
    await bench.setUp('create table flight (id int primary key)')
    const { agentPid } = await statusOf('n2')
    const client = await bench.cluster().connect(2)
    await client.query('begin')
    await client.query('insert into flight values (1)')
    let told: Promise<string> | undefined
    await whileStopped(bench.cluster().journalPid(), async () => {
      told = commitOutcome(client)
      await runFor(appendedMs)
      signal(agentPid, 'SIGKILL')
      // Until the successor is there and wants to fence: then both wait at the journal's door.
      await until('n2 has a new agent', async () => {
        const node = (await bench.cluster().status()).find(({ id }) => id === 'n2')
        return node?.agentPid !== null && node?.agentPid !== agentPid
      })
    })
    assert.notEqual(await told, 'commit')
    await bench.serving()
    for (let id = 2; id < 20; id++)
      await bench.withClient(2, (after) => after.query('insert into flight values ($1)', [id]))
    await assertAllEqual(bench.cluster())
    assert.equal(
      await bench.everywhere('select count(*) from flight where id > 1'),
      '18',
      'an acknowledged record does not exist',
    )
  },
)

test(
  'kill -9 of one backend between append and COMMIT: its node recovers, all nodes are equal (RULES 2)',
  { skip },
  async () => {
    await bench.setUp('create table if not exists decided (id int primary key)')
    const before = Number(await bench.everywhere('select count(*) from decided'))
    const { postgresPid } = await statusOf('n2')
    const told = await strikeAfterAppend([], (pid) => Promise.resolve(signal(pid, 'SIGKILL')))
    await until(
      'n2 has a new server',
      async () => {
        const node = (await bench.cluster().status()).find(({ id }) => id === 'n2')
        return node?.state === 'serving' && node.postgresPid !== postgresPid
      },
      { msMax: 60_000, everyMs: 100 },
    )
    await bench.serving()
    await assertAllEqual(bench.cluster())
    const rows = Number(await bench.everywhere('select count(*) from decided')) - before
    // The append reached the journal, so the row is there whatever the client could still be told.
    assert.equal(rows, 1, `told ${told}`)
  },
)

/** Runs one transaction until it commits. Its last attempt may have an unknown outcome when the connection is lost. */
type Tally = { acknowledged: number; unknown: number; errors: Map<string, number> }

const workers = async (
  perNode: number,
  turn: (client: pg.Client) => Promise<void>,
  whileRunning: () => Promise<void>,
): Promise<Tally> => {
  const tally: Tally = { acknowledged: 0, unknown: 0, errors: new Map() }
  const stop = new AbortController()
  const all = [1, 2, 3, 4].flatMap((number) =>
    Array.from({ length: perNode }, async () => {
      let client: pg.Client | undefined
      while (!stop.signal.aborted) {
        try {
          client ??= await bench.cluster().connect(number)
          await turn(client)
          tally.acknowledged++
        } catch (thrown) {
          const { code, message } = fieldsOf(thrown)
          const name = code === '' ? message : code
          tally.errors.set(name, (tally.errors.get(name) ?? 0) + 1)
          const reused = code !== '' && !code.startsWith('57') && !code.startsWith('08')
          if (!reused) {
            tally.unknown++
            await client?.end().catch(() => undefined)
            client = undefined
          } else await client?.query('rollback').catch(() => undefined)
        }
      }
      await client?.end().catch(() => undefined)
    }),
  )
  try {
    await whileRunning()
  } finally {
    stop.abort()
    await Promise.all(all)
  }
  return tally
}

test(
  'backends terminated at random under load: nothing acknowledged is lost, nothing is done twice (RULES 2)',
  { skip },
  async (context) => {
    await bench.setUp(
      'create table shot (id int primary key, n int not null)',
      'insert into shot select n, 0 from generate_series(1, 40) n',
    )
    const increment = async (client: pg.Client): Promise<void> => {
      await client.query('begin')
      await client.query('update shot set n = n + 1 where id = $1', [1 + Math.floor(Math.random() * 40)])
      await client.query('commit')
    }
    const tally = await workers(2, increment, async () => {
      const end = performance.now() + testSeconds(4) * 1000
      const killers = await Promise.all([1, 2, 3, 4].map((number) => bench.cluster().connect(number)))
      while (performance.now() < end) {
        for (const killer of killers) {
          await killer.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
           where backend_type = 'client backend' and application_name = '' and usename = 'postgres' and pid <> pg_backend_pid()
             and state like 'idle in transaction%' order by random() limit 1`,
          )
        }
        await runFor(20)
      }
      await Promise.all(killers.map((killer) => killer.end()))
    })
    context.diagnostic(JSON.stringify({ ...tally, errors: [...tally.errors] }))
    await assertAllEqual(bench.cluster())
    const sum = Number(await bench.everywhere('select sum(n) from shot'))
    assert(tally.unknown > 0, 'no backend was hit')
    assert(
      sum >= tally.acknowledged && sum <= tally.acknowledged + tally.unknown,
      `${sum} increments, ${JSON.stringify(tally)}`,
    )
  },
)

test(
  "a parent's harmless update against its children's KEY SHARE: no deadlock, nothing lost (RULES 2)",
  { skip },
  async (context) => {
    await bench.setUp(
      'create table district (id int primary key, total int not null)',
      'create table orders (id bigserial primary key, district int not null references district)',
      'insert into district select n, 0 from generate_series(1, 4) n',
    )
    const order = async (client: pg.Client): Promise<void> => {
      const district = 1 + Math.floor(Math.random() * 4)
      await client.query('begin')
      await client.query('insert into orders (district) values ($1)', [district])
      await client.query('update district set total = total + 1 where id = $1', [district])
      await client.query('commit')
    }
    const tally = await workers(2, order, () => runFor(testSeconds(4) * 1000))
    context.diagnostic(JSON.stringify({ ...tally, errors: [...tally.errors] }))
    await assertAllEqual(bench.cluster())
    assert.equal(
      await bench.everywhere('select count(*) from orders'),
      await bench.everywhere('select sum(total) from district'),
    )
    assert.equal(Number(await bench.everywhere('select count(*) from orders')), tally.acknowledged)
    assert(tally.acknowledged > 20)
    assert.deepEqual(
      [...tally.errors.keys()].filter((code) => code !== '40001'),
      [],
      'only conflicts are told',
    )
  },
)

test(
  'thirty transactions wait for one row at one node: PostgreSQL serialises them, no conflict is told (RULES 11)',
  { skip },
  async () => {
    await bench.setUp('create table hot (id int primary key, n int not null)', 'insert into hot values (1, 0)')
    const clients = await Promise.all(Array.from({ length: 30 }, () => bench.cluster().connect(3)))
    try {
      const outcomes = await Promise.all(
        clients.map(async (client) => {
          await client.query('begin')
          const updated = await outcomeOf(client.query('update hot set n = n + 1 where id = 1'))
          if (updated !== 'ok') return updated
          try {
            return (await client.query('commit')).command.toLowerCase()
          } catch (thrown) {
            return JSON.stringify(fieldsOf(thrown))
          }
        }),
      )
      assert.deepEqual([...new Set(outcomes)], ['commit'])
    } finally {
      await Promise.all(clients.map((client) => client.end()))
    }
    await assertAllEqual(bench.cluster())
    assert.equal(await bench.everywhere('select n from hot'), '30')
  },
)

test(
  'sequence values are never drawn twice, across kill -9 of a node and of everything (RULES 14)',
  { skip },
  async () => {
    await bench.setUp(
      'create sequence tickets',
      'create sequence pooled increment by 50',
      'create sequence down increment by -3 minvalue -1000000 maxvalue -1 start with -1',
    )
    const drawn: Record<string, string[]> = { tickets: [], pooled: [], down: [] }
    let retried = 0
    const draw = async (): Promise<void> => {
      await Promise.all(
        [1, 2, 3, 4].map((number) =>
          bench.withClient(number, async (client) => {
            for (let turn = 0; turn < 40; turn++) {
              for (const [name, values] of Object.entries(drawn)) {
                // Values of a transaction that is rolled back are drawn too.
                const rollback = turn % 10 === 0
                if (rollback) await client.query('begin')
                try {
                  const { rows } = await client.query<{ value: string }>(`select nextval('${name}')::text as value`)
                  values.push(rows[0]?.value ?? '')
                } catch (thrown) {
                  // A new range comes between two transactions: the statement inside one is told to retry.
                  assert.equal(fieldsOf(thrown).code, '40001')
                  assert(rollback, 'a statement of its own is retried inside')
                  retried++
                }
                if (rollback) await client.query('rollback')
              }
            }
          }),
        ),
      )
    }
    await draw()
    const { agentPid, postgresPid } = await statusOf('n3')
    signal(postgresPid, 'SIGKILL')
    await until('n3 has a new agent', async () => {
      const node = (await bench.cluster().status()).find(({ id }) => id === 'n3')
      return node?.agentPid !== null && node?.agentPid !== agentPid
    })
    await bench.serving()
    await draw()
    await bench.cluster().killEverything()
    await bench.cluster().restart()
    await bench.serving()
    await draw()
    for (const [name, values] of Object.entries(drawn)) {
      assert(values.length > 400, `${values.length} values of ${name}, ${retried} retried`)
      assert.equal(new Set(values).size, values.length, `${name}: a value was drawn twice`)
    }
    assert(
      drawn['pooled']?.every((value) => (Number(value) - 1) % 50 === 0),
      'INCREMENT 50 stays 50',
    )
    assert(
      drawn['down']?.every((value) => (-1 - Number(value)) % 3 === 0),
      'INCREMENT -3 stays -3',
    )
  },
)

test(
  'with own traffic only, the origin stays near: a restart reads little again (RULES 10)',
  { skip },
  async (context) => {
    await bench.setUp('create table own (id int primary key, n int not null)', 'insert into own values (1, 0)')
    const end = performance.now() + testSeconds(4) * 1000
    await bench.withClient(1, async (client) => {
      while (performance.now() < end) await client.query('update own set n = n + 1')
    })
    const position = (await bench.cluster().status())[0]?.position ?? 0
    // Both apply all, so with a heartbeat the two origins meet; without one n1's stays where its last remote record was.
    const originOf = (number: number): Promise<bigint> =>
      bench.withClient(number, async (client) => {
        const { rows } = await client.query<{ lsn: string }>(
          `select max(s.remote_lsn - '0/0'::pg_lsn)::text as lsn from pg_replication_origin_status s`,
        )
        return BigInt(rows[0]?.lsn ?? '0')
      })
    await until(
      'the origin of n1 has caught up with its own traffic',
      async () => (await originOf(1)) === (await originOf(4)),
      {
        msMax: 5000,
      },
    )
    context.diagnostic(`${position} positions`)
  },
)
