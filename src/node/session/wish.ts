/**
 * The user's `default_transaction_read_only`, which the session plays: the backend's own is always on (RULES 4, 16).
 * Follows PostgreSQL's rules for settings: SET is undone by ROLLBACK, SET LOCAL ends with the transaction.
 *
 * @module
 */
import { parameterStatus } from '../../wire/pgwire/login-messages.ts'

/** The setting's name. */
export const guardName = 'default_transaction_read_only'

export class ReadOnlyWish {
  readonly #initial: boolean
  /** As of the last commit. */
  #session: boolean
  /** Set in the open transaction; becomes the session's at commit. */
  #pending: boolean | undefined
  #local: boolean | undefined
  #reported: boolean
  readonly #fixed: boolean

  /** @param fixed the session reads only, whatever it sets; `initial` is true then */
  constructor(initial: boolean, fixed = false) {
    this.#fixed = fixed
    this.#initial = initial
    this.#session = initial
    this.#reported = initial
  }

  get value(): boolean {
    return this.#local ?? this.#pending ?? this.#session
  }

  /** As SHOW prints it. */
  get text(): string {
    return this.value ? 'on' : 'off'
  }

  /** @param value undefined: RESET */
  set(value: boolean | undefined, local: boolean, inTransaction: boolean): void {
    if (this.#fixed) return
    const wanted = value ?? this.#initial
    if (local) {
      if (inTransaction) this.#local = wanted
      return
    }
    this.#local = undefined
    if (inTransaction) this.#pending = wanted
    else this.#session = wanted
  }

  ended(committed: boolean): void {
    if (committed && this.#pending !== undefined) this.#session = this.#pending
    this.#pending = undefined
    this.#local = undefined
  }

  /** The report to send before ReadyForQuery, if the client was told otherwise. */
  report(): Buffer | undefined {
    if (this.#reported === this.value) return undefined
    this.#reported = this.value
    return parameterStatus(guardName, this.text)
  }
}
