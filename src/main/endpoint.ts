/**
 * The endpoint process. Contract: argv[2] names a JSON file `{host, port, tls}`; the supervisor sends the nodes over IPC;
 * `{type: 'ready'}` is sent when it listens. Ends with 0 on SIGTERM, SIGINT, or when the supervisor goes; with 1 if it can't listen.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { parseNodesMessage } from '../control/ipc.ts'
import { readJson } from '../control/json.ts'
import { startEndpoint } from '../proxy/index.ts'

const run = async (): Promise<void> => {
  const path = process.argv[2]
  const { host, port, tls } = (path === undefined ? undefined : readJson(path)) ?? {}
  if (typeof host !== 'string' || typeof port !== 'number') {
    throw new AllwriteError('configuration', 'usage: endpoint CONFIG.json, with "host" and "port"')
  }
  const endpoint = await startEndpoint({ host, port, tls: tls === true })
  process.on('message', (value) => {
    const message = parseNodesMessage(value)
    if (message) endpoint.update(message.nodes)
  })
  const stop = () => {
    // Nothing is left to write: what clients wait for is their nodes' to tell.
    void endpoint.close().finally(() => process.exit(0))
  }
  for (const name of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(name, stop)
  process.send?.({ type: 'ready' })
}

run().catch((thrown: unknown) => {
  const { message, detail } = AllwriteError.from(thrown)
  process.stderr.write(`endpoint: ${message}${detail === undefined ? '' : ` (${detail})`}\n`)
  process.send?.({ type: 'fatal', message })
  process.exitCode = 1
  process.disconnect?.()
})
