/**
 * A pool process in front of fixed nodes. Contract: argv[2] names a JSON file `{host, port, nodes: [{node, host, port}], steward: {user,
 * password, database}, settings?}`; one line of JSON on stdout, `{"event": "ready", "port": …}`, tells when it listens. Ends with 0 on
 * SIGTERM and SIGINT; with 1 if it can't listen.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { readJson } from '../control/json.ts'
import { fixedRoutes, openPool, type FixedNode, type PoolOptions } from '../proxy/pool/index.ts'

const run = async (): Promise<void> => {
  const path = process.argv[2]
  const config = path === undefined ? undefined : readJson(path)
  if (config === undefined) throw new AllwriteError('configuration', 'usage: pool CONFIG.json')
  const { nodes, ...options } = config as unknown as { nodes: readonly FixedNode[] } & Omit<
    PoolOptions,
    'routes' | 'log'
  >
  const pool = await openPool({
    ...options,
    routes: fixedRoutes(nodes),
    log: { warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`) },
  })
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.once(name, () => void pool.close().finally(() => process.exit(0)))
  process.stdout.write(`${JSON.stringify({ event: 'ready', port: pool.port })}\n`)
}

run().catch((thrown: unknown) => {
  const { message, detail } = AllwriteError.from(thrown)
  process.stderr.write(`pool: ${message}${detail === undefined ? '' : ` (${detail})`}\n`)
  process.exitCode = 1
})
