import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { deferred, type Deferred } from '../core/deferred.ts'
import { position } from '../core/ids.ts'
import { createInternalTransactions } from './internal-transaction.ts'
import { settleTasks } from './order/order-fixtures.ts'
import type { Conflict, NodeGate, Outcome, Participant, Submission } from './session/contract.ts'

const bruteForce: Conflict = {
  table: 't',
  key: undefined,
  winner: undefined,
  position: undefined,
  reason: 'brute_force',
}

/** A server of one connection, which answers when it is told to, in order; and a node that decides by hand. */
const setUp = () => {
  const queue: { sql: string; answer: Deferred<unknown> }[] = []
  const ran: string[] = []
  let open = false
  let wrote = false
  const client = {
    query(sql: string) {
      const answer = deferred<unknown>()
      queue.push({ sql, answer })
      return answer.promise
    },
  } as unknown as pg.Client
  /** Runs the next query as PostgreSQL would. */
  const next = async (): Promise<string> => {
    await settleTasks()
    const query = queue.shift()
    ok(query, 'a query is there')
    const sql = query.sql.split(' ')[0] ?? ''
    ran.push(sql === 'SELECT' ? 'capture' : sql)
    if (sql === 'BEGIN') open = true
    if (sql === 'UPDATE') wrote = open
    if (sql === 'SELECT') query.answer.resolve({ rows: [{ xid: open && wrote ? '5' : null }] })
    else query.answer.resolve({ command: sql, rows: [{ taken: 1 }] })
    if (sql === 'COMMIT' || sql === 'ROLLBACK') open = wrote = false
    await settleTasks()
    return sql
  }
  const submitted: { submission: Submission; outcome: Deferred<Outcome> }[] = []
  let participant: Participant | undefined
  let nonces = 0
  const watched = new Set<string>()
  const gate: NodeGate = {
    applied: () => position(7),
    committing: () => position(7),
    catchUp: () => Promise.resolve(),
    paused: false,
    whenApplied: () => Promise.resolve(),
    walPassed: () => 0n,
    captureNonce() {
      const nonce = String((nonces += 1))
      watched.add(nonce)
      return nonce
    },
    discardNonce: (nonce) => void watched.delete(nonce),
    submit(submission) {
      const outcome = deferred<Outcome>()
      watched.delete(submission.nonce)
      submitted.push({ submission, outcome })
      return outcome.promise
    },
    register(one) {
      participant = one
      return () => undefined
    },
    takeTurn: () => Promise.resolve(undefined),
    serving: true,
  }
  const transactions = createInternalTransactions(client, 3, gate)
  ok(participant)
  return { transactions, participant, next, ran, submitted, watched, queue }
}

test('a transaction is told done when it is committed in the order, and runs alone', async () => {
  const { transactions, participant, next, ran, submitted } = setUp()
  const first = transactions.run('UPDATE a')
  const second = transactions.run('UPDATE b')
  for (let i = 0; i < 3; i++) await next()
  deepEqual([ran, submitted.length], [['BEGIN', 'UPDATE', 'capture'], 1])
  const commit = participant.commit()
  await next()
  equal(await commit, true)
  submitted[0]?.outcome.resolve({ kind: 'committed', position: position(9), local: true })
  deepEqual(await first, [{ taken: 1 }])
  equal(await next(), 'BEGIN')
  for (let i = 0; i < 2; i++) await next()
  equal(submitted.length, 2)
  submitted[1]?.outcome.resolve({ kind: 'committed', position: position(10), local: false })
  deepEqual(await second, [{ taken: 1 }])
})

test('an abort while its statement runs is a conflict, never a success without a transaction', async () => {
  const { transactions, participant, next, ran, submitted, watched } = setUp()
  const run = transactions.run('UPDATE a')
  await next()
  await settleTasks()
  const aborting = participant.abort(bruteForce)
  await next() // UPDATE
  await next() // ROLLBACK
  await aborting
  equal(await participant.commit(), false)
  // It begins anew.
  for (let i = 0; i < 3; i++) await next()
  deepEqual(ran, ['BEGIN', 'UPDATE', 'ROLLBACK', 'BEGIN', 'UPDATE', 'capture'])
  submitted[0]?.outcome.resolve({ kind: 'committed', position: position(9), local: true })
  deepEqual(await run, [{ taken: 1 }])
  equal(watched.size, 0)
})

test('an abort behind its capture is a conflict too', async () => {
  const { transactions, participant, next, submitted, queue } = setUp()
  const run = transactions.run('UPDATE a')
  await next()
  await next()
  const aborting = participant.abort(bruteForce)
  await next() // capture
  await next() // ROLLBACK
  await aborting
  equal(submitted.length, 0)
  for (let i = 0; i < 3; i++) await next()
  submitted[0]?.outcome.resolve({ kind: 'committed', position: position(9), local: true })
  await run
  equal(queue.length, 0)
})

test('COMMIT answers false only when the locks are gone', async () => {
  const { transactions, participant, next } = setUp()
  const run = transactions.run('UPDATE a')
  run.catch(() => undefined)
  for (let i = 0; i < 3; i++) await next()
  const aborting = participant.abort(bruteForce)
  let answered: boolean | undefined
  const commit = participant.commit().then((committed) => (answered = committed))
  await settleTasks()
  equal(answered, undefined)
  await next() // ROLLBACK
  await Promise.all([aborting, commit])
  equal(answered, false)
})

test('an internal transaction that always loses ends with a conflict, not in a loop', async () => {
  const { transactions, next, submitted } = setUp()
  const run = rejects(transactions.run('UPDATE a'), { code: 'conflict' })
  for (let i = 0; i < 50; i++) {
    for (let query = 0; query < 3; query++) await next()
    submitted[i]?.outcome.resolve({ kind: 'aborted', conflict: { ...bruteForce, reason: 'certification' } })
    equal(await next(), 'ROLLBACK')
  }
  await run
})
