/**
 * From the row changes of a transaction to its certification keys: everything two transactions at different nodes must not
 * both have done. Complete keys are what keeps the nodes equal: each rule here may be coarser than needed, never finer.
 *
 * What becomes a key
 * 1. insert and delete: each unique index's values, UPDATE. No key where a NULL makes the row unlike every other.
 * 2. update: the row's identity (primary key, else every unique index that identifies it) in NO KEY UPDATE, or UPDATE
 *    where a key column changed, as heap_update decides; besides, old and new values of each changed unique index, UPDATE.
 * 3. a foreign key that an insert or update sets: the parent's key, KEY SHARE. The parent is only locked, nothing of this record's
 *    apply stands in the way of its deletion elsewhere, so the key is early-flagged.
 * 4. a row that no unique index identifies: a hash of its values, early-flagged (apply may pick another equal row).
 * 5. a row locked without a write: its identity as in 2 in the lock's mode, early-flagged, since its apply holds nobody off; FOR UPDATE
 *    besides by each unique index that a foreign key refers to.
 * 6. each table with a key: the table's own, KEY SHARE; UPDATE for TRUNCATE, LOCK TABLE, too many rows, and where the old
 *    values that a key needs are not in the stream. (Not the index's key: writers that know their values don't hold that one.)
 * 7. the schema: KEY SHARE, check-only, for records of rows; UPDATE for schema changes, early-flagged, since not
 *    everything that DDL changes is locked by those who use it. Schema changes of all databases have one key more in common.
 * 8. a database that is dropped: its schema, as in 7.
 * All but that common key are one database's: the same names in another one have others.
 * Coarse indexes have one key for all values. Keys of DEFERRABLE indexes are early-flagged: apply does not check them.
 *
 * Failure cases: a relation or column that the catalog does not have is refused (`unavailable`), as the catalog is older than the
 * stream; in a schema change, which conflicts with everything anyway, the table's key is taken.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { hashWords } from '../../core/hash.ts'
import type { HashWords } from '../../core/hash.ts'
import { firstDatabase, type DatabaseId } from '../../core/ids.ts'
import { keyBytes, KeyFlag, LockMode } from '../../core/writeset.ts'
import type { Relation as StreamRelation, RowChange, Value } from '../../wire/pgoutput/messages.ts'
import type { QualifiedName, RelationCatalog } from '../catalog/relations.ts'
import { createKeySet } from './key-set.ts'
import { createPlans, nameHash } from './key-plan.ts'
import type { IndexPlan, Layout, Plans, TablePlan } from './key-plan.ts'
import { hashIndex, hashRow } from './key-hash.ts'

const nameless: QualifiedName = { schema: '', name: '' }

/** The key that the schema changes of a database exclude all others with that write to it. */
const schemaHash = (database: DatabaseId): HashWords => nameHash(database, 'schema', nameless)

/**
 * The key that schema changes of different databases exclude each other with: roles, their grants and databases are shared, and no
 * statement says by its class alone that it depends on none.
 */
const everySchema: TablePlan = { hash: nameHash(firstDatabase, 'schemas', nameless), display: 'schema' }

/** Collects the keys of one record: give it each change in order, then pack. */
export interface RecordKeys {
  row(relation: StreamRelation, change: RowChange): void
  /** One relation of a TRUNCATE; partitions and their root alike. */
  truncate(relation: QualifiedName): void
  /**
   * LOCK TABLE in a mode ≥ SHARE, or row locks that can't be named: nobody else may write the table. A schema change must
   * name every table that it holds such a lock on (pg_locks): its record does not conflict with *earlier* writers otherwise, and
   * CREATE UNIQUE INDEX or ADD FOREIGN KEY would then fail where it is applied.
   */
  lockTable(relation: QualifiedName): void
  /** The record may rename tables whose rows it writes: others know those by their old names. */
  everyTable(): void
  /** The record makes, changes or drops a database: it excludes schema changes of all, and whoever writes to `dropped`. */
  databases(dropped: DatabaseId | undefined): void
  /**
   * A SERIALIZABLE transaction read something of the table: whoever wrote to it since its snapshot was not seen. Only checked:
   * who writes it later comes later in the order as well.
   */
  readTable(relation: QualifiedName): void
  /** A row locked without a write, FOR UPDATE … FOR KEY SHARE; `values` in the order of the relation's columns. */
  lockRow(relation: StreamRelation, values: readonly Value[], mode: LockMode): void
  /** The packed keys. Call once, last. */
  pack(): Uint8Array
}

export interface KeyExtractor {
  /** @param schemaChange the record holds DDL */
  begin(options: { readonly schemaChange: boolean }): RecordKeys
  /**
   * What a conflicting key stands for, for the client's DETAIL. The slow path: `feed` gives the same changes again.
   * `schema` is the table of a conflict with DDL; no key where a table, a coarse index or a whole row decided.
   */
  describe(key: Uint8Array, feed: (keys: RecordKeys) => void): KeyDescription
}

export interface KeyDescription {
  /** `public.accounts`. */
  readonly table: string
  /** `Key (id)=(42)`, as PostgreSQL prints it. */
  readonly key: string | undefined
}

/** Keys by the rules above, for one state of one database's schema: make a new one when the catalog was loaded again. */
export const createKeyExtractor = (catalog: RelationCatalog, database: DatabaseId = firstDatabase): KeyExtractor => {
  const plans = createPlans(catalog, database)
  const own: Own = {
    plans,
    schema: schemaHash(database),
    everyTable: { hash: nameHash(database, 'tables', nameless), display: 'schema' },
  }
  return {
    begin: ({ schemaChange }) => {
      const set = createKeySet()
      const last = schemaChange
        ? { hash: own.schema, tag: LockMode.update | KeyFlag.early }
        : { hash: own.schema, tag: LockMode.keyShare | KeyFlag.checkOnly }
      return recordKeys(own, schemaChange, set, () => {
        // Behind the tables: the first key that conflicts is named.
        if (schemaChange) set.table(everySchema, LockMode.update | KeyFlag.early)
        return set.pack(last)
      })
    },
    describe: (key, feed) => describeKey(own, key, feed),
  }
}

/** What the keys of one database are made of. */
interface Own {
  readonly plans: Plans
  readonly schema: HashWords
  /** Every row of every table: named by all who write rows, taken whole by a schema change whose rows can't be told by name. */
  readonly everyTable: TablePlan
}

/** Key number `index` of a record's packed keys, as {@link KeyExtractor.describe} takes it. */
export const keyAt = (packed: Uint8Array, index: number): Uint8Array =>
  packed.subarray(index * keyBytes, (index + 1) * keyBytes)

/** Where keys go: a KeySet, or something that looks for one of them. The rest says what the key is made of. */
interface Sink {
  row(
    table: TablePlan,
    hash: HashWords,
    tag: number,
    index?: IndexPlan,
    values?: readonly Value[],
    at?: readonly number[],
  ): void
  table(table: TablePlan, tag: number): void
}

const recordKeys = (own: Own, schemaChange: boolean, sink: Sink, pack: () => Uint8Array): RecordKeys => {
  const { plans, everyTable } = own
  const unknown = (relation: QualifiedName): void => {
    if (!schemaChange) throw staleCatalog(relation)
    sink.table(plans.unknownTable(relation), LockMode.update | KeyFlag.early)
  }
  const wholeTable = (relation: QualifiedName, tag: number): void => {
    const table = plans.table(relation)
    if (table === undefined) unknown(relation)
    else sink.table(table, tag)
  }
  return {
    row(relation, change) {
      const layout = plans.layout(relation)
      if (layout === undefined) unknown(relation)
      else changeKeys(sink, everyTable, layout, change)
    },
    truncate: (relation) => wholeTable(relation, LockMode.update),
    // A schema change takes its locks again wherever it is applied, so they hold writers off there; LOCK TABLE does not.
    lockTable: (relation) => wholeTable(relation, LockMode.update | (schemaChange ? 0 : KeyFlag.early)),
    readTable: (relation) => wholeTable(relation, LockMode.update | KeyFlag.early | KeyFlag.checkOnly),
    everyTable: () => sink.table(everyTable, LockMode.update),
    databases(dropped) {
      sink.table(everySchema, LockMode.update | KeyFlag.early)
      if (dropped !== undefined)
        sink.table({ hash: schemaHash(dropped), display: 'schema' }, LockMode.update | KeyFlag.early)
    },
    lockRow(relation, values, mode) {
      const layout = plans.layout(relation)
      if (layout === undefined) return unknown(relation)
      const tag = mode | KeyFlag.early
      // Who writes the row, or locks it, names it by its primary key. A child may know it by another, and only FOR UPDATE excludes that.
      const wanted = (index: IndexPlan): boolean =>
        index.primary || layout.primary === undefined || (mode === LockMode.update && index.referenced)
      if (!identify(sink, layout, values, tag, wanted)) wholeRow(sink, layout, values, tag)
    },
    pack,
  }
}

const staleCatalog = ({ schema, name }: QualifiedName): AllwriteError =>
  new AllwriteError('unavailable', `relation "${schema}.${name}" is not as this node's catalog has it`, {
    hint: 'The schema has just changed. Try again.',
    sqlState: '40001',
  })

const changeKeys = (sink: Sink, everyTable: TablePlan, layout: Layout, change: RowChange): void => {
  sink.table(layout.table, LockMode.keyShare)
  sink.table(everyTable, LockMode.keyShare)
  switch (change.kind) {
    case 'insert':
      for (const index of layout.indexes) indexKey(sink, index, change.new, LockMode.update)
      for (const index of layout.foreignKeys) parentKey(sink, index, change.new)
      return
    case 'delete': {
      const old = change.oldIsKey ? identityOnly(layout, change.old) : change.old
      if (!identify(sink, layout, old, LockMode.update, () => true)) wholeRow(sink, layout, old, LockMode.update)
      for (const index of layout.indexes) if (index.partial) indexKey(sink, index, old, LockMode.update)
      return
    }
    case 'update':
      return updateKeys(sink, layout, oldValues(layout, change), change.new)
  }
}

const updateKeys = (sink: Sink, layout: Layout, old: readonly Value[], sent: readonly Value[]): void => {
  // What was not sent of a large value has not changed.
  const fresh = sent.map((value, at) => (value === undefined ? old[at] : value))
  const same = (at: number): boolean => sent[at] === undefined || sameText(old[at], sent[at])
  const unchanged = (index: IndexPlan): boolean =>
    index.anyColumn ? sent.every((_, at) => same(at)) : index.at.every(same)

  const mode = layout.keyColumns.every(same) ? LockMode.noKeyUpdate : LockMode.update
  // The primary key names the row for all others; what has changed has its own keys below.
  const identified = identify(sink, layout, old, mode, (index) => index.primary || layout.primary === undefined)
  if (!identified) {
    wholeRow(sink, layout, old, LockMode.update)
    wholeRow(sink, layout, fresh, LockMode.update)
  }
  for (const index of layout.indexes) {
    if (unchanged(index)) continue
    indexKey(sink, index, old, LockMode.update)
    indexKey(sink, index, fresh, LockMode.update)
  }
  for (const index of layout.foreignKeys) if (!unchanged(index)) parentKey(sink, index, fresh)
}

/** The old row as far as the stream tells; `undefined` where it doesn't. */
const oldValues = (layout: Layout, change: RowChange & { kind: 'update' }): readonly Value[] => {
  if (change.old === undefined) return identityOnly(layout, change.new)
  return change.oldIsKey ? identityOnly(layout, change.old) : change.old
}

/** Only replica identity columns are true in a key tuple; without an old tuple at all they are the new row's, unchanged. */
const identityOnly = (layout: Layout, values: readonly Value[]): readonly Value[] =>
  values.map((value, at) => (layout.identity[at] === true ? value : undefined))

const sameText = (a: Value, b: Value): boolean => {
  if (a === undefined || b === undefined) return false
  if (a === null || b === null) return a === b
  return Buffer.compare(a, b) === 0
}

/**
 * Names a row by each of the indexes that identify it. Answers whether any did: partial ones never do, nor those
 * with a NULL.
 */
const identify = (
  sink: Sink,
  layout: Layout,
  values: readonly Value[],
  tag: number,
  wanted: (index: IndexPlan) => boolean,
): boolean => {
  let identified = false
  for (const index of layout.indexes) {
    if (!index.partial && wanted(index) && indexKey(sink, index, values, tag)) identified = true
  }
  return identified
}

const scratch = hashWords()

/** Names one index's key. False where a NULL leaves none. */
const indexKey = (sink: Sink, index: IndexPlan, values: readonly Value[], tag: number): boolean => {
  const flags = tag | (index.deferrable ? KeyFlag.early : 0)
  const outcome = hashIndex(index, values, scratch)
  if (outcome === 'none') return false
  if (outcome === 'key') sink.row(index.table, scratch, flags, index, values, index.at)
  else sink.table(index.table, LockMode.update | (flags & KeyFlag.early))
  return true
}

const parentKey = (sink: Sink, index: IndexPlan, values: readonly Value[]): void => {
  // A coarse index is not hashed by value, but a NULL still means that nothing is referenced.
  if (index.at.some((at) => values[at] === null)) return
  indexKey(sink, index, values, LockMode.keyShare | KeyFlag.early)
}

const wholeRow = (sink: Sink, layout: Layout, values: readonly Value[], tag: number): void => {
  if (hashRow(layout, values, scratch)) sink.row(layout.table, scratch, tag | KeyFlag.early)
  else sink.table(layout.table, LockMode.update | KeyFlag.early)
}

/** Bytes of one value in a DETAIL line; PostgreSQL has no bound, but a message must not be as large as a document. */
const shownBytesMax = 200

const describeKey = (own: Own, key: Uint8Array, feed: (keys: RecordKeys) => void): KeyDescription => {
  const view = new DataView(key.buffer, key.byteOffset, keyBytes)
  const [high, low] = [view.getUint32(0), view.getUint32(4)]
  const wanted = (hash: HashWords): boolean => hash[0] === high && hash[1] === low
  if (wanted(own.schema) || wanted(everySchema.hash)) return { table: 'schema', key: undefined }
  let found: KeyDescription | undefined
  const table: Sink['table'] = (named) => {
    if (wanted(named.hash)) found ??= { table: named.display, key: undefined }
  }
  const row: Sink['row'] = (named, hash, _tag, index, values, at) => {
    if (wanted(hash)) found ??= { table: named.display, key: showKey(index, values, at) }
    table(named, LockMode.keyShare)
  }
  feed(recordKeys(own, true, { row, table }, () => new Uint8Array(0)))
  return found ?? { table: 'unknown', key: undefined }
}

const showKey = (index?: IndexPlan, values?: readonly Value[], at?: readonly number[]): string | undefined => {
  if (index === undefined || index.coarse || values === undefined || at === undefined) return undefined
  const shown = at.map((i) => {
    const value = values[i]
    if (value === null || value === undefined) return 'null'
    return Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, shownBytesMax)).toString('utf8')
  })
  return `Key (${index.columns.join(', ')})=(${shown.join(', ')})`
}
