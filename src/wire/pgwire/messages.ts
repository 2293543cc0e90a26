/**
 * Messages of the PostgreSQL protocol 3 after login: builders of whole frames, and readers of the few that a session
 * must understand. Offsets are into a frame with its 5-byte head. Texts are byte strings in the client's encoding:
 * `encoding` says how a JavaScript string stands for them.
 *
 * Source: PostgreSQL manual, "Message Formats". Errors and notices: errors.ts; login: login-messages.ts.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** How strings stand for bytes: real text, or one character a byte where the client's encoding is another. */
export type TextEncoding = 'utf8' | 'latin1'

/** Transaction status bytes of ReadyForQuery. */
export const Status = { idle: 0x49, open: 0x54, failed: 0x45 } as const

function frame(type: string, body: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(5 + body.length)
  whole[0] = type.charCodeAt(0)
  whole.writeUInt32BE(body.length + 4, 1)
  body.copy(whole, 5)
  return whole
}

const none = Buffer.alloc(0)
const zero = Buffer.alloc(1)
const text = (value: string, encoding: TextEncoding = 'utf8'): Buffer => {
  if (value.includes('\0')) throw new AllwriteError('protocol', 'a text holds a zero byte')
  return Buffer.concat([Buffer.from(value, encoding), zero])
}

// --- from the client ---

export const query = (sql: string, encoding: TextEncoding = 'utf8'): Buffer => frame('Q', text(sql, encoding))

/** @param types the rest of a Parse message: u16 count and type OIDs */
export const parse = (
  name: string,
  sql: string,
  types: Buffer = Buffer.alloc(2),
  encoding: TextEncoding = 'utf8',
): Buffer => frame('P', Buffer.concat([text(name, encoding), text(sql, encoding), types]))

/** A Bind without parameters, results in text. */
export const bindPlain = (portal: string, statement: string): Buffer =>
  frame('B', Buffer.concat([text(portal), text(statement), Buffer.alloc(6)]))

/** @param rowsMax 0 = all */
export const execute = (portal: string, rowsMax = 0): Buffer => {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(rowsMax, 0)
  return frame('E', Buffer.concat([text(portal), count]))
}

export const describe = (kind: 'S' | 'P', name: string): Buffer =>
  frame('D', Buffer.concat([Buffer.from(kind), text(name)]))
export const close = (kind: 'S' | 'P', name: string, encoding: TextEncoding = 'utf8'): Buffer =>
  frame('C', Buffer.concat([Buffer.from(kind), text(name, encoding)]))
export const sync = frame('S', none)
export const flush = frame('H', none)
export const terminate = frame('X', none)
export const copyDone = frame('c', none)
export const copyData = (bytes: Buffer): Buffer => frame('d', bytes)
export const copyFail = (why: string): Buffer => frame('f', text(why))

/** A FunctionCall with text arguments and a text result. */
export const functionCall = (oid: number, args: readonly string[], encoding: TextEncoding = 'utf8'): Buffer => {
  const parts: Buffer[] = []
  const int = (value: number, size: 2 | 4): void => {
    const bytes = Buffer.alloc(size)
    bytes.writeUIntBE(value, 0, size)
    parts.push(bytes)
  }
  int(oid, 4)
  int(0, 2)
  int(args.length, 2)
  for (const arg of args) {
    const bytes = Buffer.from(arg, encoding)
    int(bytes.length, 4)
    parts.push(bytes)
  }
  int(0, 2)
  return frame('F', Buffer.concat(parts))
}

// --- from the backend ---

export const commandComplete = (tag: string): Buffer => frame('C', text(tag))
export const readyForQuery = (status: number): Buffer => frame('Z', Buffer.from([status]))
export const parseComplete = frame('1', none)
export const bindComplete = frame('2', none)
export const closeComplete = frame('3', none)
export const noData = frame('n', none)

/** A column of a result in text format. */
export interface ResultColumn {
  readonly name: string
  /** OID of its type. */
  readonly type: number
  /** Of its type, bytes; -1: it varies. */
  readonly size: number
}

const countOf = (list: readonly unknown[]): Buffer => {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(list.length, 0)
  return count
}

/** Columns that belong to no table. */
export const rowDescription = (columns: readonly ResultColumn[]): Buffer => {
  const parts = [countOf(columns)]
  for (const { name, type, size } of columns) {
    const rest = Buffer.alloc(18)
    rest.writeUInt32BE(type, 6)
    rest.writeInt16BE(size, 10)
    rest.writeInt32BE(-1, 12)
    parts.push(text(name), rest)
  }
  return frame('T', Buffer.concat(parts))
}

/** A row in text format. */
export const dataRow = (values: readonly (string | null)[]): Buffer => {
  const parts = [countOf(values)]
  for (const value of values) {
    const bytes = value === null ? none : Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeInt32BE(value === null ? -1 : bytes.length, 0)
    parts.push(length, bytes)
  }
  return frame('D', Buffer.concat(parts))
}

/** A row of one text column. */
export const dataRowOfText = (value: string): Buffer => dataRow([value])

// --- reading ---

/** The zero-terminated bytes at `offset`, and where what follows them begins. */
function cString(whole: Buffer, offset: number): { readonly bytes: Buffer; readonly next: number } {
  const end = whole.indexOf(0, offset)
  if (end < 0) throw new AllwriteError('protocol', 'invalid string in message')
  return { bytes: whole.subarray(offset, end), next: end + 1 }
}

/** The text of a Query, as bytes. */
export const readQuery = (whole: Buffer): Buffer => {
  const { bytes, next } = cString(whole, 5)
  if (next !== whole.length) throw new AllwriteError('protocol', 'invalid message format')
  return bytes
}

/** A Parse: name, text and the type OIDs as bytes. Names are byte strings: they are only compared. */
export const readParse = (whole: Buffer): { readonly name: string; readonly sql: Buffer; readonly types: Buffer } => {
  const name = cString(whole, 5)
  const sql = cString(whole, name.next)
  return { name: name.bytes.toString('latin1'), sql: sql.bytes, types: whole.subarray(sql.next) }
}

export const readBind = (whole: Buffer): { readonly portal: string; readonly statement: string } => {
  const portal = cString(whole, 5)
  return { portal: portal.bytes.toString('latin1'), statement: cString(whole, portal.next).bytes.toString('latin1') }
}

/** The portal of an Execute. */
export const readExecute = (whole: Buffer): string => cString(whole, 5).bytes.toString('latin1')

/** What a Close or Describe names. */
export const readTarget = (whole: Buffer): { readonly kind: 'S' | 'P'; readonly name: string } => {
  const kind = whole[5]
  if (kind !== 0x53 && kind !== 0x50) throw new AllwriteError('protocol', 'invalid CLOSE or DESCRIBE message subtype')
  return { kind: kind === 0x53 ? 'S' : 'P', name: cString(whole, 6).bytes.toString('latin1') }
}

/** The tag of a CommandComplete lying at start … end of a buffer. */
export const readTag = (buffer: Buffer, start: number, end: number): string =>
  buffer.toString('latin1', start + 5, end - 1)

/** A FunctionCallResponse's value as text; null for NULL. */
export const readFunctionValue = (whole: Buffer): string | null => {
  const length = whole.readInt32BE(5)
  return length < 0 ? null : whole.toString('utf8', 9, 9 + length)
}

/** A ParameterStatus: name and value. */
export const readParameter = (whole: Buffer): readonly [name: string, value: string] => {
  const name = cString(whole, 5)
  return [name.bytes.toString('latin1'), cString(whole, name.next).bytes.toString('utf8')]
}
