/**
 * The two sides of the comparison: a bare server and node 1 of a cluster, the same programs with the same settings.
 *
 * @module
 */
import { Client } from 'pg'
import type { Cluster } from '../cluster.ts'
import { startPair } from '../pair.ts'
import type { Pair } from '../pair.ts'
import { connectBehind } from '../private-server.ts'

export type Sides = Pair

/** Where a server is and who may connect: each has its own. */
const placeSettings = [
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'listen_addresses',
  'port',
  'unix_socket_directories',
  'unix_socket_permissions',
  'external_pid_file',
]

/** Plans depend on statistics, and those on when it came by. */
const withoutAutovacuum = ['alter system set autovacuum = off', 'select pg_reload_conf()']

const runAll = async (client: Client, statements: readonly string[]): Promise<void> => {
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const connected = async (url: string): Promise<Client> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

/** Settings that the agent started its server with. */
const settingsOf = async (cluster: Cluster): Promise<Record<string, string>> => {
  const client = await connectBehind(cluster, 1)
  try {
    const { rows } = await client.query<{ name: string; value: string }>(
      `select name, current_setting(name) as value from pg_settings where source = 'command line' and name <> all ($1)`,
      [placeSettings],
    )
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
  } finally {
    await client.end()
  }
}

/** Starts both. The caller disposes of them. */
export const startSides = async (nodes: number): Promise<Sides> => {
  const sides = await startPair({ nodes, fsync: false, detached: true }, settingsOf)
  try {
    for (const { id } of sides.cluster.nodes)
      await runAll(await connectBehind(sides.cluster, Number(id.slice(1))), withoutAutovacuum)
    await runAll(await connected(sides.bare.url), withoutAutovacuum)
    return sides
  } catch (error) {
    await sides[Symbol.asyncDispose]()
    throw error
  }
}
