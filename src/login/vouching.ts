/**
 * How a node knows a proxy of its own cluster (ADR 40): the proxy logs clients in by the cluster's rules, from where they really are,
 * and says so when it opens a connection in their name. Both sides have a key made of the cluster's secret.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** The role that a proxy asks its own questions as. Every node has it; nobody can change it, and it owns nothing. */
export const proxyRole = 'allwrite_proxy'

/** Start-up parameter: `<time, ms since 1970>.<HMAC>`. */
export const vouchName = 'allwrite.vouch'

/** Clocks of a proxy and a node may differ by this, and a connection may take as long to be opened, ms. */
const validMs = 60_000

export interface ProxyKeys {
  /** Password of {@link proxyRole}. */
  readonly password: string
  readonly vouchKey: Buffer
  /** Salts of roles that don't exist come from it: the same at nodes and proxies. */
  readonly mockSecret: Buffer
}

/** @param agentSecret what the nodes of a cluster, and its proxies, keep from clients */
export const proxyKeys = (agentSecret: string): ProxyKeys => ({
  password: createHmac('sha256', agentSecret).update('proxy password').digest('hex'),
  vouchKey: createHmac('sha256', agentSecret).update('proxy vouch').digest(),
  mockSecret: createHmac('sha256', agentSecret).update('mock').digest(),
})

/** What a connection is opened for: of one word nothing can be made that is good for another. */
export interface Vouched {
  readonly user: string
  readonly database: string
  /** The connection's id in the pool; may be empty. */
  readonly connection: string
}

export const vouch = (key: Buffer, what: Vouched, nowMs: number): string =>
  `${nowMs}.${digestOf(key, what, nowMs).toString('hex')}`

export const isVouched = (key: Buffer, what: Vouched, text: string, nowMs: number): boolean => {
  const [, time, hex] = /^(\d{1,15})\.([0-9a-f]{64})$/.exec(text) ?? []
  if (time === undefined || hex === undefined) return false
  const atMs = Number(time)
  if (Math.abs(nowMs - atMs) > validMs) return false
  return timingSafeEqual(Buffer.from(hex, 'hex'), digestOf(key, what, atMs))
}

const digestOf = (key: Buffer, { user, database, connection }: Vouched, atMs: number): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify([atMs, user, database, connection]))
    .digest()
