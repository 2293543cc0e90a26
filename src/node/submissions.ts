/**
 * From a captured transaction to its place in a group, and the way back when a remote writeset needs its locks.
 *
 * A submission is in one of four states: being captured, ready (waits for its group), appended (only the journal decides),
 * settled. Brute force takes it out in the first two; afterwards the record goes its way without the local transaction.
 *
 * @module
 */
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { type DatabaseId, type Position, xid as toXid } from '../core/ids.ts'
import { keyBytes, type WritesetRecord } from '../core/writeset.ts'
import type { Capture, CapturedTransaction } from './capture/capture.ts'
import type { StreamedTransaction } from './capture/decoder.ts'
import { holdsLocks, noDependencies, parseLocks, type Dependencies } from './capture/dependencies.ts'
import type { Writeset } from './capture/writeset.ts'
import { pinnedTable } from './pin-changes.ts'
import type { GroupBuilder } from './order/group-builder.ts'
import type { Pending } from './order/pending.ts'
import type { Conflict, Outcome, Participant, Submission } from './session/contract.ts'

export interface SubmissionsOptions {
  /** Whose transactions these are; absent: the first database's. */
  readonly database?: DatabaseId
  readonly capture: Capture
  readonly groups: GroupBuilder
  readonly applied: () => Position
  readonly build: (transaction: StreamedTransaction, dependencies: Dependencies) => Promise<Writeset>
  /** The writeset of a transaction that holds locks and changed nothing. */
  readonly buildUnwritten: (dependencies: Dependencies) => Writeset
  readonly describeKey: (
    record: WritesetRecord,
    dependencies: Dependencies,
    keyIndex: number,
  ) => ReturnType<Pending['describeKey']>
  /** Resolves when a schema change that is being applied counts as applied, or soon in any case. */
  readonly schemaSettled: () => Promise<void>
  /** Is this transaction still open in this backend, holding its locks? Asked after a large writeset was sent ahead. */
  readonly stillOpen: (backendPid: number, xid: bigint) => Promise<boolean>
}

/** What became of this node's transactions since its agent began; each number only grows. */
export interface Counts {
  readonly committed: number
  /** By table as the client is told it, and reason; beyond {@link countedTablesMax} tables, under `other`. */
  readonly conflicts: readonly { readonly table: string; readonly reason: Conflict['reason']; readonly count: number }[]
}

/** A metric's labels must not grow with the schema. */
const countedTablesMax = 500

export interface Submissions {
  readonly counts: Counts
  submit(submission: Submission): Promise<Outcome>
  register(participant: Participant): () => void
  /** Rolls a session back; undefined when the pid is none of ours. */
  abort(backendPid: number, conflict: Conflict): Promise<void> | undefined
}

/** The changes name a relation as this node's catalog does not have it yet (capture/keys.ts). */
const isStaleCatalog = (error: AllwriteError): boolean => error.code === 'unavailable' && error.sqlState === '40001'

const schemaConflict: Conflict = {
  table: 'schema',
  key: undefined,
  winner: undefined,
  position: undefined,
  reason: 'certification',
}

interface Underway {
  lost: Conflict | undefined
  pending: Pending | undefined
}

/** The transaction is gone although nobody reported a conflict: its backend was ended from outside. */
const vanished: Outcome = {
  kind: 'refused',
  error: new AllwriteError('unavailable', 'the transaction was ended before it could commit', { sqlState: '40001' }),
}

export const createSubmissions = (options: SubmissionsOptions): Submissions => {
  let committed = 0
  const conflicts = new Map<string, { table: string; reason: Conflict['reason']; count: number }>()
  const countConflict = ({ table: name, reason }: Conflict): void => {
    const table = conflicts.size < countedTablesMax || conflicts.has(`${reason} ${name}`) ? name : 'other'
    const counted = conflicts.get(`${reason} ${table}`)
    if (counted) counted.count++
    else conflicts.set(`${reason} ${table}`, { table, reason, count: 1 })
  }
  const participants = new Map<number, Participant>()
  const underway = new Map<Participant, Underway>()

  /** Nothing of it concerns other nodes: an xid without rows, such as nextval or a temporary table's. */
  const commitAlone = async (participant: Participant): Promise<Outcome> =>
    (await participant.commit()) ? { kind: 'committed', position: options.applied(), local: true } : vanished

  const lateOf = async (submission: Submission, captured: CapturedTransaction, writeset: Writeset) => {
    if (writeset.changes.kind === 'inline') return submission.late
    // Its chunks took a while: a later position is as good, once the transaction is seen to hold its locks still.
    const late = options.applied()
    return (await options.stillOpen(submission.participant.backendPid, captured.xid)) ? late : undefined
  }

  const build = async (changes: StreamedTransaction, dependencies: Dependencies): Promise<Writeset> => {
    try {
      return await options.build(changes, dependencies)
    } finally {
      // Before the record is on its way: an error behind that could not be told to the client any more.
      changes.log.dispose()
    }
  }

  /** What it locked has to be certified, so that nobody changes it before its place in the order; reads alone need no place. */
  const unwritten = (dependencies: Dependencies): Writeset | undefined =>
    holdsLocks(dependencies) ? options.buildUnwritten(dependencies) : undefined

  const submitCaptured = async (submission: Submission, state: Underway): Promise<Outcome> => {
    const captured = await options.capture.captured(submission.nonce)
    const { changes } = captured
    const dependencies: Dependencies = {
      ...(submission.locks === undefined ? noDependencies : parseLocks(submission.locks)),
      reads: captured.reads ?? [],
    }
    const written = changes === undefined ? undefined : await build(changes, dependencies)
    const writeset = written?.empty === false ? written : unwritten(dependencies)
    if (writeset === undefined) return commitAlone(submission.participant)
    const late = await lateOf(submission, captured, writeset)
    const { restriction } = submission
    const refusal = restriction?.refusal()
    if (refusal !== undefined) return { kind: 'refused', error: refusal }
    if (state.lost !== undefined) return { kind: 'aborted', conflict: state.lost }
    if (late === undefined || changes?.aborted === true) return vanished
    const record: WritesetRecord = {
      xid: toXid(captured.xid),
      early: submission.early,
      late,
      schemaChange: writeset.schemaChange,
      ...(writeset.notifies === true ? { notifies: true as const } : {}),
      keys: restriction === undefined ? writeset.keys : Buffer.concat([writeset.keys, restriction.keys]),
      changes: writeset.changes,
    }
    const pending: Pending = {
      ...(options.database === undefined ? {} : { database: options.database }),
      participant: submission.participant,
      record,
      outcome: deferred(),
      describeKey: (keyIndex) =>
        keyIndex * keyBytes >= writeset.keys.length
          ? { table: pinnedTable, key: undefined }
          : options.describeKey(record, dependencies, keyIndex),
      // Members of one group don't conflict, since all held their locks at one time; SIREAD locks hold nobody off.
      alone: record.schemaChange || captured.reads !== undefined,
      appended: false,
    }
    state.pending = pending
    // A group's records all held their locks at the same time: who has lost them must not be in one with their next holder.
    // One that changed nothing may be: whatever it did came before the next holder.
    if (changes !== undefined) {
      changes.onAborted = () => {
        if (options.groups.withdraw(pending)) pending.outcome.resolve(vanished)
      }
    }
    options.groups.add(pending)
    return pending.outcome.promise
  }

  return {
    get counts() {
      return { committed, conflicts: [...conflicts.values()] }
    },
    async submit(submission) {
      const state: Underway = { lost: undefined, pending: undefined }
      underway.set(submission.participant, state)
      try {
        const outcome = await submitCaptured(submission, state)
        if (outcome.kind === 'committed') committed++
        // Brute force is counted where it is used.
        else if (outcome.kind === 'aborted' && outcome.conflict.reason !== 'brute_force')
          countConflict(outcome.conflict)
        return outcome
      } catch (thrown) {
        const error = AllwriteError.from(thrown)
        if (!isStaleCatalog(error)) return { kind: 'refused', error }
        // A schema change is visible here before its position counts as applied. Started anew behind it, it can be certified.
        await options.schemaSettled()
        return { kind: 'aborted', conflict: state.lost ?? schemaConflict }
      } finally {
        underway.delete(submission.participant)
      }
    },
    register(participant) {
      participants.set(participant.backendPid, participant)
      return () => {
        if (participants.get(participant.backendPid) === participant) participants.delete(participant.backendPid)
      }
    },
    abort(backendPid, conflict) {
      const participant = participants.get(backendPid)
      if (participant === undefined) return undefined
      countConflict(conflict)
      const state = underway.get(participant)
      if (state !== undefined) {
        state.lost ??= conflict
        const { pending } = state
        if (pending !== undefined && options.groups.withdraw(pending)) {
          pending.outcome.resolve({ kind: 'aborted', conflict })
        }
      }
      return participant.abort(conflict)
    },
  }
}
