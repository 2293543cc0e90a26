/**
 * The turn of a client's own transaction (BEGIN … ALTER TABLE … COMMIT) that changes the schema: asked for before its first schema
 * change is sent, since what the client has seen can't be run again when it loses (ADR 18).
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { errorFrame } from './answers.ts'
import type { Turn } from './contract.ts'
import type { Core } from './core.ts'
import type { ClassifiedStatement } from './statement/contract.ts'

/** What other nodes had sent when they read of the turn is waited for as long as the turn itself took to come, within these, ms. */
const drainMsMin = 10
const drainMsMax = 200

export class BlockTurn {
  readonly #core: Core
  #turn: Turn | undefined
  readonly #tables = new Set<string>()
  /** The writers waited for as long as they may: not again in this transaction. */
  #spent = false

  constructor(core: Core) {
    this.#core = core
  }

  /** Whether {@link cancelled} has anything to ask. */
  wants(statements: readonly (ClassifiedStatement | undefined)[]): boolean {
    if (this.#core.state !== 'client' || this.#spent) return false
    return statements.some((statement) => statement?.kind === 'write' && statement.schemaTables !== undefined)
  }

  /**
   * Before statements of the client's transaction are sent: resolves when other nodes hold back the writers of the tables that these
   * change, and all that they had sent before is applied; or when that did not come in time. True: the client cancelled meanwhile; it
   * is told so, its transaction has failed, and nothing may be sent.
   * @throws as Core.exchange
   */
  async cancelled(statements: readonly (ClassifiedStatement | undefined)[]): Promise<boolean> {
    const core = this.#core
    for (const statement of statements) {
      if (statement?.kind !== 'write' || !statement.schemaTables) continue
      const { relations, drops } = statement.schemaTables
      if (!(await this.#ask(await this.#locked(relations, drops)))) continue
      core.out.push(errorFrame(new AllwriteError('cancelled', 'canceling statement due to user request')))
      await core.failClient()
      return true
    }
    return false
  }

  /** The transaction is over. */
  release(): void {
    this.#turn?.release()
    this.#turn = undefined
    this.#tables.clear()
    this.#spent = false
  }

  /** Asked in the client's transaction, which alone knows its search_path and what it has renamed. */
  async #locked(relations: readonly string[], drops: boolean): Promise<readonly string[]> {
    const core = this.#core
    const { gate, functions } = core.options
    const [early, since] = [gate.applied(), gate.walPassed()]
    const { value } = await core.call(functions.turnTables, [JSON.stringify(relations), String(drops)])
    const [level, ...tables] = typeof value === 'string' ? value.split('\n') : []
    // Above READ COMMITTED the question took the transaction's snapshot.
    if (level !== 'read committed' && core.work.early === undefined) {
      core.work.early = early
      core.work.since = since
    }
    return tables
  }

  /** True: the client cancelled. */
  async #ask(tables: readonly string[]): Promise<boolean> {
    const core = this.#core
    const { gate } = core.options
    const more = tables.filter((table) => !this.#tables.has(table))
    if (more.length === 0) return false
    for (const table of more) this.#tables.add(table)
    const cancel = new AbortController()
    core.onCancel = () => cancel.abort()
    try {
      const start = performance.now()
      if (this.#turn?.over === false) this.#turn.widen(this.#tables)
      else await this.#take(cancel.signal)
      if (!this.#turn) return cancel.signal.aborted
      const drainMs = Math.min(drainMsMax, Math.max(drainMsMin, performance.now() - start))
      await delay(drainMs, undefined, { signal: cancel.signal })
      await gate.catchUp(cancel.signal)
    } catch (thrown) {
      if (!cancel.signal.aborted) throw thrown
    } finally {
      core.onCancel = undefined
    }
    core.assertWanted()
    return cancel.signal.aborted
  }

  async #take(signal: AbortSignal): Promise<void> {
    this.#spent = this.#turn?.spent === true
    this.#turn?.release()
    this.#turn = undefined
    if (!this.#spent) this.#turn = await this.#core.options.gate.takeTurn(this.#tables, signal)
  }
}
