/**
 * What a database is given when its agent opens it, before anything of the journal is looked at there. Idempotent.
 *
 * @module
 */
import type pg from 'pg'
import type { NodeId } from '../core/ids.ts'
import { installSchema } from './catalog/install.ts'
import { prepareSubscription, type SubscriptionOptions } from './server.ts'

export interface DatabaseOptions {
  readonly node: NodeId
  readonly agentSecret: string
  readonly subscription: SubscriptionOptions
}

export const prepareDatabase = async (admin: pg.Client, options: DatabaseOptions): Promise<void> => {
  await admin.query('SET default_transaction_read_only = off; SET session_replication_role = replica')
  await installSchema(admin, { agentSecret: options.agentSecret })
  await admin.query('INSERT INTO allwrite.heartbeat VALUES ($1, 0) ON CONFLICT DO NOTHING', [options.node])
  await prepareSubscription(admin, options.subscription)
  await admin.query('DELETE FROM allwrite.session_client')
  // What is applied before the own fence may have been applied before: no shares of sequences are taken from it.
  await admin.query('SELECT allwrite.forget_node()')
  await admin.query('SELECT allwrite.settle()')
}
