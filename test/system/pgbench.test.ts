/** pgbench's TPC-B on all nodes at once: the money adds up, and every node holds the same. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import { numberFromEnv, testSeconds } from '#testing/wait.ts'

const scale = numberFromEnv('ALLWRITE_TEST_PGBENCH_SCALE', 1)
const skip = missing('pgbench')

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 4 })
})
after(() => cluster?.[Symbol.asyncDispose]())

test('pgbench initialises through one node, and all nodes hold its tables', { skip }, async (context) => {
  const { code, stderr } = await run('pgbench', ['-i', '-s', String(scale)], { env: libpqEnv(cluster.urlOf(1)) })
  assert.equal(code, 0, stderr)
  const sums = await assertAllEqual(cluster)
  context.diagnostic(JSON.stringify(sums))
  assert.match(sums['public.pgbench_accounts'] ?? '', new RegExp(`^${scale * 100_000} rows`))
})

for (const mode of ['simple', 'extended', 'prepared']) {
  test(`pgbench -M ${mode} on all nodes at once: balances agree everywhere`, { skip }, async (context) => {
    const seconds = String(testSeconds(5))
    // --max-tries=0 with -T: a conflict (40001) is retried until the time is over, as a client of the cluster should.
    const args = ['-n', '-M', mode, '-T', seconds, '--max-tries=0']
    const runs = await Promise.all(
      cluster.nodes.map(({ url }, index) =>
        run('pgbench', [...args, '-c', String(index + 1)], {
          env: libpqEnv(url),
          msMax: 120_000 + Number(seconds) * 2_000,
        }),
      ),
    )
    for (const { code, stdout, stderr } of runs) {
      // stderr first: a report that is cut off must hold the reason.
      assert.equal(code, 0, `${stderr}\n${stdout}`)
      context.diagnostic(
        stdout
          .split('\n')
          .filter((line) => /actually processed|failed|retried|retries|^tps/.test(line))
          .join('; '),
      )
    }
    const processed = runs.map(({ stdout }) => Number(/actually processed: (\d+)/.exec(stdout)?.[1]))
    assert(processed.reduce((sum, count) => sum + count, 0) > 0, `no transaction got through: ${processed.join(', ')}`)

    const sums = await assertAllEqual(cluster)
    assert(sums['public.pgbench_history'] !== undefined)
    for (const number of [1, 2, 3, 4]) {
      const client = await cluster.connect(number)
      const { rows } = await client.query<Record<string, string>>(
        `select (select sum(abalance) from pgbench_accounts) as accounts, (select sum(bbalance) from pgbench_branches) as branches,
          (select sum(tbalance) from pgbench_tellers) as tellers, (select coalesce(sum(delta), 0) from pgbench_history) as history`,
      )
      await client.end()
      assert.equal(new Set(Object.values(rows[0] ?? {})).size, 1, `n${number}: ${JSON.stringify(rows[0])}`)
    }
  })
}
