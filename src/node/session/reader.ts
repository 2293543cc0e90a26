/**
 * What a session of a reader endpoint may not say. Its transactions are READ ONLY, whatever the client's settings are; here is what would
 * make one of them READ WRITE all the same. What gets past this, through a function, is refused when it is submitted.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { Restriction } from './contract.ts'
import type { ClassifiedQuery, ClassifiedStatement, RefusedStatement } from './statement/contract.ts'

const readOnlySqlState = '25006'
const hint = 'Connect to the cluster endpoint to write.'

export const readerRestriction: Restriction = {
  kind: 'reader',
  keys: new Uint8Array(0),
  refusal: () =>
    new AllwriteError('unsupported', 'cannot write at a reader endpoint', { sqlState: readOnlySqlState, hint }),
}

/** The statements as a reader is answered to them. */
export const forReader = (query: ClassifiedQuery, text: string): ClassifiedQuery => {
  if (!query.statements.some((statement) => mayWrite(statement))) return query
  const statements = query.statements.map((statement, index) => {
    if (!mayWrite(statement)) return statement
    const written = Array.from(text)
      .slice(statement.offset, query.statements[index + 1]?.offset)
      .join('')
    return refusedText(statement, written) ?? statement
  })
  return { statements }
}

const mayWrite = (statement: ClassifiedStatement): boolean =>
  statement.kind === 'concurrently' ||
  (statement.kind === 'begin' && !statement.readOnly) ||
  (statement.kind === 'setting' && statement.modes?.readOnly === false)

const refusedText = (statement: ClassifiedStatement, written: string): RefusedStatement | undefined => {
  const { text, tag, offset } = statement
  if (statement.kind === 'concurrently') {
    const message = `cannot execute ${tag} CONCURRENTLY in a read-only transaction`
    return { kind: 'refused', text, tag, offset, message, sqlState: readOnlySqlState, hint }
  }
  // A BEGIN that says nothing is made READ ONLY (statements.ts); who says READ WRITE must not believe that he got it.
  if (statement.kind === 'begin' && !/\bread\s+write\b/i.test(written)) return undefined
  const message = 'cannot set transaction read-write mode at a reader endpoint'
  return { kind: 'refused', text, tag, offset, message, sqlState: readOnlySqlState, hint }
}
