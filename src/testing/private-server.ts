/**
 * A way past a node's agent, which nobody else has: for tests that damage a node.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { superuser } from '../postgres/data-dir.ts'
import { existingRuntimeDir } from '../postgres/index.ts'
import type { Cluster } from './cluster.ts'

/** A connection to the private server of node `number`, as its agent's role; the caller ends it. */
export const connectBehind = async (cluster: Pick<Cluster, 'dir'>, number: number): Promise<Client> => {
  const runtime = existingRuntimeDir(cluster.dir)
  if (runtime === undefined) throw new Error('the cluster is not running')
  const secrets: { readonly agentSecret: string } = JSON.parse(readFileSync(join(cluster.dir, 'secret'), 'utf8'))
  const client = new Client({
    host: join(runtime, `n${number}`),
    port: 5432,
    user: superuser,
    password: secrets.agentSecret,
    database: 'postgres',
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
