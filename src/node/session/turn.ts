/**
 * The turn that a schema change of this session asks for when it keeps losing to other nodes' writes (ADR 18).
 *
 * @module
 */
import type { Conflict, NodeGate, Turn } from './contract.ts'

/**
 * Lost attempts before a turn is asked for. Under a light load one of the first gets through, and nobody has to wait; later ones are
 * no better than they.
 */
export const lostMax = 5

export class WantedTurn {
  readonly #gate: NodeGate
  #lost = 0
  /** What the attempts were lost by: those tables' writers have to wait. */
  readonly #tables = new Set<string>()
  #turn: Turn | undefined
  /** The writers waited for as long as they may, once: not again for the same statement. */
  #spent = false

  constructor(gate: NodeGate) {
    this.#gate = gate
  }

  /** After a lost attempt, before the next. True: nobody else is in its way now. */
  async lost({ table }: Conflict, signal: AbortSignal): Promise<boolean> {
    this.#lost += 1
    const isNew = table !== '' && !this.#tables.has(table)
    if (table !== '') this.#tables.add(table)
    this.#spent ||= this.#turn?.spent === true
    if (this.#spent) this.release()
    if (this.#lost < lostMax || this.#spent) return false
    if (this.#turn?.over === false) {
      if (isNew) this.#turn.widen(this.#tables)
      return true
    }
    this.#turn?.release()
    this.#turn = await this.#gate.takeTurn(this.#tables, signal)
    return this.#turn !== undefined
  }

  release(): void {
    this.#turn?.release()
    this.#turn = undefined
  }
}
