/**
 * What certification must know of a database's tables: which unique, exclusion and foreign-key constraints protect
 * them, and how their values compare. Read in one statement, from the catalogs of the home node.
 *
 * Contract
 * 1. Nothing here depends on OIDs, which differ between nodes: tables and indexes are known by schema and name; those of a
 *    partition by the topmost ancestor's, because a foreign key names the root and a write names the leaf (RULES 6).
 * 2. A coarser answer is always allowed, a finer one never: an index whose equality can't be computed from column values is `coarse`.
 * 3. It describes the committed schema at the time of the call. Load it again after every schema change.
 *
 * Failure cases: what the query throws. A relation made since is absent from the catalog: the caller must not guess.
 *
 * @module
 */
import { equalityOf } from '../capture/canonical.ts'
import type { Equality } from '../capture/canonical.ts'
import { AllwriteError, assert } from '../../core/errors.ts'
import { relationsSql } from './relations-sql.ts'

/** Runs one statement without parameters and answers its rows by column name. */
export type Query = (sql: string) => Promise<readonly object[]>

/** A table or index by name, the same at every node. */
export interface QualifiedName {
  readonly schema: string
  readonly name: string
}

export interface CatalogColumn {
  readonly name: string
  /** How its values compare under the column's own collation; `none` for generated columns. */
  readonly equality: Equality
}

/** What keeps rows apart: a unique or exclusion index. */
export interface UniqueIndex extends QualifiedName {
  readonly primary: boolean
  /** Key columns in the index's order, INCLUDE left out; `undefined` where an expression takes part. */
  readonly columns: readonly string[] | undefined
  /** By column of `columns`, under the index's collation and operator class. */
  readonly equalities: readonly Equality[]
  /** No key per value can be computed: the whole index is one key. */
  readonly coarse: boolean
  readonly partial: boolean
  readonly nullsNotDistinct: boolean
  /** The apply worker does not check it (TRAPS): nothing local holds a duplicate off. */
  readonly deferrable: boolean
}

export interface ForeignKey {
  readonly name: string
  /** Own columns, in the order of `index.columns` (in the constraint's order where the index is coarse). */
  readonly columns: readonly string[]
  /** The referenced table, topmost. */
  readonly table: QualifiedName
  readonly index: UniqueIndex
}

export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index'

export interface Relation extends QualifiedName {
  /** Itself, or the topmost partitioned ancestor: table keys are this one's. */
  readonly root: QualifiedName
  readonly partitioned: boolean
  readonly replicaIdentity: ReplicaIdentity
  /** Columns of the index that REPLICA IDENTITY USING INDEX names. */
  readonly identityColumns: readonly string[] | undefined
  readonly columns: readonly CatalogColumn[]
  /** Names of stored generated columns. */
  readonly generated: ReadonlySet<string>
  readonly indexes: readonly UniqueIndex[]
  readonly foreignKeys: readonly ForeignKey[]
  /** A change of one of these takes the row's lock in UPDATE mode (heap_update: unique, not partial, no expressions). */
  readonly keyColumns: ReadonlySet<string>
}

export interface RelationCatalog {
  readonly relations: readonly Relation[]
  find(schema: string, name: string): Relation | undefined
}

/** Reads the catalogs. `query` must run in the database whose tables are meant. */
export const loadRelations = async (query: Query): Promise<RelationCatalog> => {
  const [row] = await query(relationsSql)
  const json: unknown = row === undefined ? undefined : Object.values(row)[0]
  if (typeof json !== 'string') throw new AllwriteError('internal', 'the catalog query did not answer one text')
  return buildCatalog(JSON.parse(json) as RawCatalog)
}

/** What {@link relationsSql} answers. */
export interface RawCatalog {
  readonly relations: readonly RawRelation[]
  readonly indexes: readonly RawIndex[]
  readonly foreignKeys: readonly RawForeignKey[]
}

interface RawRelation extends QualifiedName {
  readonly oid: number
  readonly rootSchema: string
  readonly rootName: string
  readonly partitioned: boolean
  readonly identity: string
  readonly columns: readonly RawColumn[]
}

interface RawColumn {
  readonly name: string
  readonly typeSchema: string
  readonly typeName: string
  readonly isEnum: boolean
  readonly deterministic: boolean
  /** `s` stored, `v` virtual, '' not at all. */
  readonly generated: string
}

interface RawIndex {
  readonly relation: number
  readonly oid: number
  readonly rootOid: number
  readonly schema: string
  readonly name: string
  readonly primary: boolean
  readonly unique: boolean
  readonly exclusion: boolean
  readonly btree: boolean
  readonly expressions: boolean
  readonly partial: boolean
  readonly immediate: boolean
  readonly nullsNotDistinct: boolean
  readonly identity: boolean
  readonly columns: readonly { name: string | null; deterministic: boolean; builtin: boolean }[]
}

interface RawForeignKey {
  readonly relation: number
  readonly name: string
  readonly index: number
  readonly tableSchema: string
  readonly tableName: string
  readonly columns: readonly string[]
  readonly referenced: readonly string[]
}

/** Puts the parts together; separate from {@link loadRelations} so that tests can make catalogs by hand. */
export const buildCatalog = (raw: RawCatalog): RelationCatalog => {
  const columnsOf = new Map(raw.relations.map((relation) => [relation.oid, columnMap(relation)]))
  const coarseRoots = coarseByForeignKey(raw, columnsOf)
  const byOid = new Map<number, UniqueIndex>()
  const indexesOf = byRelation(raw.indexes)
  for (const index of raw.indexes) {
    const columns = columnsOf.get(index.relation)
    if (columns !== undefined) byOid.set(index.oid, uniqueIndex(index, columns, coarseRoots.has(index.rootOid)))
  }
  const foreignKeysOf = byRelation(raw.foreignKeys)
  const relations = raw.relations.map((relation): Relation => {
    const own = indexesOf.get(relation.oid) ?? []
    const identity = own.find((index) => index.identity)
    return {
      schema: relation.schema,
      name: relation.name,
      root: { schema: relation.rootSchema, name: relation.rootName },
      partitioned: relation.partitioned,
      replicaIdentity: replicaIdentities[relation.identity] ?? 'default',
      identityColumns: identity?.columns.flatMap(({ name }) => name ?? []),
      columns: [...columnsOf.get(relation.oid)!.values()],
      generated: new Set(relation.columns.flatMap(({ name, generated }) => (generated === 's' ? name : []))),
      indexes: own.map((index) => byOid.get(index.oid)!),
      foreignKeys: distinctForeignKeys(foreignKeysOf.get(relation.oid) ?? [], byOid),
      keyColumns: new Set(own.filter(isHeapKey).flatMap(({ columns }) => columns.flatMap(({ name }) => name ?? []))),
    }
  })
  const byName = new Map(relations.map((relation) => [nameKey(relation.schema, relation.name), relation]))
  return { relations, find: (schema, name) => byName.get(nameKey(schema, name)) }
}

const replicaIdentities: Readonly<Record<string, ReplicaIdentity>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
}

const byRelation = <T extends { readonly relation: number }>(items: readonly T[]): Map<number, T[]> => {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const group = groups.get(item.relation)
    if (group === undefined) groups.set(item.relation, [item])
    else group.push(item)
  }
  return groups
}

const nameKey = (schema: string, name: string): string => `${schema}\0${name}`

type ColumnMap = ReadonlyMap<string, CatalogColumn & { readonly type: RawColumn }>

const columnMap = (relation: RawRelation): ColumnMap =>
  new Map(
    relation.columns.map((column) => [
      column.name,
      { name: column.name, type: column, equality: columnEquality(column, column.deterministic) },
    ]),
  )

const columnEquality = (column: RawColumn, deterministic: boolean): Equality =>
  equalityOf(
    { schema: column.typeSchema, name: column.typeName, isEnum: column.isEnum },
    // Virtual ones are not in the stream. What is unique by a stored one is one coarse key, as it is in records that were captured
    // before its values were in the stream: keys of both must meet.
    deterministic && column.generated === '',
  )

/** RelationGetIndexAttrBitmap's "key" indexes. Deferrable ones are among them. */
const isHeapKey = (index: RawIndex): boolean => index.unique && !index.expressions && !index.partial

const indexEqualities = (index: RawIndex, columns: ColumnMap): Equality[] =>
  index.columns.map(({ name, deterministic, builtin }) => {
    const column = name === null ? undefined : columns.get(name)
    // A foreign operator class may call different values equal; those of pg_catalog agree with the type's own equality.
    return column === undefined ? noEquality : columnEquality(column.type, deterministic && builtin)
  })

const noEquality = equalityOf({ schema: '', name: '', isEnum: false }, false)

const uniqueIndex = (index: RawIndex, columns: ColumnMap, coarseByReference: boolean): UniqueIndex => {
  const equalities = indexEqualities(index, columns)
  return {
    schema: index.schema,
    name: index.name,
    primary: index.primary,
    columns: index.expressions ? undefined : index.columns.map(({ name }) => name ?? ''),
    equalities,
    coarse:
      coarseByReference ||
      index.expressions ||
      index.exclusion ||
      !index.btree ||
      equalities.some(({ form }) => form === 'none'),
    partial: index.partial,
    nullsNotDistinct: index.nullsNotDistinct,
    deferrable: !index.immediate,
  }
}

/**
 * Indexes that a foreign key of another value family refers to (float4 to float8, text to char(n)): the child can't compute
 * the parent's key, so all writers must use the whole index.
 */
const coarseByForeignKey = (raw: RawCatalog, columnsOf: ReadonlyMap<number, ColumnMap>): Set<number> => {
  const byOid = new Map(raw.indexes.map((index) => [index.oid, index]))
  const coarse = new Set<number>()
  for (const key of raw.foreignKeys) {
    const index = byOid.get(key.index)
    const parents = index === undefined ? undefined : columnsOf.get(index.relation)
    if (index === undefined || parents === undefined) continue
    const equalities = indexEqualities(index, parents)
    const same = index.columns.every(({ name }, i) => {
      const at = name === null ? -1 : key.referenced.indexOf(name)
      const own = at < 0 ? undefined : columnsOf.get(key.relation)?.get(key.columns[at]!)
      return own !== undefined && own.equality.form !== 'none' && own.equality.family === equalities[i]!.family
    })
    if (!same) coarse.add(index.rootOid)
  }
  return coarse
}

/** Foreign keys on a partition come once for each level of both sides: one of each is enough, their keys are the same. */
const distinctForeignKeys = (raw: readonly RawForeignKey[], byOid: ReadonlyMap<number, UniqueIndex>): ForeignKey[] => {
  const distinct = new Map<string, ForeignKey>()
  for (const key of raw) {
    const index = byOid.get(key.index)
    assert(index !== undefined, 'a foreign key refers to a unique index of the catalog')
    const columns = index.coarse
      ? key.columns
      : (index.columns ?? []).map((name) => key.columns[key.referenced.indexOf(name)]!)
    const identity = JSON.stringify([key.tableSchema, key.tableName, index.schema, index.name, columns])
    if (distinct.has(identity)) continue
    distinct.set(identity, { name: key.name, columns, table: { schema: key.tableSchema, name: key.tableName }, index })
  }
  return [...distinct.values()]
}
