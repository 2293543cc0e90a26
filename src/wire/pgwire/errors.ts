/**
 * ErrorResponse and NoticeResponse: building and reading their fields (PostgreSQL manual, "Error and Notice Message
 * Fields").
 *
 * @module
 */
import type { AllwriteError } from '../../core/errors.ts'

export type Severity = 'ERROR' | 'FATAL' | 'PANIC' | 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG'

/** The fields of an error or notice. `severity` is never localised (field V). */
export interface ErrorFields {
  readonly severity: Severity
  readonly sqlState: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** Character position in the statement, 1-based, as decimal text. */
  readonly position?: string
  readonly internalPosition?: string
  readonly internalQuery?: string
  readonly where?: string
  readonly schema?: string
  readonly table?: string
  readonly column?: string
  readonly dataType?: string
  readonly constraint?: string
  readonly file?: string
  readonly line?: string
  readonly routine?: string
}

const fieldCodes = {
  severity: 'V',
  sqlState: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
  position: 'P',
  internalPosition: 'p',
  internalQuery: 'q',
  where: 'W',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'd',
  constraint: 'n',
  file: 'F',
  line: 'L',
  routine: 'R',
} as const satisfies Record<keyof ErrorFields, string>

const fieldOfCode = new Map<string, keyof ErrorFields>(
  Object.entries(fieldCodes).map(([field, code]) => [code, field as keyof ErrorFields]),
)
const severities: ReadonlySet<string> = new Set<Severity>([
  'ERROR',
  'FATAL',
  'PANIC',
  'WARNING',
  'NOTICE',
  'DEBUG',
  'INFO',
  'LOG',
])

const build = (type: 'E' | 'N', fields: ErrorFields): Buffer => {
  let text = `S${fields.severity}\0`
  for (const [field, code] of Object.entries(fieldCodes)) {
    const value = fields[field as keyof ErrorFields]
    // A zero byte would end the field early and let the rest of a quoted input pass for fields of its own.
    if (value !== undefined) text += `${code}${value.replaceAll('\0', '')}\0`
  }
  const body = Buffer.from(`${text}\0`, 'utf8')
  const message = Buffer.allocUnsafe(5 + body.length)
  message.write(type, 0, 'latin1')
  message.writeUInt32BE(4 + body.length, 1)
  body.copy(message, 5)
  return message
}

/** A whole ErrorResponse message. */
export const errorResponse = (fields: ErrorFields): Buffer => build('E', fields)

/** A whole NoticeResponse message. */
export const noticeResponse = (fields: ErrorFields): Buffer => build('N', fields)

/** The fields under which an expected refusal is shown to a client. */
export const fieldsOfError = (error: AllwriteError, severity: Severity = 'ERROR'): ErrorFields => ({
  severity,
  sqlState: error.sqlState,
  message: error.message,
  ...(error.detail === undefined ? {} : { detail: error.detail }),
  ...(error.hint === undefined ? {} : { hint: error.hint }),
})

/**
 * Reads the body (without type and length) of an ErrorResponse or NoticeResponse. Unknown fields are skipped, as the
 * manual asks; missing ones get PostgreSQL's own defaults (ERROR, XX000); a body that ends early yields what was whole.
 */
export const parseErrorFields = (body: Buffer): ErrorFields => {
  const fields: Partial<Record<keyof ErrorFields, string>> = {}
  let shown: string | undefined
  let offset = 0
  while (offset < body.length && body[offset] !== 0) {
    const end = body.indexOf(0, offset + 1)
    if (end < 0) break
    const code = String.fromCharCode(body[offset] ?? 0)
    const value = body.toString('utf8', offset + 1, end)
    const field = fieldOfCode.get(code)
    if (field !== undefined) fields[field] = value
    else if (code === 'S') shown = value
    offset = end + 1
  }
  const severity = fields.severity ?? shown ?? 'ERROR'
  return {
    ...fields,
    severity: severities.has(severity) ? (severity as Severity) : 'ERROR',
    sqlState: fields.sqlState ?? 'XX000',
    message: fields.message ?? '',
  }
}
