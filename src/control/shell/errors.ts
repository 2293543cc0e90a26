/**
 * Errors and notices as psql prints them.
 *
 * @module
 */
import { fieldsOf } from '../json.ts'

/** `ERROR:  …`, the line with a caret below, DETAIL, HINT. `thrown` is anything; what has no severity is ours. */
export function messageText(thrown: unknown, statement = ''): string {
  const fields = { message: thrown instanceof Error ? thrown.message : String(thrown), ...fieldsOf(thrown) }
  const { severity, detail, hint, position, where } = fieldsOf(fields)
  const lines = [`${typeof severity === 'string' ? severity : 'ERROR'}:  ${fields.message}`]
  if (typeof position === 'string') lines.push(...caret(statement, Number(position)))
  if (typeof detail === 'string') lines.push(`DETAIL:  ${detail}`)
  if (typeof hint === 'string') lines.push(`HINT:  ${hint}`)
  if (typeof where === 'string' && severity !== 'NOTICE') lines.push(`CONTEXT:  ${where}`)
  return `${lines.join('\n')}\n`
}

/** The statement's line at a position, which counts characters from 1. */
function caret(statement: string, position: number): string[] {
  // Code points, as the server counts, not UTF-16 units.
  const before = Array.from(statement)
    .slice(0, position - 1)
    .join('')
  const number = before.split('\n').length
  const line = statement.split('\n')[number - 1]
  if (line === undefined) return []
  const head = `LINE ${number}: `
  const column = before.length - (before.lastIndexOf('\n') + 1)
  return [`${head}${line}`, `${' '.repeat(head.length + column)}^`]
}
