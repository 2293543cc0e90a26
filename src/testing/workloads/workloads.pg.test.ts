/**
 * A workload that can not fail shows nothing: two servers that know nothing of each other are a cluster that lost everything, and
 * one server's weaker isolation levels are clusters that keep less than they promise.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { AnomalyName, Level } from '../checker/anomalies.ts'
import { startPlainServer } from '../plain-server.ts'
import type { PlainServer } from '../plain-server.ts'
import { createRandom, testSeed } from '../random.ts'
import { bank } from './bank.ts'
import type { Verdict, Workload } from './contract.ts'
import { foreignKey } from './foreign-key.ts'
import { listAppend } from './list-append.ts'
import { longFork } from './long-fork.ts'
import { monotonic } from './monotonic.ts'
import { schemaChanges } from './schema-changes.ts'
import { sequences } from './sequences.ts'
import { connectTo, readCommitted, repeatableRead } from './sessions.ts'
import { set } from './set.ts'
import { unique } from './unique.ts'

let servers: readonly PlainServer[] = []
before(async () => {
  servers = await Promise.all([startPlainServer(), startPlainServer()])
})
after(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())))

const runMsMax = 1_500

const caught: readonly [workload: () => Workload, anomalies: readonly string[]][] = [
  [listAppend, ['lost', 'divergent', 'incompatible-order']],
  [bank, ['lost']],
  [longFork, ['long fork']],
  [unique, ['two winners', 'lost']],
  [foreignKey, ['lost']],
  [set, ['lost']],
  [monotonic, ['lost update', 'lost']],
  [sequences, ['twice', 'lost']],
  [schemaChanges, ['lost', 'divergent schema']],
]

const runOn = async (context: TestContext, workload: Workload, on: readonly PlainServer[]): Promise<Verdict> => {
  const random = createRandom(testSeed())
  context.diagnostic(`ALLWRITE_TEST_SEED=${random.seed}`)
  for (const { url } of on) {
    const client = await connectTo(url)
    await client.query('drop schema public cascade; create schema public')
    await workload.setUp(client)
    await client.end()
  }
  // The same number of sessions, however many servers.
  const urls = Array.from({ length: 4 }, (_, i) => on[i % on.length]!.url)
  await workload.run({ urls, random, signal: AbortSignal.timeout(runMsMax) })
  const verdict = await workload.judge(urls)
  context.diagnostic(JSON.stringify(verdict.anomalies))
  assert(verdict.transactions > 0)
  return verdict
}

for (const [create, anomalies] of caught) {
  const workload = create()
  test(`${workload.name} on two servers that are no cluster: ${anomalies.join(', ')}`, async (context) => {
    const verdict = await runOn(context, workload, servers)
    for (const name of anomalies) {
      assert((verdict.anomalies[name] ?? 0) > 0, `${name} was not found: ${JSON.stringify(verdict)}`)
    }
    assert(verdict.witness.includes(anomalies[0] ?? ''))
  })
}

const serializable = 'begin isolation level serializable'
const levels: readonly [begin: string, level: Level, anomaly: AnomalyName | undefined][] = [
  [serializable, 'serializable', undefined],
  [repeatableRead, 'strong-snapshot-isolation', undefined],
  [repeatableRead, 'serializable', 'G2-item'],
  [readCommitted, 'snapshot-isolation', 'G-single'],
]

for (const [begin, level, anomaly] of levels) {
  test(`one server, ${begin}: ${level} ${anomaly === undefined ? 'is kept' : `is broken by ${anomaly}`}`, async (context) => {
    // Few keys: anomalies are found within a second on a busy machine too.
    const workload = listAppend({ begin, level, liveKeys: 3, aloneShare: 0 })
    const { anomalies, witness } = await runOn(context, workload, servers.slice(0, 1))
    if (anomaly === undefined) assert.deepEqual(anomalies, {}, witness)
    else assert((anomalies[anomaly] ?? 0) > 0, JSON.stringify(anomalies))
  })
}
