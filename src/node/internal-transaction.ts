/**
 * The node's own write transactions (sequence leases): one SQL statement on a connection of its own, captured, certified and
 * ordered like any client's. Retried on conflicts, a bounded number of times.
 *
 * @module
 */
import type pg from 'pg'
import { AllwriteError } from '../core/errors.ts'
import type { Conflict, NodeGate, Participant } from './session/contract.ts'

/** A lease conflicts with another node's lease of the same sequence at most; each round one of them wins. */
const attemptsMax = 50

type Rows = readonly Readonly<Record<string, unknown>>[]

export interface InternalTransactions {
  /** Runs one statement; resolves with its rows when it is committed in the journal's order. */
  run(sql: string, values?: readonly unknown[]): Promise<Rows>
}

export const createInternalTransactions = (
  client: pg.Client,
  backendPid: number,
  gate: NodeGate,
): InternalTransactions => {
  let running: Promise<unknown> = Promise.resolve()
  let lost: Conflict | undefined
  let inTransaction = false
  /** The end of the last transaction: no locks are held behind it. */
  let ending: Promise<unknown> = Promise.resolve()

  const rollback = async (): Promise<void> => {
    if (inTransaction) {
      inTransaction = false
      ending = client.query('ROLLBACK')
    }
    await ending
  }

  const participant: Participant = {
    backendPid,
    async commit() {
      if (!inTransaction) {
        // False also means that the locks are gone.
        await ending.catch(() => undefined)
        return false
      }
      // Behind a COMMIT that is sent no ROLLBACK may follow: it would meet the next transaction.
      inTransaction = false
      const committing = client.query('COMMIT')
      ending = committing
      try {
        // COMMIT of a failed transaction succeeds, as a rollback.
        return (await committing).command === 'COMMIT'
      } catch {
        return false
      }
    },
    async abort(conflict) {
      lost = conflict
      // The connection runs one short statement at a time: queueing behind it is the cancel.
      await rollback()
    },
  }
  gate.register(participant)

  const attempt = async (sql: string, values: readonly unknown[]): Promise<Rows | undefined> => {
    lost = undefined
    const early = gate.applied()
    await client.query('BEGIN READ WRITE')
    inTransaction = true
    const nonce = gate.captureNonce()
    try {
      const result = await client.query<Record<string, unknown>>(sql, [...values])
      // Behind an abort's ROLLBACK there is no transaction to capture: "nothing written" would pass for success.
      if (!inTransaction) throw new Error('the transaction was rolled back')
      if (gate.committing() > gate.applied()) await gate.whenApplied(gate.committing())
      const late = gate.applied()
      const captured = await client.query<{ xid: string | null }>('SELECT allwrite.capture($1) AS xid', [nonce])
      if (captured.rows[0]?.xid == null) {
        gate.discardNonce(nonce)
        return (await participant.commit()) ? result.rows : undefined
      }
      if (!inTransaction) throw new Error('the transaction was rolled back')
      const outcome = await gate.submit({ nonce, early, late, participant })
      if (outcome.kind === 'committed') return result.rows
      await rollback()
      if (outcome.kind === 'refused') throw outcome.error
      if (outcome.conflict.position !== undefined) await gate.whenApplied(outcome.conflict.position)
      return undefined
    } catch (error) {
      gate.discardNonce(nonce)
      await rollback()
      if (lost !== undefined) return undefined
      throw error
    }
  }

  const attempts = async (sql: string, values: readonly unknown[]): Promise<Rows> => {
    for (let i = 0; i < attemptsMax; i++) {
      const rows = await attempt(sql, values)
      if (rows !== undefined) return rows
    }
    throw new AllwriteError('conflict', 'an internal transaction lost against other nodes too often', { detail: sql })
  }

  return {
    run(sql, values = []) {
      const result = running.then(() => attempts(sql, values))
      running = result.catch(() => undefined)
      return result
    },
  }
}
