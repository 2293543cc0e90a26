/**
 * One more proxy in front of a test's cluster, as a user would start it.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { allwriteBin, type Cluster } from './cluster.ts'
import { freePorts } from './ports.ts'
import { until } from './wait.ts'

export interface ProxyProcess extends AsyncDisposable {
  /** Of its one endpoint. */
  readonly url: string
  readonly pid: number
}

/** @param args besides those that name the cluster and the endpoint's port */
export async function startProxy(
  cluster: Cluster,
  endpoint: 'cluster' | 'pinned',
  args: readonly string[] = [],
): Promise<ProxyProcess> {
  const port = await freePorts(1)
  const option = endpoint === 'cluster' ? '--port' : '--pinned-port'
  const child = spawn(allwriteBin, ['proxy', '--data', cluster.dir, option, String(port), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  await new Promise<void>((resolve, reject) => {
    lines.once('line', () => resolve())
    child.once('exit', (how) => reject(new Error(`the proxy ended (${how})`)))
  })
  const url = new URL(cluster.urlOf(1))
  url.port = String(port)
  return {
    url: String(url),
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.removeAllListeners('exit').once('exit', () => undefined)
      child.kill('SIGTERM')
      await Promise.race([
        ended,
        until('the proxy has ended', () => child.exitCode !== null || child.signalCode !== null),
      ])
    },
  }
}
