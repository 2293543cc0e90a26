/**
 * The proxy process. Contract: argv[2] names a JSON file `{host, api, endpoints, lagMax?, pooling?}` (control/proxy-config.ts); the nodes' states come over
 * HTTP from `api`. Started by the supervisor it says `{type: 'ready'}` when it listens, then how it is, each second. Ends with 0 on SIGTERM,
 * SIGINT, or when the supervisor goes; with 1 if it can't listen.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import type { ChildMessage } from '../control/ipc.ts'
import { readProxyConfig } from '../control/proxy-config.ts'
import { startProxy } from '../proxy/index.ts'

const statusEveryMs = 1_000

const say = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message)
}

const run = async (): Promise<void> => {
  const path = process.argv[2]
  if (path === undefined) throw new AllwriteError('configuration', 'usage: proxy CONFIG.json')
  const log = (message: string) => void process.stderr.write(`${new Date().toISOString()} ${message}\n`)
  const proxy = await startProxy({ ...readProxyConfig(path), log })
  const stop = () => {
    // Nothing is left to write: what clients wait for is their nodes' to tell.
    void proxy.close().finally(() => process.exit(0))
  }
  for (const name of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(name, stop)
  process.on('SIGHUP', () => {
    proxy.reload().then(
      () => log('pg_hba.conf reloaded'),
      (thrown: unknown) => log(`pg_hba.conf was not reloaded: ${AllwriteError.from(thrown).message}`),
    )
  })
  say({ type: 'ready', postgresPid: null })
  setInterval(() => say({ type: 'proxy', status: proxy.status() }), statusEveryMs)
}

process.stderr.on('error', () => undefined)
run().catch((thrown: unknown) => {
  const { message, detail } = AllwriteError.from(thrown)
  process.stderr.write(`proxy: ${message}${detail === undefined ? '' : ` (${detail})`}\n`)
  say({ type: 'fatal', message })
  process.exitCode = 1
  process.disconnect?.()
})
