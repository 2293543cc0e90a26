/**
 * Prisma's schema engine, as WebAssembly, on the folder `prisma/migrations`: what `prisma migrate deploy` does. The engine's executables are in
 * no package; this build of it is Prisma's own for its command line with driver adapters.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'
import { __wbg_set_wasm as setMemory } from '@prisma/schema-engine-wasm/schema_engine_bg'

/** The sources' folder: this file is dist/test/migrations/prisma.js. */
const folder = fileURLToPath(new URL('../../../test/migrations/prisma/migrations/', import.meta.url))

/** TypeScript has it among the types of browsers. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: object,
  ): Promise<{ readonly instance: { readonly exports: Readonly<Record<string, unknown>> } }>
}

/** As the package's entry does it, which needs a flag of Node's to import a module of WebAssembly. */
const load = async (): Promise<void> => {
  const path = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg'))
  const { instance } = await WebAssembly.instantiate(readFileSync(path), { './schema_engine_bg.js': { ...glue } })
  const start = instance.exports['__wbindgen_start']
  if (typeof start !== 'function') throw new Error('the engine has no start')
  setMemory(instance.exports)
  start()
}
let loaded: Promise<void> | undefined

const readList = (names: readonly string[]): glue.MigrationList => ({
  baseDir: folder,
  lockfile: { path: 'migration_lock.toml', content: readFileSync(join(folder, 'migration_lock.toml'), 'utf8') },
  shadowDbInitScript: '',
  migrationDirectories: names.map((name) => ({
    path: name,
    migrationFile: {
      path: 'migration.sql',
      content: { tag: 'ok', value: readFileSync(join(folder, name, 'migration.sql'), 'utf8') },
    },
  })),
})

/** Ascending. */
const names = readdirSync(folder)
  .filter((name) => /^\d/.test(name))
  .sort()

/**
 * `prisma migrate deploy` of the first `count` migrations, all where none is given. One that has failed is marked as rolled back before, as its
 * operator would do it (`prisma migrate resolve --rolled-back`): Prisma does not try again what has failed.
 */
export const deploy = async (url: string, count = names.length): Promise<void> => {
  await (loaded ??= load())
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: url }))
  const datamodel = 'datasource db { provider = "postgresql" }'
  const engine = await glue.SchemaEngine.new({ datamodels: [['schema.prisma', datamodel]] }, () => undefined, adapter)
  try {
    const migrationsList = readList(names.slice(0, count))
    const filters = { externalTables: [], externalEnums: [] }
    const { failedMigrationNames } = await engine.diagnoseMigrationHistory({
      migrationsList,
      optInToShadowDatabase: false,
      filters,
    })
    for (const migrationName of failedMigrationNames) await engine.markMigrationRolledBack({ migrationName })
    await engine.applyMigrations({ migrationsList, filters })
  } finally {
    engine.free()
  }
}
