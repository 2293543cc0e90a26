/**
 * Leases of sequence values (RULES 14): each node draws only inside ranges that a certified transaction gave it. The first
 * one comes with the DDL (sql/sequences.ts, Shares); this is where all others come from.
 *
 * Contract: `leaseTransaction` runs one statement as a transaction of its own through the node's write path and resolves
 * with its rows after the outcome *committed*; a lease is used only then. `control` is a superuser connection to this
 * node's own server. {@link SequenceLeaser.poll} is called every {@link pollIntervalMs}; it never rejects for a reason
 * that the next poll would not show again.
 *
 * Failures: a lost answer, a lease made void by ALTER SEQUENCE or RESTART, or a crash between lease and grant leaves a
 * gap in the numbers, never a number drawn twice.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { literal } from './ddl.ts'
import type { SqlClient } from './install.ts'

type Row = Readonly<Record<string, unknown>>

export interface SequenceLeaserOptions {
  readonly leaseTransaction: (sql: string) => Promise<readonly Row[]>
  readonly control: SqlClient
  /** Milliseconds, monotonic: tells how fast a lease was used up. */
  readonly now: () => number
}

export interface SequenceLeaser {
  /**
   * After nextval failed with 2200H: resolves when this node may draw again.
   * @param sequence the sequence's name as the error message quotes it, without schema
   * @throws AllwriteError with SQLSTATE 2200H when the declared bound is reached cluster-wide; others if no lease was to be had
   */
  exhausted(sequence: string): Promise<void>
  /**
   * Leases ahead where a sequence in use has gone far enough, and where a range is empty though there are values left: what
   * a crash made void, and what code that swallows exceptions has used up. Costs one small query while nothing is written.
   */
  poll(): Promise<void>
}

export const pollIntervalMs = 250
/** Values in a lease that nothing asks to be larger; the server makes it 4,096 where there are plenty (allwrite.first_block). */
const blockMin = 1_024
/** Leases ahead grow to this: one a second then serves a million values a second; more would waste too much with a node. */
const aheadMax = 1_048_576
/**
 * One statement can't use more than one lease: its backend sees a new bound only when it takes a lock. So after errors
 * leases grow on, until INSERT ... SELECT of that many rows finds room. As in allwrite.bounded_block().
 */
const blockMax = 67_108_864
/** A lease used up faster than this makes the next one larger; ten times slower halves it. */
const quickMs = 10_000
/** Growth after an error: a statement that needs a million values is retried four times. */
const growthAfterError = 8
const growthAhead = 2
/** A leased range not next to the running one waits until this much is used: the jump loses the rest. */
const jumpAt = 0.9
/** A quarter of a block in one poll's time leaves time for three more. */
const leaseAt = 0.25
/** Empty ranges filled by one transaction: bounds its writeset and what a conflict with another node's costs. */
const batchMax = 500
/** Grants that find their lease void (numbering started over) before the caller gets an error. */
const attemptsMax = 5

interface Range {
  readonly name: string
  readonly increment: bigint
  readonly high: bigint
  /** Last value drawn; undefined if none. */
  readonly position: bigint | undefined
  readonly used: number
  readonly exhausted: boolean
  /** Enough is left cluster-wide to lease unasked. */
  readonly available: boolean
}

interface Lease {
  readonly name: string
  readonly epoch: number
  readonly first: bigint
  readonly last: bigint
  /** Values in it. */
  readonly block: number
}

/** What the leaser knows of a sequence beyond the server: bounded by the number of sequences, pruned by each poll. */
interface Memory {
  block: number
  leasedAtMs: number
  position: bigint | undefined
  ahead: Lease | undefined
}

/** Waits for a piece of work and notes its failure. */
type Tried = (work: Promise<unknown>) => Promise<void>

/** The sequence's name out of a 2200H message; undefined if it is another message. */
export const exhaustedSequence = (message: string): string | undefined =>
  /sequence "(.+)" \(-?\d+\)$/s.exec(message)?.[1]

export const createSequenceLeaser = ({ leaseTransaction, control, now }: SequenceLeaserOptions): SequenceLeaser => {
  const memories = new Map<string, Memory>()
  /** One lease at a time for each name: whoever comes later waits for it. */
  const running = new Map<string, Promise<void>>()
  /** Where the server's WAL stood when a poll last went through. */
  let lookedAt: string | undefined

  const memoryOf = (name: string): Memory => {
    let memory = memories.get(name)
    if (memory === undefined)
      memories.set(name, (memory = { block: blockMin, leasedAtMs: -Infinity, position: undefined, ahead: undefined }))
    return memory
  }

  const lease = async (name: string, growth: number, max: number): Promise<Lease> => {
    const memory = memoryOf(name)
    const ageMs = now() - memory.leasedAtMs
    if (ageMs < quickMs) memory.block = Math.max(memory.block, Math.min(max, memory.block * growth))
    else if (ageMs > quickMs * 10) memory.block = Math.max(blockMin, memory.block >> 1)
    // After an error one block was not enough, however long ago the last lease was.
    if (growth === growthAfterError) memory.block = Math.max(memory.block, blockMin * growth)
    const [row] = await leaseTransaction(leaseSql([name], memory.block))
    if (row === undefined) throw await reachedBound(control, name)
    return remember(leaseOf(row))
  }

  const remember = (taken: Lease): Lease => {
    const memory = memoryOf(taken.name)
    memory.leasedAtMs = now()
    // What was asked for, or as much as the server found right.
    memory.block = taken.block
    return taken
  }

  const grant = async ({ name, epoch, first, last }: Lease): Promise<boolean> => {
    const result = await control.query(
      `SELECT allwrite.grant_range(${literal(name)}, ${epoch}, ${first}, ${last}) AS granted`,
    )
    return result.rows[0]?.['granted'] === true
  }

  const once = async (name: string, work: () => Promise<void>): Promise<void> => {
    const other = running.get(name)
    if (other !== undefined) return other
    const mine = work().finally(() => running.delete(name))
    running.set(name, mine)
    return mine
  }

  const refill = async (name: string): Promise<void> => {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const memory = memoryOf(name)
      const held = memory.ahead
      memory.ahead = undefined
      if (await grant(held ?? (await lease(name, growthAfterError, blockMax)))) return
    }
    throw new AllwriteError('unavailable', `no range of sequence ${name} was to be had`, {
      hint: 'The sequence is being altered. Retry.',
    })
  }

  const ahead = async (range: Range, memory: Memory): Promise<void> => {
    memory.ahead ??= await lease(range.name, growthAhead, aheadMax)
    if (memory.ahead.first !== range.high + range.increment && range.used < jumpAt) return
    const ready = memory.ahead
    memory.ahead = undefined
    // A void lease is a gap; the next poll sees whether another is needed.
    await grant(ready)
  }

  /** First leases for ranges that a crash or a late arrival left empty: many in one transaction, as after a start. */
  const fill = async (names: readonly string[]): Promise<void> => {
    const leases = (await leaseTransaction(leaseSql(names, blockMin))).map(leaseOf)
    for (const taken of leases) await grant(remember(taken))
  }

  /** Drawn from lately, or with a lease at hand: not a case for a first lease. */
  const inUse = (name: string): boolean => {
    const memory = memories.get(name)
    return memory !== undefined && (memory.ahead !== undefined || now() - memory.leasedAtMs < quickMs)
  }

  const fillEmpty = async (ranges: readonly Range[], tried: Tried): Promise<void> => {
    const empty = ranges
      .filter(({ name, exhausted, available }) => exhausted && available && !running.has(name))
      .map(({ name }) => name)
    for (const name of empty.filter(inUse)) await tried(once(name, () => refill(name)))
    const names = empty.filter((name) => !inUse(name) && !running.has(name))
    for (let i = 0; i < names.length; i += batchMax) {
      const batch = names.slice(i, i + batchMax)
      const work = fill(batch)
      await tried(Promise.all(batch.map((name) => once(name, () => work))))
    }
  }

  const leaseAhead = async (ranges: readonly Range[], tried: Tried): Promise<void> => {
    for (const range of ranges) {
      if (range.exhausted || !range.available) continue
      const memory = memoryOf(range.name)
      const drawing = memory.position !== undefined && range.position !== memory.position
      if (drawing) await tried(once(range.name, () => ahead(range, memory)))
      memory.position = range.position
    }
  }

  return {
    exhausted: async (sequence) => {
      const ranges = await readRanges(control, `WHERE relname = ${literal(sequence)}`)
      if (ranges.length === 0)
        throw new AllwriteError('unavailable', `sequence "${sequence}" is not known or is being altered`)
      for (const range of ranges) if (range.exhausted) await once(range.name, () => refill(range.name))
    },
    poll: async () => {
      const { rows } = await control.query(`SELECT pg_current_wal_insert_lsn()::text AS written`)
      const written = field(rows[0] ?? {}, 'written')
      // nextval writes WAL for every 32nd value at least: without new WAL no large range has gone much further.
      if (written === lookedAt) return
      const ranges = await readRanges(control, `WHERE used >= ${leaseAt} OR exhausted`)
      const names = new Set(ranges.map((range) => range.name))
      for (const [name, memory] of memories) {
        const idle = memory.ahead === undefined && now() - memory.leasedAtMs > quickMs
        if (idle && !names.has(name) && !running.has(name)) memories.delete(name)
      }
      // One sequence's trouble is not the others'; it is told at the end, and looked at again by the next poll.
      const failures: unknown[] = []
      const tried: Tried = (work) => work.then(() => undefined).catch((error: unknown) => void failures.push(error))
      await fillEmpty(ranges, tried)
      await leaseAhead(ranges, tried)
      if (failures.length > 0) throw AllwriteError.from(failures[0])
      lookedAt = written
    },
  }
}

/**
 * One statement, each row computed from itself alone: after a wait for a concurrent lease PostgreSQL evaluates it again on
 * the newest version (EvalPlanQual), which a join would spoil.
 */
const leaseSql = (names: readonly string[], wanted: number): string => {
  const amount = `allwrite.bounded_block(${wanted}, increment, user_min, user_max)`
  const first = `CASE WHEN next BETWEEN user_min AND user_max OR NOT cycle THEN next WHEN increment > 0 THEN user_min ELSE user_max END`
  return (
    `UPDATE allwrite.sequence SET next = ${first} + increment::numeric * ${amount}, block = ${amount}, shares = 0` +
    ` WHERE name IN (${names.map(literal).join(', ')}) AND ${first} BETWEEN user_min AND user_max` +
    ` RETURNING name, block::text, epoch::text, (next - increment::numeric * block)::text AS first,` +
    ` least(user_max, greatest(user_min, next - increment))::text AS last`
  )
}

/** As PostgreSQL says it. */
const reachedBound = async (control: SqlClient, name: string): Promise<AllwriteError> => {
  const { rows } = await control.query(
    `SELECT CASE WHEN q.increment > 0 THEN 'maximum' ELSE 'minimum' END AS which, c.relname::text,
        (CASE WHEN q.increment > 0 THEN q.user_max ELSE q.user_min END)::text AS bound
      FROM allwrite.sequence q JOIN allwrite.range g ON g.name = q.name JOIN pg_class c ON c.oid = g.sequence WHERE q.name = ${literal(name)}`,
  )
  const [row] = rows
  if (row === undefined) return new AllwriteError('unavailable', `sequence ${name} is being altered`)
  const words = `nextval: reached ${field(row, 'which')} value of sequence "${field(row, 'relname')}" (${field(row, 'bound')})`
  return new AllwriteError('postgres', words, { sqlState: '2200H' })
}

const field = (row: Row, name: string): string => {
  const value = row[name]
  if (typeof value !== 'string') throw new AllwriteError('internal', `row without "${name}"`)
  return value
}

const leaseOf = (row: Row): Lease => ({
  name: field(row, 'name'),
  block: Number(field(row, 'block')),
  epoch: Number(field(row, 'epoch')),
  first: BigInt(field(row, 'first')),
  last: BigInt(field(row, 'last')),
})

const readRanges = async (control: SqlClient, where: string): Promise<Range[]> => {
  const { rows } = await control.query(
    `SELECT name, increment::text, high::text, position::text, used::text, exhausted::text, available::text FROM allwrite.range_use ${where}`,
  )
  return rows.map((row) => ({
    name: field(row, 'name'),
    increment: BigInt(field(row, 'increment')),
    high: BigInt(field(row, 'high')),
    position: row['position'] === null ? undefined : BigInt(field(row, 'position')),
    used: Number(field(row, 'used')),
    exhausted: field(row, 'exhausted') === 'true',
    available: field(row, 'available') === 'true',
  }))
}
