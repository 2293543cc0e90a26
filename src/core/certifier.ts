/**
 * Certification: gives every record of the journal its verdict, the same at every node, from the journal alone. First
 * committer wins: a record aborts when an earlier committed one, which its transaction could not have seen or waited
 * for, holds one of its keys in a mode that PostgreSQL's row-lock table forbids beside its own.
 *
 * Pure: no clock, no I/O, no randomness. The caller's duties:
 * 1. Every entry of the journal is given exactly once, in order, without a gap, fences, chunks and holds too: to `restore` where its
 *    verdicts are known already (a snapshot, a checkpoint), to `judge` where they are not. No `restore` after a `judge`.
 * 2. A certifier that does not start at position 1 is told where it starts (`after`) and which fences came before
 *    (`fences`), and is given what the journal still holds of one window through `restore` before its first `judge`. A record that
 *    read before what it was given is refused (`position_trimmed`), never guessed (RULES 9).
 * 3. All nodes use the same window and version at the same position.
 *
 * What decides, for the entry at position P with window W, in this order:
 * 1. *void*: the entry's incarnation is not that of its node's newest fence before P (RULES 1). Also a record that claims
 *    to have read at P or later: nothing it says can be true.
 * 2. *too_old*: a record with keys whose early position is below the floor, P − W. Its late position is never below its early one.
 *    The early one counts for each record, not only for those with early-flagged keys: any key may meet an early-flagged
 *    *entry* (a deleted parent meets the KEY SHARE of a child written elsewhere), and those below the floor are forgotten.
 * 3. *certification*: for its keys in order, an earlier committed entry of the same key and a conflicting mode above the
 *    late position; above the early one where either side is early-flagged. The first such key and the newest such
 *    entry are named.
 *
 * Records of one group never conflict with each other: they all held their locks at one time at one server. So a whole group
 * is judged before any of it is entered. Aborted records enter nothing, nor do check-only keys.
 *
 * A verdict depends only on entries within (P − W, P) and on fences: a read position is at least P − W, and only
 * entries above it count. So a node that restores one window judges like one that has read everything.
 *
 * @module
 */
import { AllwriteError, assert } from './errors.ts'
import { nodeId, position } from './ids.ts'
import type { Incarnation, NodeId, Position } from './ids.ts'
import { createKeyIndex } from './key-index.ts'
import type { KeyIndex } from './key-index.ts'
import { keyBytes, KeyFlag } from './writeset.ts'
import type { Entry, GroupEntry, WritesetRecord } from './writeset.ts'

/** The rules above. A change of them is a new version, which takes effect at a position of the journal. */
export const certifierVersion = 1

/**
 * Default window, in positions: how far a transaction's first lock may lie behind its commit. At the 400 appends a second
 * of a busy small cluster it lasts 40 s; with 100 keys an entry it bounds the index at 1.6 million keys, 70 MB, and a joiner reads
 * it in about a second.
 */
export const windowDefault = 65_536
/** The journal can't keep more than this for certification alone. */
export const windowMax = 2 ** 24

/** Why a record lost. The node turns `keyIndex` into table and key for the client's DETAIL (node/capture/keys.ts). */
export interface CertificationConflict {
  readonly reason: 'certification' | 'too_old' | 'void'
  /** Which of the record's keys; undefined unless `certification`. */
  readonly keyIndex: number | undefined
  /** Who holds the key; the record's own node where its newer incarnation voids it; undefined for `too_old`. */
  readonly winner: NodeId | undefined
  /** Of the winning entry; the floor for `too_old`; the newest fence for `void` (0: there was none). */
  readonly position: Position
}

export type Verdict = { readonly kind: 'commit' } | { readonly kind: 'abort'; readonly conflict: CertificationConflict }

/** A node's newest fence: part of every snapshot, since fences outlive the window. */
export interface Fence {
  readonly node: NodeId
  readonly incarnation: Incarnation
  readonly position: Position
}

export interface CertifierOptions {
  /** Positions. @default windowDefault */
  readonly window?: number
  /** @default certifierVersion */
  readonly version?: number
  /** The last position before the first entry that will be given. @default 0 */
  readonly after?: Position
  /** The newest fence of each node before the first entry that will be judged, as far as `restore` won't see it. */
  readonly fences?: Iterable<Fence>
}

export interface Certifier {
  /** One verdict per record of a group; none for others. */
  judge(position: Position, entry: Entry): readonly Verdict[]
  /** Takes an entry whose verdicts are known: the indexes of all aborted records, void ones included. */
  restore(position: Position, entry: Entry, abortedIndexes: Iterable<number>): void
  /** The last entry given. */
  readonly position: Position
  /** The lowest early position with which a record of the *next* entry can still commit. */
  readonly floor: Position
  /** The newest fence of each node, by node: for snapshots and checkpoints. */
  fences(): readonly Fence[]
  /** For metrics. */
  size(): { readonly slots: number; readonly bytes: number }
}

/**
 * A certifier before its first entry.
 * @throws AllwriteError unsupported: a version of the rules that this agent does not know
 */
export const createCertifier = (options: CertifierOptions = {}): Certifier => {
  const { window = windowDefault, version = certifierVersion, after = position(0) } = options
  if (version !== certifierVersion) {
    throw new AllwriteError('unsupported', `certification rules of version ${version} are not known to this agent`, {
      hint: `It knows version ${certifierVersion}. Update the agent.`,
    })
  }
  assert(Number.isInteger(window) && window >= 1 && window <= windowMax, 'the window is 1 to 2^24 positions')
  const index = createKeyIndex()
  const fences = new Map<NodeId, Fence>()
  for (const fence of options.fences ?? []) fences.set(fence.node, fence)
  // Who appended each entry of the window, so that the index needn't hold it for each key.
  const nodes = new Uint16Array(window)
  let current = after
  let judging = false

  const floorAt = (at: number): Position => position(Math.max(0, at - window))

  const begin = (at: Position, entry: Entry): void => {
    assert(at === current + 1, 'entries are certified in journal order, without a gap')
    current = at
    nodes[at % window] = entry.node
    if (entry.kind !== 'fence') return
    const newest = fences.get(entry.node)
    if (newest !== undefined && newest.incarnation >= entry.incarnation) return
    fences.set(entry.node, { node: entry.node, incarnation: entry.incarnation, position: at })
  }

  const judgeGroup = (group: GroupEntry): Verdict[] => {
    const floor = floorAt(current)
    const fence = fences.get(group.node)
    if (fence === undefined || fence.incarnation !== group.incarnation) {
      const verdict = abort('void', undefined, group.node, fence?.position ?? position(0))
      return group.records.map(() => verdict)
    }
    const verdicts = group.records.map((record): Verdict => {
      if (record.early > record.late || record.late >= current)
        return abort('void', undefined, group.node, fence.position)
      if (record.keys.length > 0 && record.early < floor) return abort('too_old', undefined, undefined, floor)
      if (record.keys.length > 0 && record.early < after) throw unjudgeable(current, record.early, after)
      const lost = firstConflict(index, record)
      if (lost === undefined) return commit
      return abort('certification', lost.keyIndex, nodeId(nodes[lost.position % window]!), lost.position)
    })
    group.records.forEach((record, i) => {
      if (verdicts[i]!.kind === 'commit') enterKeys(index, record, current, floor)
    })
    return verdicts
  }

  return {
    judge(at, entry) {
      begin(at, entry)
      judging = true
      return entry.kind === 'group' ? judgeGroup(entry) : []
    },
    restore(at, entry, abortedIndexes) {
      assert(!judging, 'nothing is restored behind a judged entry')
      begin(at, entry)
      if (entry.kind !== 'group') return
      const aborted = new Set(abortedIndexes)
      entry.records.forEach((record, i) => {
        if (!aborted.has(i)) enterKeys(index, record, at, floorAt(at))
      })
    },
    get position() {
      return current
    },
    get floor() {
      return floorAt(current + 1)
    },
    fences: () => [...fences.values()].sort((a, b) => a.node - b.node),
    size: () => index.size(),
  }
}

const commit: Verdict = { kind: 'commit' }

const abort = (
  reason: CertificationConflict['reason'],
  keyIndex: number | undefined,
  winner: NodeId | undefined,
  position: Position,
): Verdict => ({ kind: 'abort', conflict: { reason, keyIndex, winner, position } })

/** The others saw what stood there and may have found a conflict: guessing would part this node from them. */
const unjudgeable = (at: Position, early: Position, after: Position): AllwriteError =>
  new AllwriteError('position_trimmed', `position ${at} can't be certified here: it read at ${early}`, {
    detail: `What this node has read of the journal begins behind position ${after}.`,
    hint: 'The node must be rebuilt from a copy of another node.',
  })

const firstConflict = (
  index: KeyIndex,
  record: WritesetRecord,
): { keyIndex: number; position: Position } | undefined => {
  const { keys, early, late } = record
  for (let at = 0; at < keys.length; at += keyBytes) {
    const newest = index.conflict(halfAt(keys, at), halfAt(keys, at + 4), keys[at + 8]!, early, late)
    if (newest !== 0) return { keyIndex: at / keyBytes, position: position(newest) }
  }
  return undefined
}

const enterKeys = (index: KeyIndex, record: WritesetRecord, position: Position, floor: Position): void => {
  const { keys } = record
  for (let at = 0; at < keys.length; at += keyBytes) {
    const tag = keys[at + 8]!
    if ((tag & KeyFlag.checkOnly) === 0) index.enter(halfAt(keys, at), halfAt(keys, at + 4), tag, position, floor)
  }
}

/** One half of a packed hash, as a signed word: the index compares bits, and small signed integers are V8's fastest. */
const halfAt = (keys: Uint8Array, at: number): number =>
  (keys[at]! << 24) | (keys[at + 1]! << 16) | (keys[at + 2]! << 8) | keys[at + 3]!
