/**
 * What a test wants to know of an error that a server or a system call gave.
 *
 * @module
 */

/** The parts of a PostgreSQL error that clients see; `code` is the SQLSTATE. */
export interface ServerError {
  readonly code: string
  readonly message: string
  readonly detail: string
  readonly hint: string
}

const field = (thrown: unknown, name: string): string => {
  if (typeof thrown !== 'object' || thrown === null) return ''
  const value: unknown = Reflect.get(thrown, name)
  return typeof value === 'string' ? value : ''
}

/** The error's fields as text; what it has not is ''. */
export const fieldsOf = (thrown: unknown): ServerError => ({
  code: field(thrown, 'code'),
  message: thrown instanceof Error ? thrown.message : String(thrown),
  detail: field(thrown, 'detail'),
  hint: field(thrown, 'hint'),
})

/** `ok`, or the SQLSTATE (else the message) of what the query threw. */
export const outcomeOf = async (query: Promise<unknown>): Promise<string> => {
  try {
    await query
    return 'ok'
  } catch (thrown) {
    const { code, message } = fieldsOf(thrown)
    return code === '' ? message : code
  }
}

/**
 * The error of a query that must fail.
 * @throws Error when it succeeds
 */
export const errorOf = async (query: Promise<unknown>): Promise<ServerError> => {
  try {
    await query
  } catch (thrown) {
    return fieldsOf(thrown)
  }
  throw new Error('the query succeeded, but should have failed')
}

/** A system call's error code such as `ESRCH`, else ''. */
export const errnoOf = (thrown: unknown): string => field(thrown, 'code')
