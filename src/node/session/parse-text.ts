/**
 * What a client's Parse becomes: refused, passed on as it is, or with a rewritten text.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { parse } from '../../wire/pgwire/messages.ts'
import type { Core } from './core.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import { beginText, guardRefusal, guardText, sendsWhole } from './statements.ts'

/** Why a statement may not even be parsed; undefined: it may. */
export function refusalOf(statement: ClassifiedStatement): AllwriteError | undefined {
  if (statement.kind === 'guard_setting') return guardRefusal(statement)
  if (statement.kind !== 'refused') return undefined
  const { message, sqlState, detail, hint } = statement
  return new AllwriteError('unsupported', message, {
    sqlState,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** What the server is given to parse for it. */
export function sentText(core: Core, statement: ClassifiedStatement, text: string): string {
  switch (statement.kind) {
    case 'begin':
      return beginText(core, statement, text)
    case 'guard_setting':
      return guardText(statement)
    case 'invalid':
    case 'refused':
    case 'empty':
      return text
    case 'commit':
    case 'rollback':
    case 'savepoint':
    case 'release':
    case 'rollback_to':
    case 'harmless':
    case 'setting':
    case 'local':
    case 'copy_in':
    case 'journaled':
    case 'concurrently':
    case 'write':
    default:
      return sendsWhole(statement, text) ? text : statement.text
  }
}

/** A Parse of another text, with the name and types of the client's. */
export function rewritten(name: string, sql: string, types: Buffer, core: Core): Buffer {
  const head = parse('', sql, types, core.encoding)
  const whole = Buffer.concat([head.subarray(0, 5), Buffer.from(name, 'latin1'), head.subarray(5)])
  whole.writeUInt32BE(whole.length - 1, 1)
  return whole
}
