/**
 * What a user may choose, and how it is written. Pure.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { checkedSettings, settingFromText, type EndpointSpec, type PoolSettings } from '../proxy/index.ts'

/** Options of `allwrite up`, checked. Undefined = not said: the stored value, else the default. */
export interface UpOptions {
  readonly dir: string
  readonly nodes: number | undefined
  readonly basePort: number | undefined
  readonly fsync: boolean | undefined
  readonly pgBin: string | null
  readonly journalRetainBytes: number | undefined
  readonly journalCapBytes: number | undefined
  readonly journalSegmentBytes: number | undefined
  /** Of a joining node's copy, bytes a second. */
  readonly copyRateBytes: number
  /** WAL that a user's replication slot may keep at a node. */
  readonly slotWalBytes: number
  readonly tlsCert: string | null
  readonly tlsKey: string | null
  readonly logLevel: string
  /** The user's own, besides those that each cluster has. */
  readonly endpoints: readonly EndpointSpec[]
  /** Entries that a reader's node may be behind; undefined: the default. */
  readonly readerLag: number | undefined
  /** Of the cluster and the pinned endpoint; undefined: they pass bytes on. */
  readonly pool: Partial<PoolSettings> | undefined
}

export const defaults = {
  dir: '.allwrite',
  nodes: 4,
  basePort: 15_432,
  fsync: true,
  copyRate: '32MB',
  slotWal: '4GB',
  logLevel: 'info',
} as const

/** Nodes on one machine: each is a server of its own, and every one applies all writes. */
export const nodesMax = 16

/** The highest number that a node may have: numbers of removed nodes are never given out again. */
export const nodeNumberMax = 1_000

/** The last TCP port. */
export const portMax = 65_535

/** Node `n` listens at base port + 10 + n; the ports between belong to the endpoints. */
export const nodePort = (basePort: number, node: number): number => basePort + 10 + node

/** Ports of what belongs to the cluster as a whole; `proxy` is the pinned writer's. */
export const endpointPorts = (basePort: number) => ({
  cluster: basePort,
  reader: basePort + 1,
  proxy: basePort + 2,
  http: basePort + 3,
})

/** The database and role that clients are given. */
export const database = 'postgres'
export const appUser = 'postgres'

/** Loopback only: other machines' clients come with the etcd journal. */
export const listenHost = '127.0.0.1'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const refuse = (what: string, wanted: string): never => {
  throw new AllwriteError('configuration', `invalid ${what}`, { detail: `Expected ${wanted}.` })
}

export function parseNodes(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= nodesMax) return value
  return refuse(`number of nodes: "${text}"`, `1 … ${nodesMax}`)
}

/** The ports of as many nodes as a new cluster may have must exist as well. */
export function parseBasePort(text: string): number {
  const value = Number(text)
  const max = portMax - nodePort(0, nodesMax)
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value
  return refuse(`port: "${text}"`, `1 … ${max}`)
}

export function parsePort(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= portMax) return value
  return refuse(`port: "${text}"`, `1 … ${portMax}`)
}

/** Entries of the journal. */
export function parseLag(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  return refuse(`number of entries: "${text}"`, 'a whole number')
}

/** How many nodes are to come. */
export function parseCount(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value < nodesMax) return value
  return refuse(`number of nodes: "${text}"`, `1 … ${nodesMax - 1}`)
}

export function parseSwitch(text: string): boolean {
  if (text === 'on') return true
  if (text === 'off') return false
  return refuse(`switch: "${text}"`, 'on or off')
}

export function parseLogLevel(text: string): string {
  return logLevels.find((level) => level === text) ?? refuse(`log level: "${text}"`, logLevels.join(', '))
}

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1000 ** 4,
  tib: 1024 ** 4,
}

/** `4GiB`, `512 MB`, `1.5g`, `1048576`: bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = unitBytes[match?.[2]?.toLowerCase() ?? '?']
  const bytes = Math.round(Number(match?.[1]) * (unit ?? Number.NaN))
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  return refuse(`size: "${text}"`, 'a number with a unit, such as 512MiB or 4GiB')
}

/** MB/s where no unit is said: `32`, `32MB`, `32MB/s`, `1 GiB/s`; bytes a second, within what PostgreSQL can hold a copy to. */
export function parseRate(text: string): number {
  const size = text.trim().replace(/\/s$/, '')
  const bytes = parseSize(/^[\d.]+$/.test(size) ? `${size}MB` : size)
  if (bytes >= rateMin && bytes <= rateMax) return bytes
  return refuse(`rate: "${text}"`, '32kB … 1GiB a second')
}

/** BASE_BACKUP's MAX_RATE, bytes a second. */
const rateMin = 32_000
const rateMax = 1024 ** 3

/**
 * `NAME=VALUE` of the pool's settings, by the names of RDS Proxy; later ones count. Lists are separated by commas.
 * @throws AllwriteError configuration
 */
export function parsePoolSettings(texts: readonly string[]): Partial<PoolSettings> {
  const settings: Record<string, unknown> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 0) refuse(`setting of the pool: "${text}"`, 'NAME=VALUE')
    const [name, value] = settingFromText(text.slice(0, at).trim(), text.slice(at + 1).trim())
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      refuse(`value of ${name}: "${text}"`, 'a whole number')
    settings[name] = value
  }
  checkedSettings(settings)
  return settings
}

/** @throws AllwriteError configuration: only one of the two was named */
export function requireTlsPair({ tlsCert, tlsKey }: Pick<UpOptions, 'tlsCert' | 'tlsKey'>): void {
  if ((tlsCert === null) !== (tlsKey === null))
    throw new AllwriteError('configuration', '--tls-cert and --tls-key belong together')
}

/** Checks what single options can't show. @throws AllwriteError configuration */
export function checkTogether(options: UpOptions): UpOptions {
  requireTlsPair(options)
  const { journalRetainBytes, journalCapBytes } = options
  if (journalRetainBytes !== undefined && journalCapBytes !== undefined && journalRetainBytes > journalCapBytes) {
    throw new AllwriteError('configuration', '--journal-retain is larger than --journal-cap')
  }
  return options
}
