/**
 * What a node's database is given at each start, before anything of the journal is looked at. Idempotent.
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import type pg from 'pg'
import type { NodeId } from '../core/ids.ts'
import { ensureOwned, serverIdentity } from '../postgres/index.ts'
import { installSchema } from './catalog/install.ts'
import { appRoleSql, prepareSubscription, type SubscriptionOptions } from './server.ts'

export interface DatabaseOptions {
  readonly node: NodeId
  readonly agentSecret: string
  readonly appRole: { readonly name: string; readonly verifier: string }
  readonly subscription: SubscriptionOptions
}

export const prepareDatabase = async (admin: pg.Client, options: DatabaseOptions): Promise<void> => {
  const { publisherDir } = options.subscription
  await admin.query('SET default_transaction_read_only = off; SET session_replication_role = replica')
  await installSchema(admin, { agentSecret: options.agentSecret })
  await admin.query(appRoleSql(options.appRole.name, options.appRole.verifier))
  await admin.query('INSERT INTO allwrite.heartbeat VALUES ($1, 0) ON CONFLICT DO NOTHING', [options.node])
  mkdirSync(publisherDir, { recursive: true, mode: 0o700 })
  // The server's user is who connects, and nobody else.
  ensureOwned(publisherDir, serverIdentity())
  await prepareSubscription(admin, options.subscription)
  // What is applied before the own fence may have been applied before: no shares of sequences are taken from it.
  await admin.query('SELECT allwrite.forget_node()')
  await admin.query('SELECT allwrite.settle()')
}
