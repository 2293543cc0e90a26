import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { position } from '../core/ids.ts'
import type { Capture, CapturedTransaction } from './capture/capture.ts'
import type { StreamedTransaction } from './capture/decoder.ts'
import type { Writeset } from './capture/writeset.ts'
import type { GroupBuilder } from './order/group-builder.ts'
import { settleTasks } from './order/order-fixtures.ts'
import type { Pending } from './order/pending.ts'
import type { Conflict, Outcome, Participant } from './session/contract.ts'
import { createSubmissions } from './submissions.ts'

const bruteForce: Conflict = {
  table: 't',
  key: undefined,
  winner: undefined,
  position: undefined,
  reason: 'brute_force',
}
const inline = {
  changes: { kind: 'inline', bytes: new Uint8Array(0) },
  keys: new Uint8Array(9),
  schemaChange: false,
} as const
const chunked = {
  ...inline,
  changes: { kind: 'chunked', transaction: 1, chunks: 1, first: position(1), last: position(1), byteLength: 1 },
} as const

const unwritten: Writeset = { ...inline, empty: true }
/** What locks_held() answers for a table. */
const tableLocked = Buffer.from(JSON.stringify({ rows: [], tables: [['public', 't']] })).toString('base64')

const setUp = (locks?: string) => {
  const captured = deferred<CapturedTransaction>()
  const built = deferred<Writeset>()
  const open = deferred<boolean>()
  const ready: Pending[] = []
  const log: string[] = []
  const changes = {
    aborted: false,
    onAborted: undefined,
    log: { dispose: () => void log.push('disposed') },
  } as unknown as StreamedTransaction
  const groups = {
    add: (pending: Pending) => void ready.push(pending),
    withdraw: (pending: Pending) => {
      if (pending.appended) return false
      const at = ready.indexOf(pending)
      if (at >= 0) ready.splice(at, 1)
      return true
    },
  } as unknown as GroupBuilder
  let commits = true
  const submissions = createSubmissions({
    capture: { captured: () => captured.promise } as unknown as Capture,
    groups,
    applied: () => position(50),
    build: () => built.promise,
    buildUnwritten: () => unwritten,
    describeKey: () => undefined,
    schemaSettled: () => Promise.resolve(),
    stillOpen: () => open.promise,
  })
  const participant: Participant = {
    backendPid: 9,
    commit: () => {
      log.push('commit')
      return Promise.resolve(commits)
    },
    abort: () => {
      log.push('abort')
      return Promise.resolve()
    },
  }
  const forget = submissions.register(participant)
  let outcome: Outcome | undefined
  const submitted = submissions
    .submit({
      nonce: 'n',
      early: position(3),
      late: position(4),
      participant,
      ...(locks === undefined ? {} : { locks }),
    })
    .then((told) => (outcome = told))
  return {
    submissions,
    captured,
    built,
    open,
    ready,
    log,
    changes,
    forget,
    submitted,
    loseCommit: () => void (commits = false),
    outcome: () => outcome,
    capturedNow: () => captured.resolve({ xid: 77n, changes, reads: undefined }),
  }
}

test('a captured transaction is made ready with its positions, and its outcome is what the order says', async () => {
  const { capturedNow, built, ready, log, submitted } = setUp()
  capturedNow()
  built.resolve({ ...inline, empty: false })
  await settleTasks()
  const [pending] = ready
  ok(pending)
  deepEqual([pending.record.xid, pending.record.early, pending.record.late], [77n, 3, 4])
  deepEqual(log, ['disposed'])
  pending.outcome.resolve({ kind: 'committed', position: position(60), local: true })
  equal((await submitted).kind, 'committed')
})

test('a large one reads its position anew, and only while its locks are proven to be held', async () => {
  for (const held of [true, false]) {
    const { capturedNow, built, open, ready, submitted } = setUp()
    capturedNow()
    built.resolve({ ...chunked, empty: false })
    open.resolve(held)
    await settleTasks()
    deepEqual(
      ready.map(({ record }) => record.late),
      held ? [50] : [],
    )
    if (!held) equal((await submitted).kind, 'refused')
  }
})

test('what leaves nothing to replicate commits alone; a COMMIT that failed is not told as one', async () => {
  for (const [kind, changed] of [
    ['committed', true],
    ['refused', true],
    ['committed', false],
  ] as const) {
    const { captured, changes, built, ready, submitted, loseCommit } = setUp()
    if (kind === 'refused') loseCommit()
    captured.resolve({ xid: 77n, changes: changed ? changes : undefined, reads: undefined })
    built.resolve({ ...inline, empty: true })
    equal((await submitted).kind, kind)
    deepEqual(ready, [])
  }
})

test('what changed nothing but holds locks is certified like a write, with nothing to apply', async () => {
  for (const changed of [true, false]) {
    const { captured, changes, built, ready, submitted, log } = setUp(tableLocked)
    captured.resolve({ xid: 77n, changes: changed ? changes : undefined, reads: undefined })
    built.resolve({ ...inline, keys: new Uint8Array(0), empty: true })
    await settleTasks()
    const [pending] = ready
    ok(pending)
    deepEqual(pending.record.changes, inline.changes)
    equal(pending.record.keys.length, 9)
    deepEqual(log, changed ? ['disposed'] : [])
    pending.outcome.resolve({ kind: 'committed', position: position(60), local: true })
    equal((await submitted).kind, 'committed')
  }
  const { captured, ready, submitted } = setUp('')
  captured.resolve({ xid: 77n, changes: undefined, reads: [{ schema: 'public', name: 't' }] })
  equal((await submitted).kind, 'committed')
  deepEqual(ready, [])
})

test('brute force takes a transaction out before its append: while it is captured, while it is built, while it waits', async () => {
  for (const stage of ['captured', 'built', 'ready'] as const) {
    const { submissions, capturedNow, built, ready, submitted, log } = setUp()
    const abortAt = (now: string): void => {
      if (stage === now) void submissions.abort(9, bruteForce)
    }
    abortAt('captured')
    capturedNow()
    await settleTasks()
    abortAt('built')
    built.resolve({ ...inline, empty: false })
    await settleTasks()
    abortAt('ready')
    deepEqual(await submitted, { kind: 'aborted', conflict: bruteForce })
    deepEqual(ready, [])
    ok(log.includes('abort'))
  }
})

test('after the append brute force ends the session only: the journal decides', async () => {
  const { submissions, capturedNow, built, ready, submitted, outcome } = setUp()
  capturedNow()
  built.resolve({ ...inline, empty: false })
  await settleTasks()
  const [pending] = ready
  ok(pending)
  pending.appended = true
  await submissions.abort(9, bruteForce)
  await settleTasks()
  equal(outcome(), undefined)
  pending.outcome.resolve({ kind: 'committed', position: position(60), local: false })
  equal((await submitted).kind, 'committed')
})

test('a backend that ends before the append takes its record with it: others hold its locks by then', async () => {
  for (const early of [true, false]) {
    const { changes, capturedNow, built, ready, submitted } = setUp()
    const end = (): void => {
      changes.aborted = true
      changes.onAborted?.()
    }
    capturedNow()
    await settleTasks()
    if (early) end()
    built.resolve({ ...inline, empty: false })
    await settleTasks()
    if (!early) end()
    const told = await submitted
    ok(told.kind === 'refused' && told.error instanceof AllwriteError && told.error.sqlState === '40001')
    deepEqual(ready, [])
  }
})

test('what fails before the append is a refusal, and nothing of it is left', async () => {
  const { capturedNow, built, ready, submitted, log } = setUp()
  capturedNow()
  built.reject(new AllwriteError('too_large', 'too much'))
  const told = await submitted
  ok(told.kind === 'refused' && told.error instanceof AllwriteError && told.error.code === 'too_large')
  deepEqual([ready, log], [[], ['disposed']])
})

test('only sessions that are registered are aborted; a pid that is used again is not forgotten by its predecessor', async () => {
  const { submissions, forget } = setUp()
  equal(submissions.abort(1, bruteForce), undefined)
  const next = { backendPid: 9, commit: () => Promise.resolve(true), abort: () => Promise.resolve() }
  const forgetNext = submissions.register(next)
  forget()
  ok(submissions.abort(9, bruteForce))
  forgetNext()
  equal(submissions.abort(9, bruteForce), undefined)
})
