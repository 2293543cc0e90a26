/**
 * The row of an apply that changes only one: if it waits for a row's writer, it waits for that row's. The server does not
 * tell which row an apply worker waits for in that case (waiting-for.ts).
 *
 * @module
 */
import type { WritesetRecord } from '../../core/writeset.ts'
import {
  MessageType,
  parseRelation,
  parseRowChange,
  type Relation,
  type RowChange,
} from '../../wire/pgoutput/messages.ts'
import { forEachMessage } from './frames.ts'
import type { WaitedFor } from './waiting-for.ts'

/** Only small records are read for this. */
const bytesMax = 16 * 1024

const named = (
  relation: Relation,
  change: RowChange,
  keyNames: ReadonlySet<string> | undefined,
): WaitedFor | undefined => {
  const row = change.old ?? change.new
  const columns = relation.columns.flatMap((column, i) =>
    keyNames?.has(column.name) ? [{ name: column.name, i }] : [],
  )
  const table = `${relation.schema}.${relation.name}`
  if (columns.length === 0) return { table, key: undefined }
  const values = columns.map(({ i }) => (row[i] == null ? 'null' : Buffer.from(row[i]).toString('utf8')))
  return { table, key: `Key (${columns.map(({ name }) => name).join(', ')})=(${values.join(', ')})` }
}

/** @returns undefined where the records change no row, several, or a table as a whole */
export const onlyRow = (
  records: readonly WritesetRecord[],
  keyNamesOf: (relation: Relation) => ReadonlySet<string> | undefined,
): WaitedFor | undefined => {
  const [record, second] = records
  if (record === undefined || second !== undefined) return undefined
  if (record.changes.kind !== 'inline' || record.changes.bytes.length > bytesMax) return undefined
  const relations: Relation[] = []
  const rows: WaitedFor[] = []
  let others = 0
  forEachMessage(record.changes.bytes, (message) => {
    if (message[0] === MessageType.relation) {
      relations[message.readUInt32BE(1)] = parseRelation(message.subarray(5))
    } else if (message[0] === MessageType.truncate || message[0] === MessageType.statement) others += 1
    else if (message[0] !== MessageType.searchPath) {
      const relation = relations[message.readUInt32BE(1)]
      const row = relation && named(relation, parseRowChange(message), keyNamesOf(relation))
      if (row) rows.push(row)
    }
  })
  return others === 0 && rows.length === 1 ? rows[0] : undefined
}
