/** Applications of the Node world, with unmodified libraries: what they see of a cluster is what they see of a bare PostgreSQL. */
import { after, before } from 'node:test'
import { compareWithBare, startPlaces } from './compare.ts'
import type { Places } from './compare.ts'
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

let started: Places | undefined
before(async () => {
  started = await startPlaces()
})
after(async () => {
  await started?.[Symbol.asyncDispose]()
})

const places = (): Places => {
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
for (const [name, scenario] of Object.entries(scenarios)) compareWithBare(name, places, scenario)
