/** RULES 10: the journal's disk is bounded. */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { signal } from '#testing/processes.ts'
import { numberFromEnv, until } from '#testing/wait.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const mebibyte = 1024 ** 2
/** `--journal-cap` and one segment: a segment is laid out whole, and goes whole. */
const bytesMax = (192 + 64) * mebibyte
const bench = useCluster({ nodes: 2, args: ['--journal-retain', '128MiB', '--journal-cap', '192MiB'] })

const bytesBelow = (dir: string): number =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(dir, path), { throwIfNoEntry: false }))
    .reduce((sum, stat) => sum + (stat?.isFile() ? stat.size : 0), 0)

test('with a small --journal-cap the disk stays bounded (RULES 10)', { skip }, async (context) => {
  await bench.setUp(
    'create table blob (id int primary key, data text)',
    'alter table blob alter data set storage external',
  )
  const megabytes = numberFromEnv('ALLWRITE_TEST_JOURNAL_MB', 360)
  await bench.withClient(1, async (client) => {
    for (let turn = 0; turn < megabytes; turn += 4) {
      await client.query(
        `insert into blob values (1, repeat('x', 4000000)) on conflict (id) do update set data = excluded.data`,
      )
    }
  })
  await assertAllEqual(bench.cluster())
  const journal = join(bench.cluster().dir, 'journal')
  const used = (): number => bytesBelow(journal)
  await until('the journal is within its cap', () => used() <= bytesMax, { msMax: 20_000 }).finally(() => {
    context.diagnostic(`${Math.round(used() / mebibyte)} MiB after ${megabytes} MB`)
  })
})

test(
  'a node starts again although the cap took entries of the certification window (RULES 9, 10)',
  { skip },
  async () => {
    for (const [index, before] of (await bench.cluster().status()).entries()) {
      assert(before.agentPid)
      signal(before.agentPid, 'SIGKILL')
      await until(
        `n${index + 1} has a new agent and serves`,
        async () => {
          const now = (await bench.cluster().status())[index]
          return now?.state === 'serving' && now.agentPid !== before.agentPid
        },
        { msMax: 60_000, everyMs: 100 },
      )
    }
    await bench.withClient(2, (client) => client.query(`insert into blob values (2, 'after')`))
    await assertAllEqual(bench.cluster())
  },
)
