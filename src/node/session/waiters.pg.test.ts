import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { nodeId, position, type Position } from '../../core/ids.ts'
import { query, sync } from '../../wire/pgwire/messages.ts'
import type { Conflict } from './contract.ts'
import { bareClient, eventually, show, TestGate, type RawClient } from './session-fixtures.ts'
import { run } from './session-scripts.ts'
import { sessionServer, valueOf, type SessionServer } from './session-server.ts'

const conflict: Conflict = {
  table: 'public.t',
  key: 'Key (id)=(1)',
  winner: nodeId(2),
  position: position(7),
  reason: 'brute_force',
}

let cluster: SessionServer
before(async () => {
  cluster = await sessionServer()
})
after(() => cluster[Symbol.asyncDispose]())

describe('a first statement that only locks rows: where the transaction is judged from', () => {
  let database: string
  let count = 0
  let admin: RawClient
  beforeEach(async () => {
    ;[, database] = await cluster.twins(`w${count++}`)
    admin = await bareClient(cluster.server, database)
  })
  afterEach(() => admin.end())

  const lockRow = 'select v from t where id = 1 for update'
  const lockTable = 'lock table t in exclusive mode'
  /** Reads at 1, waits for a row, gets it at 9, is committed at 12 or later. */
  const early = async (
    begin: string,
    statements: readonly string[],
    send: (sql: string) => readonly Buffer[] = (sql) => [query(sql)],
  ): Promise<number | undefined> => {
    const gate = new TestGate()
    await using through = await cluster.ours(database, gate)
    await admin.query('begin')
    await admin.query(lockRow)
    await through.client.query(begin)
    for (const sql of statements) {
      through.client.send(...send(sql))
      if (gate.at === 1 && /id = 1 for update|^lock table/.test(sql)) {
        await eventually('it waits', () =>
          valueOf(admin, `select true from pg_stat_activity where pid = ${through.pid} and wait_event_type = 'Lock'`),
        )
        gate.at = 9
        await admin.query('commit')
      }
      const answer = (await through.client.until('Z')).map(show)
      assert.ok(!answer.some((line) => line.startsWith('E')), answer.join())
      if (gate.at >= 9) gate.at += 3
    }
    await through.client.query("update t set v = 'x' where id = 2")
    await through.client.query('commit')
    assert.equal(gate.submissions.length, 1)
    return gate.submissions[0]?.early
  }

  test('is where it was seen to hold them, by either protocol', async () => {
    assert.equal(await early('begin', [lockRow]), 9)
    assert.equal(await early('begin', [lockRow, 'select 1 from t where id = 3 for update']), 9)
    assert.equal(await early('begin', [lockRow], (sql) => [...run(sql), sync]), 9)
    assert.equal(await early('begin', [lockTable]), 9)
    assert.equal(await early('begin', [lockTable, lockRow], (sql) => [...run(sql), sync]), 9)
  })

  test('is where it began, if anything else may have been read under the lock, or with an older snapshot', async () => {
    assert.equal(await early('begin isolation level repeatable read', [lockRow]), 1)
    assert.equal(await early('begin isolation level serializable', [lockRow]), 1)
    assert.equal(await early('begin', ['select 1 from t where id = 2 for update', lockRow]), 1)
    assert.equal(await early('begin', ['select 1 from t where id = 2 for update', lockTable]), 1)
    assert.equal(await early('begin isolation level repeatable read', [lockTable]), 1)
    assert.equal(await early('begin', ['select v, noisy() from t where id = 1 for update']), 1)
    const deletes = 'with d as (delete from t where id = 5) select v from t where id = 1 for update'
    assert.equal(await early('begin', [deletes]), 1)
    assert.equal(await early('begin', [`${lockRow}; select count(*) from t`]), 1)
  })

  test('a transaction that is aborted while its next statement would wait for that is told so', async () => {
    for (const send of [[query(lockRow)], [...run(lockRow), sync]]) {
      const applied = deferred<void>()
      const gate = new (class extends TestGate {
        override committing = () => position(11)
        override whenApplied = (wanted: Position): Promise<void> => {
          this.waits.push(wanted)
          return applied.promise
        }
      })()
      await using through = await cluster.ours(database, gate)
      await through.client.query('begin')
      through.client.send(...send)
      await through.client.until('Z')
      await eventually('it waits', () => gate.waits.length === 1)
      await through.participant.abort(conflict)
      applied.resolve()
      assert.deepEqual(
        (await through.client.query('select 1')).map((line) => line.slice(0, 8)),
        ['E C40001', 'Z "E"'],
      )
      assert.deepEqual(await through.client.query('rollback'), ['C "ROLLBACK\\u0000"', 'Z "I"'])
    }
  })

  test('is what an own transaction commits at that moment; the next statement waits for that', async () => {
    const gate = new (class extends TestGate {
      override committing = () => position(11)
      override whenApplied = (wanted: Position): Promise<void> => {
        this.waits.push(wanted)
        this.at = Math.max(this.at, wanted)
        return Promise.resolve()
      }
    })()
    await using through = await cluster.ours(database, gate)
    await through.client.query('begin')
    await through.client.query(lockRow)
    await through.client.query('select 1')
    assert.deepEqual(gate.waits, [11])
    await through.client.query("update t set v = 'x' where id = 2")
    await through.client.query('commit')
    assert.equal(gate.submissions[0]?.early, 11)
  })
})
