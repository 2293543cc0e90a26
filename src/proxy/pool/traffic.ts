/**
 * Counters of what goes through a pool, by role and database. Counting is some additions a message; who looks pays the rest.
 *
 * @module
 */
import { noTotals, type PoolEntry, type Totals } from '../admin/index.ts'

/** Counters of one role at one database: whoever counts adds to them. */
export type Traffic = { -readonly [Name in keyof Totals]: Totals[Name] }

interface Counted {
  readonly user: string
  readonly database: string
  readonly traffic: Traffic
  /** At the beginning of the period before this one. */
  older: Reading
  /** At the beginning of this period. */
  newer: Reading
}

interface Reading {
  readonly totals: Totals
  /** performance.now() */
  readonly at: number
}

/** Averages are taken over one to two of these, ms: PgBouncer's stats_period. */
const periodMs = 60_000
/** Roles at databases that are counted apart; those that come later are counted as one. */
const trafficsMax = 10_000

export class Traffics {
  readonly #counted = new Map<string, Counted>()
  #periodBegan: number

  /** @param now performance.now() */
  constructor(now: number) {
    this.#periodBegan = now
  }

  of(user: string, database: string, now: number): Traffic {
    const key = JSON.stringify([user, database])
    const found = this.#counted.get(key)
    if (found) return found.traffic
    if (this.#counted.size >= trafficsMax && user !== others) return this.of(others, others, now)
    const traffic: Traffic = { ...noTotals }
    const reading = { totals: noTotals, at: now }
    this.#counted.set(key, { user, database, traffic, older: reading, newer: reading })
    return traffic
  }

  /** To be called every second or so. */
  tick(now: number): void {
    if (now - this.#periodBegan < periodMs) return
    this.#periodBegan = now
    for (const counted of this.#counted.values()) {
      counted.older = counted.newer
      counted.newer = { totals: { ...counted.traffic }, at: now }
    }
  }

  /** @param opening connections of a role at a database that are being opened */
  entries(now: number, opening: (user: string, database: string) => number): PoolEntry[] {
    return [...this.#counted.values()].map(({ user, database, traffic, older }) => ({
      database,
      user,
      totals: { ...traffic },
      before: older.totals,
      sinceMs: now - older.at,
      opening: opening(user, database),
    }))
  }
}

const others = '(others)'
