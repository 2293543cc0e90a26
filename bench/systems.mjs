/**
 * The systems that are compared. All are up at the same time and measured in turns; an idle one costs a few per cent of a core.
 */
import { existsSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startCluster } from '../dist/testing/cluster.js'
import { startPlainServer } from '../dist/testing/plain-server.js'
import { processesOf } from '../dist/testing/processes.js'
import { missing, run } from '../dist/testing/tools.js'
import { until } from '../dist/testing/wait.js'
import { targetOf } from './sysbench.mjs'

const repository = dirname(dirname(fileURLToPath(import.meta.url)))
const galeraScript = join(resolve(repository, process.env.PEERS_DIR ?? '../shared/peers'), 'galera.sh')

/** @typedef {{ targets: import('./sysbench.mjs').Target[], stop: () => Promise<void> }} Started */

/** @returns {Promise<Started>} */
const plain = async (nodes) => {
  const server = await startPlainServer()
  return {
    targets: Array.from({ length: nodes }, () => targetOf(server.url)),
    stop: () => server[Symbol.asyncDispose](),
  }
}

/** @returns {Promise<Started>} */
const allwrite = async (nodes) => {
  const cluster = await startCluster({ nodes, fsync: false })
  return { targets: cluster.nodes.map(({ url }) => targetOf(url)), stop: () => cluster[Symbol.asyncDispose]() }
}

/** @returns {Promise<Started>} */
const galera = async (nodes) => {
  const dir = `/var/tmp/allwrite-bench-galera-${process.pid}`
  const stop = async () => {
    await run(galeraScript, ['down', dir])
    await until('galera has ended', () => processesOf(dir).length === 0, { msMax: 60_000 })
    rmSync(dir, { recursive: true, force: true })
  }
  const { code, stdout, stderr } = await run(galeraScript, ['up', dir, String(nodes)], { msMax: 300_000 })
  if (code !== 0) {
    await stop()
    throw new Error(`galera.sh up: exit ${code}\n${stdout}\n${stderr}`)
  }
  const target = { driver: 'mysql', host: '127.0.0.1', user: 'sb', password: 'sb', database: 'sb' }
  return { targets: Array.from({ length: nodes }, (_, index) => ({ ...target, port: String(13_301 + index) })), stop }
}

/** Name → how to start it, and why it can't be measured here (false: it can). */
export const systems = {
  plain: { title: 'plain PostgreSQL', start: plain, missing: () => false },
  allwrite: { title: 'Allwrite', start: allwrite, missing: () => false },
  galera: {
    title: 'Galera',
    start: galera,
    missing: () => missing('mariadbd') || (existsSync(galeraScript) ? false : `${galeraScript} is not there`),
  },
}
