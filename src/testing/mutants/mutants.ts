/**
 * Mutants: the product with one promise broken on purpose, and what must notice. A suite that lets one live would not notice the
 * same mistake made by us.
 *
 * Where the deterministic simulation can see it, it is the catcher: it costs a second, and its seeds are the same everywhere.
 * Where real servers are needed (keys, schemas, sequences, what sessions read), a workload on two nodes is. What is
 * below all that (the journal's fsync) has the test of its layer.
 *
 * @module
 */
import { suite } from '../chaos/suite.ts'
import type { Workload } from '../workloads/contract.ts'
import type { Patch } from './workshop.ts'

/** A test file of the product itself, run in the broken copy. */
export interface CaughtByTest {
  readonly kind: 'test'
  /** Below `dist/`. */
  readonly file: string
  /** Name of the one test that must fail. */
  readonly test: string
  /** What its failure says: not just any error will do. */
  readonly says: RegExp
}

/** A workload on a real cluster of two nodes. */
export interface CaughtByWorkload {
  readonly kind: 'workload'
  readonly workload: () => Workload
  /** Any of these must be found; `inconsistent`: a node noticed by itself that its data is wrong. */
  readonly anomalies: readonly string[]
}

export interface Mutant extends Patch {
  /** What it does wrong. */
  readonly name: string
  readonly caughtBy: CaughtByTest | CaughtByWorkload
}

const simulation = (says: RegExp): CaughtByTest => ({
  kind: 'test',
  file: 'node/order/simulation/simulation.test.js',
  test: 'every schedule ends with equal nodes, each client told the truth, and no update lost',
  says,
})

const model = (says: RegExp): CaughtByTest => ({
  kind: 'test',
  file: 'core/certifier.test.js',
  test: 'gives the verdicts of the naive model',
  says,
})

const brokenModel = model(/Property failed/)

/** Transactions meet often, so that seconds are enough. */
const fewKeys = { liveKeys: 4 }

export const mutants: readonly Mutant[] = [
  {
    name: 'the certifier finds no conflicts',
    file: 'core/certifier.js',
    original: 'const lost = firstConflict(index, record);',
    replacement: 'const lost = undefined;',
    caughtBy: simulation(/no update is lost/),
  },
  {
    name: 'records of replaced incarnations are certified',
    file: 'core/certifier.js',
    original: 'if (fence === undefined || fence.incarnation !== group.incarnation) {',
    replacement: 'if (fence === undefined) {',
    caughtBy: brokenModel,
  },
  {
    name: 'what was read before the window is certified',
    file: 'core/certifier.js',
    original: 'record.early < floor',
    replacement: 'false',
    caughtBy: brokenModel,
  },
  {
    name: 'the early position is not looked at',
    file: 'core/key-index.js',
    original: '(tag & KeyFlag.early) === 0 ? own : early',
    replacement: 'own',
    caughtBy: brokenModel,
  },
  {
    name: 'transactions that notify are applied as one',
    file: 'node/order/executor.js',
    original: 'if (notifying && notified)',
    replacement: 'if (false)',
    caughtBy: {
      kind: 'test',
      file: 'node/order/executor.test.js',
      test: 'one record of an apply transaction notifies at most',
      says: /deep-equal/,
    },
  },
  {
    name: 'a database is given its records while another one has not committed those before',
    file: 'node/order/executor.js',
    original: 'await drain();\n        current = target;',
    replacement: 'current = target;',
    caughtBy: {
      kind: 'test',
      file: 'node/order/executor.test.js',
      test: 'a database gets nothing while what another one was given is on its way; a schema change reads its own catalog',
      says: /the first is not committed/,
    },
  },
  {
    name: 'keys of two databases are the same',
    file: 'node/capture/key-plan.js',
    original: 'hash64(bytes, 0, bytes.length, database, 0, out)',
    replacement: 'hash64(bytes, 0, bytes.length, 0, 0, out)',
    caughtBy: {
      kind: 'test',
      file: 'node/capture/keys-databases.test.js',
      test: 'the same names in two databases conflict with nothing; schema changes do, and a drop with who writes there',
      says: /ERR_ASSERTION/,
    },
  },
  {
    name: 'one node skips a writeset now and then',
    file: 'node/order/judge.js',
    original: "if (verdict.kind === 'commit')",
    replacement: "if (options.node === 2 && entry.node !== 2 && at % 16 === 0)\n;\nelse if (verdict.kind === 'commit')",
    caughtBy: simulation(/n2 holds what the journal says/),
  },
  {
    name: 'writesets that are applied together are swapped',
    file: 'node/order/executor.js',
    original: 'records.push(record);\n            tracker.issue',
    replacement: 'records.unshift(record);\n            tracker.issue',
    caughtBy: simulation(/n\d holds what the journal says/),
  },
  {
    name: 'an own commit overtakes an earlier remote one',
    file: 'node/order/executor.js',
    original: 'const executeOwn = async (judged, own) => {\n        await drain();',
    replacement: 'const executeOwn = async (judged, own) => {',
    caughtBy: simulation(/n\d committed in journal order/),
  },
  {
    name: 'a heartbeat overtakes what is being applied',
    file: 'node/order/executor.js',
    original: 'if (current.publisher.outstanding > 0)',
    replacement: 'if (false)',
    caughtBy: simulation(/each batch moves the origin forward/),
  },
  {
    name: 'a commit is acknowledged when it is sent to the journal',
    file: 'node/order/group-builder.js',
    original: 'pending.appended = true;',
    replacement:
      "{ pending.appended = true; pending.outcome.resolve({ kind: 'committed', position: 0, local: true }); }",
    caughtBy: simulation(/was told committed/),
  },
  {
    name: 'a transaction that lost is told committed',
    file: 'node/order/judge.js',
    original: "pending.outcome.resolve({ kind: 'aborted', conflict: toConflict(pending, verdict) });",
    replacement: "pending.outcome.resolve({ kind: 'committed', position: 0, local: true });",
    caughtBy: simulation(/was told committed/),
  },
  {
    name: 'a certified record whose local transaction is gone is not applied',
    file: 'node/order/executor.js',
    original: 'if (lost.length > 0) {',
    replacement: 'if (false) {',
    caughtBy: simulation(/no update is lost|holds what the journal says|was told/),
  },
  {
    name: 'after a restart own records are taken for committed unasked',
    file: 'node/order/executor.js',
    original: 'if (!(await options.committedBefore(record)))',
    replacement: 'if (false)',
    caughtBy: simulation(/n\d holds what the journal says|no update is lost/),
  },
  {
    name: 'after a restart own records are applied a second time',
    file: 'node/order/executor.js',
    original: 'if (!(await options.committedBefore(record)))',
    replacement: 'if (true)',
    caughtBy: simulation(/n\d committed in journal order|the origin moves forward/),
  },
  {
    name: 'a transaction that has lost its locks goes into a group with their next holder',
    file: 'node/submissions.js',
    original: 'if (options.groups.withdraw(pending))\n                    pending.outcome.resolve(vanished);',
    replacement: '',
    caughtBy: simulation(/no update is lost/),
  },
  {
    name: 'verdicts are forgotten at a restart',
    file: 'node/order/verdict-log.js',
    original: 'append(encode(at, 0, index));',
    replacement: ';',
    caughtBy: {
      kind: 'test',
      file: 'node/order/judge.test.js',
      test: 'a node that starts again judges as before: aborted records stay aborted and enter no keys',
      says: /deep-equal/,
    },
  },
  {
    name: 'the journal acknowledges before its fsync',
    file: 'journal/file/store.js',
    original: 'const startMs = this.#nowMs();',
    replacement:
      'const startMs = this.#nowMs();\nfor (const { request, position } of group.answers) request.done({ ok: true, position });',
    caughtBy: {
      kind: 'test',
      file: 'journal/file/store.test.js',
      test: 'a failed sync ends the store: nothing is answered as stored, nothing more is taken',
      says: /Missing expected rejection/,
    },
  },
  {
    name: 'the journal takes damaged records for whole ones',
    file: 'journal/file/record.js',
    original: 'return bytes.readUInt32BE(at) === crc32c(bytes, at + 4, end, salt);',
    replacement: 'return true;',
    caughtBy: {
      kind: 'test',
      file: 'journal/file/recover.test.js',
      test: 'a changed byte anywhere before the last record is refused, naming the position',
      says: /Missing expected rejection|ERR_ASSERTION/,
    },
  },
  {
    name: 'a node that was paused reads on without catching up',
    file: 'node/pause-watch.js',
    original: 'paused = true;',
    replacement: '',
    caughtBy: {
      kind: 'test',
      file: 'node/pause-watch.test.js',
      test: 'a pause is noticed at the first question after it, and over when the node has caught up',
      says: /Expected values to be strictly (?:deep-)?equal/,
    },
  },
  {
    name: 'a secondary unique index gives no key',
    file: 'node/capture/keys.js',
    original: 'indexKey(sink, index, change.new, LockMode.update);',
    replacement: 'if (index.primary) indexKey(sink, index, change.new, LockMode.update);',
    caughtBy: { kind: 'workload', workload: suite.unique, anomalies: ['two winners', 'twice', 'inconsistent'] },
  },
  {
    name: 'a foreign key gives no key',
    file: 'node/capture/keys.js',
    original: 'parentKey(sink, index, change.new);',
    replacement: ';',
    caughtBy: { kind: 'workload', workload: suite['foreign-key'], anomalies: ['two winners', 'orphan'] },
  },
  {
    name: 'all nodes draw from one share of a new sequence',
    file: 'node/catalog/sql/sequences.js',
    original: '(declared.shares - index)',
    replacement: '(declared.shares - 0)',
    caughtBy: { kind: 'workload', workload: suite.sequences, anomalies: ['twice'] },
  },
  {
    name: 'a SERIALIZABLE transaction counts as having read when it commits',
    file: 'node/session/ending.js',
    original: 'early: this.#early(work),',
    replacement: 'early: this.#late,',
    caughtBy: { kind: 'workload', workload: () => suite.serializable(fewKeys), anomalies: ['G2-item'] },
  },
  {
    name: "reads at 'cluster' do not wait until their node has caught up",
    file: 'node/gate.js',
    original: 'tracker.whenApplied(await readTail(signal), signal)',
    replacement: 'void (await readTail(signal))',
    caughtBy: {
      kind: 'workload',
      workload: () => suite['cluster-reads'](fewKeys),
      anomalies: ['G-single-realtime'],
    },
  },
  {
    name: 'rows do not conflict with schema changes',
    file: 'node/capture/keys.js',
    original: '{ hash: own.schema, tag: LockMode.keyShare | KeyFlag.checkOnly }',
    replacement:
      "{ hash: nameHash(database, 'schema', { schema: '', name: 'none' }), tag: LockMode.keyShare | KeyFlag.checkOnly }",
    caughtBy: {
      kind: 'test',
      file: 'node/capture/keys.test.js',
      test: 'a schema change conflicts with every later record that ran beside it, even if it was applied in between',
      says: /ERR_ASSERTION/,
    },
  },
]
