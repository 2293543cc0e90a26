/**
 * The first start of a copy: it stops being its donor. The copy comes with the donor's *enabled* subscription, which would
 * connect to the donor's agent within half a second (TRAPS, Recovery), and with the donor's lineage, which must end before the first xid of
 * our own. So it starts with neither apply workers nor autovacuum, is changed, and stops. Done again after a crash, it
 * ends the same.
 *
 * @module
 */
import { windowDefault } from '../../core/certifier.ts'
import { AllwriteError } from '../../core/errors.ts'
import { nodeName, type NodeId } from '../../core/ids.ts'
import { syncFolder } from '../../postgres/index.ts'
import { installSchema } from '../catalog/install.ts'
import { beforeFirstIncarnation, continueLineage } from '../recovery/lineage.ts'
import { originPosition } from '../recovery/progress.ts'
import { prepareSubscription, queryOf, startServer, type ServerOptions, type SubscriptionOptions } from '../server.ts'
import { readCopyMark, removeCopyMark } from './copy-mark.ts'

export interface AdoptOptions {
  readonly node: NodeId
  readonly server: Omit<ServerOptions, 'onExit'>
  readonly subscription: SubscriptionOptions
  readonly onProgress: (text: string) => void
}

/** Makes a copy this node's own; nothing where the data folder is none, or was adopted. */
export const adoptCopy = async (options: AdoptOptions): Promise<void> => {
  const { dataDir } = options.server
  const mark = readCopyMark(dataDir)
  if (mark === undefined) return
  options.onProgress(`starting the copy of ${nodeName(mark.donor)}`)
  const server = await startServer({
    ...options.server,
    settings: { max_logical_replication_workers: '0', autovacuum: 'off' },
    onExit: () => undefined,
  })
  try {
    const admin = await server.connect('join')
    const query = queryOf(admin)
    await admin.query('SET default_transaction_read_only = off; SET session_replication_role = replica')
    await installSchema(admin, { agentSecret: options.server.agentPassword })
    await prepareSubscription(admin, options.subscription)
    // Those of the other databases get their connection when they are opened; until then they are not to be enabled.
    await query(`UPDATE pg_subscription SET subenabled = false WHERE subname = 'allwrite'`)
    const held = await originPosition(query)
    if (held < mark.verdictsAt - windowDefault) {
      throw new AllwriteError('position_trimmed', `the copy stands at ${held}, its verdicts at ${mark.verdictsAt}`, {
        detail: 'Verdicts that it needs may be forgotten: its donor was too far behind the journal.',
      })
    }
    await continueLineage(query, { node: options.node, incarnation: beforeFirstIncarnation }, new Map(), held)
  } finally {
    // With a checkpoint: what was changed is on disk before the mark goes.
    await server.postgres.stop('fast')
  }
  removeCopyMark(dataDir)
  if (options.server.fsync) await syncFolder(dataDir)
}
