/**
 * `allwrite proxy`: one more proxy for a running cluster, in the foreground. Any number may run side by side.
 *
 * @module
 */
import { Option, type Command } from 'commander'
import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import {
  parseEndpoint,
  startProxy,
  type EndpointSpec,
  type Pooling,
  type PoolSettings,
  type Proxy,
} from '../../proxy/index.ts'
import { readSecrets } from '../cluster-dir.ts'
import { askSupervisor } from '../control-client.ts'
import { answer, isLook, send, targetOf } from '../http.ts'
import { fieldsOf } from '../json.ts'
import { metricsType, proxyMetrics } from '../metrics.ts'
import { listenHost, parseLag, parsePoolSettings, parsePort, requireTlsPair } from '../options.ts'
import { poolingOf } from '../proxy-config.ts'
import { notRunning } from './fail.ts'
import { checkedOption, dataOption, examples } from './program.ts'

export function addProxy(program: Command): void {
  const port = (flags: string, what: string, env: string) => checkedOption(flags, what, env, parsePort)
  program
    .command('proxy')
    .description('run one more proxy for a running cluster; Ctrl-C stops it')
    .addOption(dataOption())
    .addOption(
      new Option('--api <url>', "the cluster's HTTP API (default: of the cluster in --data)").env('ALLWRITE_API'),
    )
    .addOption(port('--port <port>', 'of the cluster endpoint', 'ALLWRITE_PROXY_PORT'))
    .addOption(port('--reader-port <port>', 'of the reader endpoint', 'ALLWRITE_PROXY_READER_PORT'))
    .addOption(port('--pinned-port <port>', 'of the pinned endpoint', 'ALLWRITE_PROXY_PINNED_PORT'))
    .addOption(port('--http-port <port>', 'of its own /metrics and /health', 'ALLWRITE_PROXY_HTTP_PORT'))
    .addOption(endpointOption())
    .addOption(readerLagOption())
    .addOption(poolOption())
    .addOption(noPoolOption())
    .addOption(
      new Option('--tls-cert <file>', 'certificate for clients of pooled endpoints, PEM').env('ALLWRITE_TLS_CERT'),
    )
    .addOption(new Option('--tls-key <file>', 'its key, PEM').env('ALLWRITE_TLS_KEY'))
    .addHelpText(
      'after',
      examples(
        'allwrite proxy --port 25432 --reader-port 25433 --pinned-port 25434',
        'allwrite proxy --api http://127.0.0.1:15435 --endpoint reports=reader@25500:n2,n3 --http-port 25435',
      ),
    )
    .action(async (options: unknown) => run(fieldsOf(options)))
}

/** `--endpoint`, which may be repeated. */
export const endpointOption = (): Option =>
  new Option('--endpoint <spec...>', 'an endpoint of your own: NAME=reader|writer|any@PORT[:n1,n2 or :-n1]').env(
    'ALLWRITE_ENDPOINT',
  )

export const readerLagOption = (): Option =>
  checkedOption(
    '--reader-lag <entries>',
    "how far behind the journal a reader's node may be",
    'ALLWRITE_READER_LAG',
    parseLag,
  )

export const poolOption = (): Option =>
  new Option(
    '--pool <setting...>',
    'NAME=VALUE: how the cluster and the pinned endpoint pool transactions; names of RDS Proxy, and replay=on|off',
  ).env('ALLWRITE_POOL')

export const noPoolOption = (): Option =>
  new Option('--no-pool', 'those endpoints pass bytes on: a client keeps its session, and loses it with its node')

/** Undefined: no pool. @throws AllwriteError configuration */
export function poolOf(value: unknown): Partial<PoolSettings> | undefined {
  return value === false ? undefined : parsePoolSettings(wordsOf(value))
}

/** Of an option that may be repeated; of a variable of the environment, separated by blanks. */
const wordsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split(/\s+/) : []

/** @throws AllwriteError configuration */
export function endpointsOf(value: unknown): readonly EndpointSpec[] {
  return wordsOf(value).map(parseEndpoint)
}

async function run(fields: Readonly<Record<string, unknown>>): Promise<void> {
  const own = (name: string, kind: EndpointSpec['kind'], port: unknown): EndpointSpec[] =>
    typeof port === 'number' ? [{ name, kind, port }] : []
  const endpoints = [
    ...own('cluster', 'cluster', fields['port']),
    ...own('reader', 'reader', fields['readerPort']),
    ...own('pinned', 'pinned', fields['pinnedPort']),
    ...endpointsOf(fields['endpoint']),
  ]
  if (endpoints.length === 0) {
    throw new AllwriteError('configuration', 'which endpoints is the proxy to have?', {
      hint: 'Name their ports: --port, --reader-port, --pinned-port, --endpoint.',
    })
  }
  const { readerLag, httpPort } = fields
  const stop = signalled()
  await using proxy = await startProxy({
    host: listenHost,
    api: typeof fields['api'] === 'string' ? fields['api'].replace(/\/$/, '') : await apiOf(String(fields['data'])),
    endpoints,
    ...pooling(fields),
    ...(typeof readerLag === 'number' ? { lagMax: readerLag } : {}),
    log: (message) => void process.stderr.write(`· ${message}\n`),
  })
  process.on('SIGHUP', () => {
    proxy.reload().catch((thrown: unknown) => process.stderr.write(`! ${AllwriteError.from(thrown).message}\n`))
  })
  await using http = typeof httpPort === 'number' ? await serveHttp(proxy, httpPort) : undefined
  for (const { name, port } of proxy.status().endpoints) process.stderr.write(`· ${name} at ${listenHost}:${port}\n`)
  if (http) process.stderr.write(`· metrics at http://${listenHost}:${Number(httpPort)}/metrics\n`)
  process.stdout.write(`${JSON.stringify({ event: 'ready' })}\n`)
  await stop
}

/** What it takes to let clients in is in the cluster's folder. @throws AllwriteError configuration */
function pooling(fields: Readonly<Record<string, unknown>>): { readonly pooling?: Pooling } {
  const settings = poolOf(fields['pool'])
  if (settings === undefined) return {}
  const { data, tlsCert, tlsKey } = fields
  const dir = resolve(String(data))
  const secrets = readSecrets(dir)
  if (secrets === undefined)
    throw new AllwriteError('configuration', `there is no cluster in "${dir}", whose secrets a pool needs`, {
      hint: 'Name the folder with --data, or leave pooling out with --no-pool.',
    })
  const path = (value: unknown) => (typeof value === 'string' ? resolve(value) : null)
  const tls = { tlsCert: path(tlsCert), tlsKey: path(tlsKey) }
  requireTlsPair(tls)
  const pooling = poolingOf({ dir, secrets }, { pool: settings, ...tls })
  return pooling === undefined ? {} : { pooling }
}

async function apiOf(dir: string): Promise<string> {
  const status = await askSupervisor(dir, 'status')
  if (!status) throw notRunning(resolve(dir))
  return status.http
}

/** Resolves at the first SIGINT or SIGTERM. */
function signalled(): Promise<void> {
  return new Promise((resolveStop) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolveStop())
  })
}

async function serveHttp(proxy: Proxy, port: number): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const { path } = targetOf(request)
    if (!isLook(request)) answer(response, 405, { message: 'the method is not allowed' })
    else if (path === '/metrics') send(response, 200, metricsType, proxyMetrics(proxy.status()))
    else if (path === '/health' || path === '/') answer(response, 200, proxy.status())
    else answer(response, 404, { message: 'there is nothing here' })
  })
  await new Promise<void>((resolveListen, reject) => {
    server.once('error', (error) => reject(AllwriteError.from(error, 'configuration')))
    server.listen({ host: listenHost, port }, resolveListen)
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}
