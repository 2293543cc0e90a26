/** sysbench's OLTP scripts run through the nodes as they run against PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import type { ToolResult } from '#testing/tools.ts'
import { testSeconds } from '#testing/wait.ts'

const skip = missing('sysbench')
const scripts = [
  'oltp_point_select',
  'oltp_read_only',
  'oltp_insert',
  'oltp_update_index',
  'oltp_update_non_index',
  'oltp_write_only',
  'oltp_read_write',
  'oltp_delete',
]

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 4 })
})
after(() => cluster?.[Symbol.asyncDispose]())

const sysbench = (url: string, script: string, command: string): Promise<ToolResult> => {
  const env = libpqEnv(url)
  const server = [
    `--pgsql-host=${env['PGHOST']}`,
    `--pgsql-port=${env['PGPORT']}`,
    `--pgsql-user=${env['PGUSER']}`,
    `--pgsql-db=${env['PGDATABASE']}`,
    `--pgsql-password=${env['PGPASSWORD']}`,
  ]
  const size = ['--tables=2', '--table-size=2000', '--threads=2', `--time=${testSeconds(2)}`]
  return run('sysbench', ['--db-driver=pgsql', ...server, ...size, script, command])
}

test('sysbench prepares its tables through one node', { skip }, async () => {
  const { code, stdout, stderr } = await sysbench(cluster.urlOf(1), 'oltp_read_write', 'prepare')
  assert.equal(code, 0, stdout + stderr)
  await assertAllEqual(cluster)
})

for (const script of scripts) {
  test(`sysbench ${script} runs on all nodes at once`, { skip }, async (context) => {
    const runs = await Promise.all(cluster.nodes.map(({ url }) => sysbench(url, script, 'run')))
    for (const { code, stdout, stderr } of runs) {
      assert.equal(code, 0, stdout + stderr)
      assert.doesNotMatch(stdout + stderr, /FATAL/)
      context.diagnostic(
        stdout
          .split('\n')
          .filter((line) => /transactions:|ignored errors/.test(line))
          .map((line) => line.trim())
          .join('; '),
      )
    }
    await assertAllEqual(cluster)
  })
}
