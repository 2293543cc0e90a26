/**
 * What the supervisor tells its proxy: the JSON file that the proxy's argv[2] names.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { proxyKeys } from '../login/vouching.ts'
import { checkedSettings, type EndpointSpec, type Pooling, type ProxyOptions } from '../proxy/index.ts'
import { pathsOf, type ClusterDir } from './cluster-dir.ts'
import { fieldsOf, readerOf, readJson } from './json.ts'
import { database, endpointPorts, listenHost, type UpOptions } from './options.ts'

export type ProxyConfig = Omit<ProxyOptions, 'log'>

const kinds = ['cluster', 'reader', 'pinned', 'any'] as const

/** The endpoints that each cluster has, and the user's own. */
export function proxyConfig(
  cluster: Pick<ClusterDir, 'dir' | 'file' | 'secrets'>,
  options: Pick<UpOptions, 'endpoints' | 'readerLag' | 'pool' | 'tlsCert' | 'tlsKey'>,
): ProxyConfig {
  const ports = endpointPorts(cluster.file.basePort)
  const pooling = poolingOf(cluster, options)
  return {
    host: listenHost,
    api: `http://${listenHost}:${ports.http}`,
    endpoints: [
      { name: 'cluster', kind: 'cluster', port: ports.cluster },
      { name: 'reader', kind: 'reader', port: ports.reader },
      { name: 'pinned', kind: 'pinned', port: ports.proxy },
      ...options.endpoints,
    ],
    ...(options.readerLag === undefined ? {} : { lagMax: options.readerLag }),
    ...(pooling && { pooling }),
  }
}

/** What a proxy needs to let clients in itself; nothing that opens more than its role may. Undefined: no pool. */
export function poolingOf(
  { dir, secrets }: Pick<ClusterDir, 'dir' | 'secrets'>,
  { pool, tlsCert, tlsKey }: Pick<UpOptions, 'pool' | 'tlsCert' | 'tlsKey'>,
): Pooling | undefined {
  if (pool === undefined) return undefined
  const { hba, root } = pathsOf(dir)
  return {
    keys: proxyKeys(secrets.agentSecret),
    database,
    hbaFile: hba,
    settings: pool,
    ...(tlsCert !== null && tlsKey !== null && { tls: { certFile: tlsCert, keyFile: tlsKey, caFile: root } }),
  }
}

/** As {@link readProxyConfig} reads it: keys are bytes. */
export function proxyJson(config: ProxyConfig): object {
  const { pooling } = config
  if (pooling === undefined) return config
  const { password, vouchKey, mockSecret } = pooling.keys
  const keys = { password, vouchKey: vouchKey.toString('hex'), mockSecret: mockSecret.toString('hex') }
  return { ...config, pooling: { ...pooling, keys } }
}

function readPooling(value: unknown, path: string): Pooling {
  const fields = fieldsOf(value)
  const pool = readerOf(fields, path)
  const keys = readerOf(fieldsOf(fields['keys']), path)
  const tls = fieldsOf(fields['tls'])
  const files = readerOf(tls, path)
  const bytes = (name: string): Buffer => Buffer.from(keys.text(name), 'hex')
  return {
    keys: { password: keys.text('password'), vouchKey: bytes('vouchKey'), mockSecret: bytes('mockSecret') },
    database: pool.text('database'),
    hbaFile: pool.text('hbaFile'),
    settings: checkedSettings(fieldsOf(fields['settings'])),
    ...('certFile' in tls && {
      tls: { certFile: files.text('certFile'), keyFile: files.text('keyFile'), caFile: files.text('caFile') },
    }),
  }
}

/** @throws AllwriteError configuration, naming the file */
export function readProxyConfig(path: string): ProxyConfig {
  const { host, api, endpoints, lagMax, pooling } = readJson(path) ?? {}
  if (typeof host !== 'string' || typeof api !== 'string' || !Array.isArray(endpoints)) {
    throw new AllwriteError('configuration', `"${path}" is no configuration of a proxy`)
  }
  return {
    host,
    api,
    endpoints: endpoints.map((endpoint: unknown) => readEndpoint(endpoint, path)),
    ...(typeof lagMax === 'number' ? { lagMax } : {}),
    ...(pooling === undefined ? {} : { pooling: readPooling(pooling, path) }),
  }
}

function readEndpoint(value: unknown, path: string): EndpointSpec {
  const fields = fieldsOf(value)
  const { name, port } = fields
  const kind = kinds.find((known) => known === fields['kind'])
  if (typeof name !== 'string' || typeof port !== 'number' || kind === undefined) {
    throw new AllwriteError('configuration', `an endpoint in "${path}" is incomplete`)
  }
  const members = numbers(fields['members'])
  const excluded = numbers(fields['excluded'])
  return { name, kind, port, ...(members && { members }), ...(excluded && { excluded }) }
}

const numbers = (value: unknown): readonly number[] | undefined =>
  Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : undefined
