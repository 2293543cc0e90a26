/** A workload that can not fail shows nothing: two servers that know nothing of each other are a cluster that lost everything. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPlainServer } from '../plain-server.ts'
import type { PlainServer } from '../plain-server.ts'
import { createRandom, testSeed } from '../random.ts'
import { bank } from './bank.ts'
import type { Workload } from './contract.ts'
import { foreignKey } from './foreign-key.ts'
import { listAppend } from './list-append.ts'
import { longFork } from './long-fork.ts'
import { monotonic } from './monotonic.ts'
import { sequences } from './sequences.ts'
import { connectTo } from './sessions.ts'
import { set } from './set.ts'
import { unique } from './unique.ts'

let servers: readonly PlainServer[] = []
before(async () => {
  servers = await Promise.all([startPlainServer(), startPlainServer()])
})
after(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())))

const runMsMax = 1_000

const caught: readonly [workload: () => Workload, anomalies: readonly string[]][] = [
  [listAppend, ['lost', 'divergent', 'incompatible-order']],
  [bank, ['lost']],
  [longFork, ['long fork']],
  [unique, ['two winners', 'lost']],
  [foreignKey, ['lost']],
  [set, ['lost']],
  [monotonic, ['lost update', 'lost']],
  [sequences, ['twice', 'lost']],
]

for (const [create, anomalies] of caught) {
  const workload = create()
  test(`${workload.name} on two servers that are no cluster: ${anomalies.join(', ')}`, async (context) => {
    const random = createRandom(testSeed())
    context.diagnostic(`ALLWRITE_TEST_SEED=${random.seed}`)
    const urls = servers.map(({ url }) => url)
    for (const url of urls) {
      const client = await connectTo(url)
      await workload.setUp(client)
      await client.end()
    }
    await workload.run({ urls, random, signal: AbortSignal.timeout(runMsMax) })
    const verdict = await workload.judge(urls)
    assert(verdict.transactions > 0)
    for (const name of anomalies) {
      assert((verdict.anomalies[name] ?? 0) > 0, `${name} was not found: ${JSON.stringify(verdict)}`)
    }
    assert.match(verdict.witness, new RegExp(anomalies[0] ?? ''))
  })
}
