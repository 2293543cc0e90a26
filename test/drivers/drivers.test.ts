/** Applications of the Node world, with unmodified libraries: what they see of a cluster is what they see of a bare PostgreSQL. */
import { after, before } from 'node:test'
import { startPair } from '#testing/pair.ts'
import type { Pair } from '#testing/pair.ts'
import { compareWithBare } from './compare.ts'
import { drizzle } from './drizzle.ts'
import { graphileWorker } from './graphile-worker.ts'
import { knex } from './knex.ts'
import { kysely } from './kysely.ts'
import { nodePostgres } from './node-postgres.ts'
import { pgBoss } from './pg-boss.ts'
import { postgresJs } from './postgres-js.ts'
import type { Scenario } from './scenario.ts'
import { sequelize } from './sequelize.ts'
import { typeorm } from './typeorm.ts'

let started: Pair | undefined
before(async () => {
  started = await startPair({ nodes: 3 })
})
after(async () => {
  await started?.[Symbol.asyncDispose]()
})

const places = (): Pair => {
  if (started === undefined) throw new Error('not started')
  return started
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'node-postgres': nodePostgres,
  'postgres.js': postgresJs,
  kysely,
  knex,
  sequelize,
  typeorm,
  drizzle,
  'pg-boss': pgBoss,
  'graphile-worker': graphileWorker,
}
/** Its workers upsert their tasks at the same time, and an upsert that finds its row burns an id. */
const byTiming: Readonly<Record<string, readonly string[]>> = { 'graphile-worker': ['graphile_worker._private_tasks'] }

for (const [name, scenario] of Object.entries(scenarios)) compareWithBare(name, places, scenario, byTiming[name])
