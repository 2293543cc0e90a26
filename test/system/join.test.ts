/** A node can lose its data, or be away for longer than the journal keeps: it becomes a copy of a peer, and nobody else notices. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing, assertNothingLost } from '#testing/healed.ts'
import { describeErrors, loadTable, longestGap, startLoad } from '#testing/load.ts'
import type { Load } from '#testing/load.ts'
import { connectBehind } from '#testing/private-server.ts'
import { signal } from '#testing/processes.ts'
import { runFor, until } from '#testing/wait.ts'

const skip = needsCluster
/** Survivors may pause this long, ms: a donor on a machine with two cores shares them with the copy. */
const gapMsMax = 3000

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  // The journal keeps as little as it can: the segment in use, 64 MiB at most.
  cluster = await startCluster({ nodes: 4, args: ['--journal-retain', '1MB', '--journal-cap', '1MB'] })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.query('create table counters (id int primary key, n int not null)')
  await client.query('insert into counters select i, 0 from generate_series(1, 8) i')
  await client.query('create table large (id bigserial primary key, filling text)')
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

const folderOf = (number: number): string => join(cluster.dir, `n${number}`)

const serving = (): Promise<void> => allServing(cluster)

/** Nodes whose transaction ids a node's data folder holds, in turn. */
const lineageOf = async (number: number): Promise<number[]> => {
  const client = await cluster.connect(number)
  const { rows } = await client.query<{ node: number }>('select node from allwrite.lineage order by xid_from')
  await client.end()
  return rows.map(({ node }) => node).filter((node, i, all) => node !== all[i - 1])
}

/** Updates of a few rows from everywhere: a record that is applied twice, or never, or out of turn, is seen in a counter. */
const startCounting = (): { stop: () => Promise<void> } => {
  const stopping = new AbortController()
  const count = async (number: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      const client = await cluster.connect(number).catch(() => undefined)
      try {
        while (client && !stopping.signal.aborted) {
          await client.query('update counters set n = n + 1 where id = $1', [1 + Math.floor(Math.random() * 8)])
          await runFor(5)
        }
      } catch {
        // The node went, or another was first: again.
      }
      await client?.end().catch(() => undefined)
      await runFor(20)
    }
  }
  const counting = [1, 2, 4].map(count)
  return {
    stop: async () => {
      stopping.abort()
      await Promise.all(counting)
    },
  }
}

const underLoad = async (
  context: TestContext,
  survivors: readonly number[],
  work: (load: Load) => Promise<void>,
): Promise<void> => {
  const load = startLoad(
    cluster.nodes.map(({ url }) => url),
    1,
  )
  const counting = startCounting()
  let gap = Infinity
  try {
    await runFor(1000)
    const begun = performance.now()
    await work(load)
    await serving()
    const done = performance.now()
    gap = longestGap(load, survivors, begun, done)
    const writes = load.acknowledged.filter(({ at }) => at >= begun && at <= done).length
    context.diagnostic(
      `all serving after ${Math.round(done - begun)} ms with ${Math.round((1000 * writes) / (done - begun))} inserts/s; ` +
        `survivors' longest gap ${Math.round(gap)} ms`,
    )
    await runFor(1000)
  } finally {
    await Promise.all([load.stop(), counting.stop()])
  }
  context.diagnostic(`${load.acknowledged.length} rows acknowledged; errors: ${describeErrors(load)}`)
  await assertNothingLost(cluster, load)
  assert(gap < gapMsMax, `the survivors paused for ${gap} ms`)
}

test('a node whose data folder was deleted becomes a copy of a peer, under load', { skip }, async (context) => {
  await underLoad(context, [1, 2, 4], async () => {
    await cluster.command(['kill', 'n3'])
    rmSync(join(folderOf(3), 'pgdata'), { recursive: true })
    await cluster.command(['start', 'n3'])
  })
  assert.match((await lineageOf(3)).join(), /^[124],3$/, 'a copy of another')
  assert.deepEqual(
    readdirSync(folderOf(3)).filter((name) => /copy|partial|old|rebuild/.test(name)),
    [],
    'nothing of the copying is left',
  )
})

test('it serves as a donor itself, and a copy of the copy is right', { skip }, async (context) => {
  await underLoad(context, [1, 3, 4], async () => {
    await cluster.command(['kill', 'n2'])
    rmSync(folderOf(2), { recursive: true })
    await cluster.command(['start', 'n2'])
  })
  // The counters' clients are elsewhere: n3 has the least to do, and is the next one where all are equal.
  assert.match((await lineageOf(2)).join(), /^[124],3,2$/, 'a copy of n3, which was one itself')
})

test('an agent killed while it copies begins again by itself', { skip }, async (context) => {
  await underLoad(context, [1, 2, 4], async () => {
    await cluster.command(['kill', 'n3'])
    rmSync(join(folderOf(3), 'pgdata'), { recursive: true })
    const started = cluster.command(['start', 'n3'])
    await until('n3 copies', () => existsSync(join(folderOf(3), 'pgdata.partial')), { everyMs: 5 })
    const killed = (await cluster.status()).find(({ id }) => id === 'n3')?.agentPid
    assert(killed)
    signal(killed, 'SIGKILL')
    await started
  })
  assert.match((await lineageOf(3)).join(), /^[1-4,]+,3$/)
})

/** As if the machine had been started anew since the node ran without fsync. */
const machineEnded = ({ dir }: Cluster, number: number): void => {
  const mark = join(dir, `n${number}`, 'unsynced')
  assert(existsSync(mark))
  writeFileSync(mark, '00000000-0000-0000-0000-000000000000')
}

/** Fills the journal until it has forgotten its first segment. */
const trimJournal = async (): Promise<void> => {
  const segments = (): readonly string[] => readdirSync(join(cluster.dir, 'journal')).toSorted()
  const [first = ''] = segments()
  const client = await cluster.connect(1)
  for (let i = 0; i < 36; i++) await client.query(`insert into large (filling) values (repeat('x', 2000000))`)
  await client.end()
  await until('the journal has forgotten its beginning', () => !segments().includes(first), { msMax: 60_000 })
}

test('a node that was away longer than the journal keeps becomes a copy by itself', { skip }, async (context) => {
  await underLoad(context, [1, 2, 3], async () => {
    await cluster.command(['kill', 'n4'])
    await trimJournal()
    await cluster.command(['start', 'n4'])
  })
  assert.match((await lineageOf(4)).join(), /[123],4$/, 'a copy of another')
})

test('a node that was tampered with takes itself out and is made anew by itself', { skip }, async (context) => {
  await underLoad(context, [1, 2, 4], async () => {
    const before = (await cluster.status()).find(({ id }) => id === 'n3')?.agentPid
    const tamperer = await connectBehind(cluster, 3)
    await tamperer.query(
      'begin; set local session_replication_role = replica; delete from counters where id = 1; commit',
    )
    await tamperer.end()
    await until(
      'n3 has another agent',
      async () => {
        const now = (await cluster.status()).find(({ id }) => id === 'n3')
        return now?.state === 'serving' && now.agentPid !== before
      },
      { msMax: 60_000, everyMs: 100 },
    )
  })
  assert(existsSync(join(folderOf(3), 'pgdata.diverged', 'PG_VERSION')), 'what diverged is kept, to be looked at')
})

test('with the journal trimmed, an empty node is filled and all restart together', { skip }, async (context) => {
  await trimJournal()
  await underLoad(context, [1, 2, 4], async () => {
    await cluster.command(['kill', 'n3'])
    rmSync(folderOf(3), { recursive: true })
    await cluster.command(['start', 'n3'])
  })
  await cluster.killEverything()
  rmSync(folderOf(2), { recursive: true })
  machineEnded(cluster, 3)
  writeFileSync(join(folderOf(3), 'pgdata', 'of these data'), '')
  await cluster.restart()
  await serving()
  await assertAllEqual(cluster, 60_000)
  assert(
    !existsSync(join(folderOf(3), 'pgdata', 'of these data')),
    'what ran without fsync in another boot is replaced',
  )
})

test(
  'without a peer, a whole journal is enough: its own old records are applied like any (RULES 3)',
  { skip },
  async () => {
    await using alone = await startCluster({ nodes: 1 })
    const client = await alone.connect(1)
    await client.query('create table t (id serial primary key, n int)')
    for (let i = 0; i < 300; i++) await client.query('insert into t (n) values ($1)', [i])
    await client.query('alter table t add column late int default 7')
    await client.query('update t set n = -n where n % 2 = 0')
    const sum = 'select count(*)::int as rows, sum(n)::int as total, sum(late)::int as late, max(id) as last from t'
    const before = (await client.query<Record<string, number>>(sum)).rows
    await client.end()
    await alone.command(['kill', 'n1'])
    rmSync(join(alone.dir, 'n1', 'pgdata'), { recursive: true })
    await alone.command(['start', 'n1'])
    const again = await alone.connect(1)
    assert.deepEqual((await again.query(sum)).rows, before)
    const { rows } = await again.query<{ id: number }>('insert into t (n) values (0) returning id')
    assert((rows[0]?.id ?? 0) > (before[0]?.['last'] ?? 0), 'no value of a sequence is drawn twice')
    const now = (await again.query<Record<string, number>>(sum)).rows
    await again.end()

    await alone.command(['kill', 'n1'])
    machineEnded(alone, 1)
    await alone.command(['start', 'n1'])
    const anew = await alone.connect(1)
    assert.deepEqual(
      (await anew.query(sum)).rows,
      now,
      'nor is it different after a crash of the machine without fsync',
    )
    await anew.end()
  },
)
