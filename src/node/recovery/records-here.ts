/**
 * Which of the journal's records may be in this node's data under their own transaction ids, and are to be looked for there
 * before they are applied; and who appended a record.
 *
 * @module
 */
import type { Incarnation, NodeId, Xid } from '../../core/ids.ts'
import type { Entry, WritesetRecord } from '../../core/writeset.ts'
import type { Lineage } from './lineage.ts'

export interface RecordsHere {
  /** Sees each entry before its records are asked for. */
  see(entry: Entry): void
  /** Whether its records are not simply applied: the agent's own, and those that this folder's lineage may hold. */
  isOurs(entry: Entry): boolean
  /** Did it commit in this folder, before this agent began? */
  committedBefore(record: WritesetRecord): Promise<boolean>
  /** Who appended a record that is chunked or may be here. */
  homeOf(record: WritesetRecord): { readonly node: NodeId; readonly incarnation: Incarnation } | undefined
}

export interface RecordsHereOptions {
  readonly node: NodeId
  readonly incarnation: Incarnation
  readonly lineage: Lineage
  /** Asks the server. */
  readonly committed: (xid: Xid) => Promise<boolean>
}

export const createRecordsHere = (options: RecordsHereOptions): RecordsHere => {
  const { lineage } = options
  const homes = new WeakMap<WritesetRecord, Entry>()
  const mayBeHere = ({ node, incarnation }: Entry, record: WritesetRecord): boolean =>
    lineage.holds(node, incarnation, record.xid)
  return {
    see(entry) {
      if (entry.kind !== 'group') return
      const known = lineage.knows(entry.node, entry.incarnation)
      for (const record of entry.records) if (known || record.changes.kind === 'chunked') homes.set(record, entry)
    },
    isOurs(entry) {
      if (entry.node === options.node && entry.incarnation === options.incarnation) return true
      if (entry.kind !== 'group' || !lineage.knows(entry.node, entry.incarnation)) return false
      return entry.records.some((record) => mayBeHere(entry, record))
    },
    async committedBefore(record) {
      const home = homes.get(record)
      return home !== undefined && mayBeHere(home, record) && (await options.committed(record.xid))
    },
    homeOf: (record) => homes.get(record),
  }
}
