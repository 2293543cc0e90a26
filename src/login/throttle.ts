/**
 * Slows down guessing of passwords: by address and role together, so that nobody keeps a user from logging in elsewhere, and nobody
 * who shares an address with a guesser waits for another role's guesses. Pure: time is passed in.
 *
 * Invariants
 * 1. Who has not failed within {@link forgetMs} never waits.
 * 2. After {@link failuresFree} failures one attempt in {@link intervalMs} is looked at; those that would wait longer than
 *    {@link waitMsMax} are refused at once.
 * 3. At most {@link keysMax} pairs are remembered; the one that has been quiet longest is forgotten first. A guesser with more
 *    names or addresses than that is held by the cost of SCRAM alone; it holds up nobody else.
 *
 * @module
 */
import { isIPv4 } from 'node:net'

/** Typing errors, and a pool's connections that all start with an old password. */
export const failuresFree = 10
export const intervalMs = 1_000
export const waitMsMax = 10_000
export const forgetMs = 300_000
export const keysMax = 10_000

export interface Throttle {
  /** How long this attempt must wait, ms; undefined: it is refused. */
  enter(address: string, role: string, nowMs: number): number | undefined
  /** Its password was wrong. */
  failed(address: string, role: string, nowMs: number): void
  succeeded(address: string, role: string): void
  readonly size: number
}

interface Record {
  failures: number
  lastMs: number
  /** When the next attempt may be looked at. */
  nextMs: number
}

export const createThrottle = (): Throttle => {
  /** In the order of their last failure. */
  const records = new Map<string, Record>()
  return {
    enter(address, role, nowMs) {
      const key = keyOf(address, role)
      const record = records.get(key)
      if (record === undefined) return 0
      if (nowMs - record.lastMs > forgetMs) {
        records.delete(key)
        return 0
      }
      if (record.failures < failuresFree) return 0
      const at = Math.max(record.nextMs, nowMs)
      if (at - nowMs > waitMsMax) return undefined
      record.nextMs = at + intervalMs
      return at - nowMs
    },
    failed(address, role, nowMs) {
      const key = keyOf(address, role)
      const record = records.get(key) ?? { failures: 0, lastMs: nowMs, nextMs: nowMs }
      records.delete(key)
      record.failures++
      record.lastMs = nowMs
      records.set(key, record)
      if (records.size > keysMax) records.delete(records.keys().next().value ?? key)
    },
    succeeded(address, role) {
      records.delete(keyOf(address, role))
    },
    get size() {
      return records.size
    },
  }
}

/** Of IPv6 the network: one host has all addresses of a /64. */
const keyOf = (address: string, role: string): string => `${networkOf(address)} ${role}`

export const networkOf = (address: string): string => {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  if (isIPv4(plain) || !plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const parts = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length
    while (parts.length + behind < 8 && parts.length < 4) parts.push('0')
    if (parts.length < 4) parts.push(...tail.split(':').slice(0, 4 - parts.length))
  }
  return parts.slice(0, 4).join(':')
}
