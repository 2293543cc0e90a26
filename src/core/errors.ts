/**
 * The one error type for refusals that we expect: each has a code from a closed set, and what a psql user sees in
 * PostgreSQL's style (primary message, DETAIL, HINT, SQLSTATE). Bugs are asserted and crash; foreign errors are
 * converted at the boundary by {@link AllwriteError.from}.
 *
 * @module
 */

/** What went wrong, for programs; each code has one SQLSTATE. */
export const sqlStates = {
  conflict: '40001',
  unsupported: '0A000',
  too_large: '54000',
  unavailable: '57P03',
  journal_unreachable: '08006',
  journal_corrupt: 'XX001',
  journal_full: '53100',
  position_trimmed: '58000',
  stale_incarnation: '57P02',
  protocol: '08P01',
  configuration: 'F0000',
  postgres: '58000',
  cancelled: '57014',
  internal: 'XX000',
} as const

export type ErrorCode = keyof typeof sqlStates

export interface ErrorDetails {
  readonly detail?: string
  readonly hint?: string
  readonly cause?: unknown
  /** Overrides the code's SQLSTATE. */
  readonly sqlState?: string
}

export class AllwriteError extends Error {
  readonly code: ErrorCode
  readonly sqlState: string
  readonly detail: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'AllwriteError'
    this.code = code
    this.sqlState = details.sqlState ?? sqlStates[code]
    this.detail = details.detail
    this.hint = details.hint
  }

  /** Converts anything thrown by foreign code; an AllwriteError passes as it is. */
  static from(thrown: unknown, code: ErrorCode = 'internal'): AllwriteError {
    if (thrown instanceof AllwriteError) return thrown
    return new AllwriteError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
  }
}

/**
 * Stops the process on a broken invariant: what follows could lose or fork data. Kept on in production (TIGER_STYLE).
 * @throws always when `condition` is false
 */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new InvariantError(invariant)
}

/** A bug of ours. Never caught to go on: the process ends and recovers from the journal. */
export class InvariantError extends Error {
  constructor(invariant: string) {
    super(`invariant broken: ${invariant}`)
    this.name = 'InvariantError'
  }
}
