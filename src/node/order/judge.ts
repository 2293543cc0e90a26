/**
 * Reads the journal in order, certifies each entry, and queues it for execution. Verdicts of own transactions that
 * aborted are told at once, so that their locks go early; everything else waits for its turn.
 *
 * @module
 */
import { certifierVersion, createCertifier, windowDefault, type Certifier, type Verdict } from '../../core/certifier.ts'
import { decodeEntry } from '../../core/entry.ts'
import { position as toPosition, type Incarnation, type NodeId, type Position } from '../../core/ids.ts'
import type { Entry, GroupEntry } from '../../core/writeset.ts'
import { assert } from '../../core/errors.ts'
import type { Journal, StoredEntry } from '../../journal/contract.ts'
import type { Conflict } from '../session/contract.ts'
import type { GroupBuilder } from './group-builder.ts'
import type { Pending } from './pending.ts'
import type { VerdictLog } from './verdict-log.ts'

/** An entry with its verdicts, waiting for execution. */
export interface Judged {
  readonly position: Position
  readonly entry: Entry
  /** Indexes of committed records; empty for all but groups. */
  readonly committed: readonly number[]
  /** The transactions behind the records, where this incarnation appended them. */
  readonly own: readonly Pending[] | undefined
  readonly byteLength: number
}

export interface JudgeOptions {
  readonly journal: Journal
  readonly node: NodeId
  readonly incarnation: Incarnation
  /** What the server holds: entries up to here are restored, not judged. */
  readonly applied: Position
  /** The first position that the journal holds. */
  readonly first: Position
  readonly verdicts: VerdictLog
  readonly groups: GroupBuilder
  /** Takes a judged entry; awaited when the queue is full. */
  readonly push: (judged: Judged) => Promise<void> | void
  /** Sees each entry before its verdict. */
  readonly onEntry: (position: Position, entry: Entry) => void
  readonly signal: AbortSignal
}

/** A certifier as it stood before the first entry that has to be read, and where to start reading. */
const seed = (options: JudgeOptions): { certifier: Certifier; from: Position } => {
  // What the journal's cap has cut off of the window is missed only by records that read before it: those are refused.
  const after = toPosition(Math.max(0, options.applied - windowDefault, options.first - 1))
  const fences = [...options.verdicts.remembered.fences].flatMap(([node, known]) => {
    const newest = known.findLast((fence) => fence.position <= after)
    return newest === undefined ? [] : [{ node, ...newest }]
  })
  const certifier = createCertifier({ window: windowDefault, version: certifierVersion, after, fences })
  return { certifier, from: toPosition(after + 1) }
}

/** How a lost key is told to the client. */
const toConflict = (pending: Pending, verdict: Extract<Verdict, { kind: 'abort' }>): Conflict => {
  const { conflict } = verdict
  if (conflict.reason !== 'certification' || conflict.keyIndex === undefined) {
    return { table: '', key: undefined, winner: undefined, position: conflict.position, reason: 'too_old' }
  }
  const named = pending.describeKey(conflict.keyIndex)
  return {
    table: named?.table ?? 'schema',
    key: named?.key,
    winner: conflict.winner,
    position: conflict.position,
    reason: 'certification',
  }
}

const settleAborted = (own: readonly Pending[], verdicts: readonly Verdict[]): void => {
  for (const [i, pending] of own.entries()) {
    const verdict = verdicts[i]
    assert(verdict !== undefined, 'every record has a verdict')
    if (verdict.kind === 'abort') pending.outcome.resolve({ kind: 'aborted', conflict: toConflict(pending, verdict) })
  }
}

/** Runs until the signal aborts. @throws what the journal throws; the agent ends with it */
export const runJudge = async (options: JudgeOptions): Promise<void> => {
  const { certifier, from } = seed(options)

  const judgeGroup = (at: Position, entry: GroupEntry, byteLength: number): Judged => {
    const verdicts = certifier.judge(at, entry)
    const committed: number[] = []
    for (const [i, verdict] of verdicts.entries()) {
      if (verdict.kind === 'commit') committed.push(i)
      else options.verdicts.abort(at, i)
    }
    const isOwn = entry.node === options.node && entry.incarnation === options.incarnation
    const own = isOwn ? options.groups.take(entry.number) : undefined
    if (own !== undefined && committed.length < verdicts.length) settleAborted(own, verdicts)
    return { position: at, entry, committed, own, byteLength }
  }

  const take = (stored: StoredEntry): Judged | undefined => {
    // A copy: the reader takes its views back, and the queue outlives them.
    const entry = decodeEntry(stored.id, stored.payload.slice())
    const at = stored.position
    options.onEntry(at, entry)
    if (entry.kind === 'fence') options.verdicts.fence(at, entry.node, entry.incarnation)
    if (at <= options.applied) {
      certifier.restore(at, entry, options.verdicts.remembered.aborted.get(at) ?? [])
      return undefined
    }
    if (entry.kind === 'group') return judgeGroup(at, entry, stored.payload.byteLength)
    certifier.judge(at, entry)
    return { position: at, entry, committed: [], own: undefined, byteLength: stored.payload.byteLength }
  }

  for await (const batch of options.journal.read(from, { signal: options.signal })) {
    for (const stored of batch) {
      const judged = take(stored)
      const full = judged === undefined ? undefined : options.push(judged)
      if (full !== undefined) await full
    }
  }
}
