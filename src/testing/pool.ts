/**
 * A pool process in front of a test's cluster.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import type { Cluster } from './cluster.ts'

const program = fileURLToPath(new URL('../main/pool.js', import.meta.url))

export interface PoolProcess extends AsyncDisposable {
  readonly url: string
  readonly pid: number
}

/** @param settings by the names of RDS Proxy (src/proxy/pool/settings.ts) */
export async function startPool(
  cluster: Cluster,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<PoolProcess> {
  const url = new URL(cluster.urlOf(1))
  const folder = mkdtempSync(join(tmpdir(), 'allwrite-pool-'))
  const config = join(folder, 'pool.json')
  const nodes = cluster.nodes.map((node) => ({
    node: Number(node.id.slice(1)),
    host: url.hostname,
    port: Number(new URL(node.url).port),
  }))
  const steward = { user: url.username, password: decodeURIComponent(url.password), database: url.pathname.slice(1) }
  writeFileSync(config, JSON.stringify({ host: url.hostname, port: 0, nodes, steward, settings }), { mode: 0o600 })
  const child = spawn(process.execPath, ['--enable-source-maps', program, config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const [line]: string[] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(() => []),
  ])
  if (line === undefined) throw new Error('the pool has ended before it was ready')
  const ready: { readonly port: number } = JSON.parse(line)
  url.port = String(ready.port)
  return {
    url: url.href,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}
