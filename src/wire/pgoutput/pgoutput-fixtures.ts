/**
 * Builds pgoutput messages for tests, byte by byte from the documentation, independently of the code under test.
 *
 * @module
 */

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
const text = (value: string): Buffer => Buffer.from(`${value}\0`)
const char = (value: string): Buffer => Buffer.from(value, 'latin1')

/** A column: name, type OID, part of the identity. */
export type ColumnSpec = readonly [name: string, typeOid: number, key: boolean]

/** What stands behind a Relation message's id. */
export const relationBody = (schema: string, name: string, identity: string, columns: readonly ColumnSpec[]): Buffer =>
  Buffer.concat([
    text(schema),
    text(name),
    char(identity),
    u16(columns.length),
    ...columns.flatMap(([column, type, key]) => [u8(key ? 1 : 0), text(column), u32(type), u32(0xffff_ffff)]),
  ])

/** `undefined` stands for an unchanged TOAST value. */
export type ValueSpec = string | null | undefined

const tuple = (values: readonly ValueSpec[]): Buffer =>
  Buffer.concat([
    u16(values.length),
    ...values.flatMap((value) => {
      if (value === null) return [char('n')]
      if (value === undefined) return [char('u')]
      return [char('t'), u32(Buffer.byteLength(value)), Buffer.from(value)]
    }),
  ])

/** With `xid` the form inside a streamed block, else the plain one. */
const head = (type: string, xid: number | undefined): Buffer[] => [char(type), ...(xid === undefined ? [] : [u32(xid)])]

export const relationMessage = (id: number, body: Buffer, xid?: number): Buffer =>
  Buffer.concat([...head('R', xid), u32(id), body])

export const insertMessage = (id: number, row: readonly ValueSpec[], xid?: number): Buffer =>
  Buffer.concat([...head('I', xid), u32(id), char('N'), tuple(row)])

export const updateMessage = (
  id: number,
  old: { readonly mark: 'K' | 'O'; readonly row: readonly ValueSpec[] } | undefined,
  row: readonly ValueSpec[],
  xid?: number,
): Buffer =>
  Buffer.concat([
    ...head('U', xid),
    u32(id),
    ...(old === undefined ? [] : [char(old.mark), tuple(old.row)]),
    char('N'),
    tuple(row),
  ])

export const deleteMessage = (id: number, mark: 'K' | 'O', row: readonly ValueSpec[], xid?: number): Buffer =>
  Buffer.concat([...head('D', xid), u32(id), char(mark), tuple(row)])

export const truncateMessage = (ids: readonly number[], options: number, xid?: number): Buffer =>
  Buffer.concat([...head('T', xid), u32(ids.length), u8(options), ...ids.map(u32)])

export const streamStart = (xid: number): Buffer => Buffer.concat([char('S'), u32(xid), u8(1)])
export const streamStop = (): Buffer => char('E')
export const streamCommit = (xid: number): Buffer =>
  Buffer.concat([char('c'), u32(xid), u8(0), u64(0n), u64(0n), u64(0n)])
export const streamAbort = (xid: number, subxid: number): Buffer => Buffer.concat([char('A'), u32(xid), u32(subxid)])
export const beginMessage = (xid: number): Buffer => Buffer.concat([char('B'), u64(1n), u64(0n), u32(xid)])
export const commitMessage = (): Buffer => Buffer.concat([char('C'), u8(0), u64(1n), u64(2n), u64(0n)])

/** A logical message; flag 1 is transactional. */
export const emittedMessage = (prefix: string, content: string, flags = 0, xid?: number): Buffer =>
  Buffer.concat([
    ...head('M', xid),
    u8(flags),
    u64(7n),
    text(prefix),
    u32(Buffer.byteLength(content)),
    Buffer.from(content),
  ])

/** `u32 length` + message, again and again: the changes inside a writeset. */
export const payloadOf = (messages: readonly Buffer[]): Buffer =>
  Buffer.concat(messages.flatMap((message) => [u32(message.length), message]))
