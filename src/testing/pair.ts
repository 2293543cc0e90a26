/**
 * A bare server and a cluster that the same is run on, to see what differs: the same programs, the same settings.
 *
 * @module
 */
import { startCluster } from './cluster.ts'
import type { Cluster, ClusterOptions } from './cluster.ts'
import { startPlainServer } from './plain-server.ts'
import type { PlainServer } from './plain-server.ts'

export interface Pair extends AsyncDisposable {
  readonly bare: PlainServer
  readonly cluster: Cluster
}

/**
 * Starts both. The caller disposes of them.
 * @param settingsOf what else the bare server is to be set to, where the cluster is to be asked for it
 */
export const startPair = async (
  options: ClusterOptions,
  settingsOf: (cluster: Cluster) => Promise<Readonly<Record<string, string>>> = () => Promise.resolve({}),
): Promise<Pair> => {
  const cluster = await startCluster(options)
  try {
    const bare = await startPlainServer(await settingsOf(cluster))
    return {
      bare,
      cluster,
      [Symbol.asyncDispose]: async () => {
        try {
          await bare[Symbol.asyncDispose]()
        } finally {
          await cluster[Symbol.asyncDispose]()
        }
      },
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}
