/**
 * What the supervisor tells its proxy: the JSON file that the proxy's argv[2] names.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import type { EndpointSpec, ProxyOptions } from '../proxy/index.ts'
import { fieldsOf, readJson } from './json.ts'
import { endpointPorts, listenHost, type UpOptions } from './options.ts'

export type ProxyConfig = Omit<ProxyOptions, 'log'>

const kinds = ['cluster', 'reader', 'pinned', 'any'] as const

/** The endpoints that each cluster has, and the user's own. */
export function proxyConfig(basePort: number, options: Pick<UpOptions, 'endpoints' | 'readerLag'>): ProxyConfig {
  const ports = endpointPorts(basePort)
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
  }
}

/** @throws AllwriteError configuration, naming the file */
export function readProxyConfig(path: string): ProxyConfig {
  const { host, api, endpoints, lagMax } = readJson(path) ?? {}
  if (typeof host !== 'string' || typeof api !== 'string' || !Array.isArray(endpoints)) {
    throw new AllwriteError('configuration', `"${path}" is no configuration of a proxy`)
  }
  return {
    host,
    api,
    endpoints: endpoints.map((endpoint: unknown) => readEndpoint(endpoint, path)),
    ...(typeof lagMax === 'number' ? { lagMax } : {}),
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
