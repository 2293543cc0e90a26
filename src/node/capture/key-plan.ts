/**
 * What key extraction works out once for each table and each column order of the stream, not for each row: names hashed, columns
 * found.
 *
 * @module
 */
import { hash64, hashWords } from '../../core/hash.ts'
import type { DatabaseId } from '../../core/ids.ts'
import type { HashWords } from '../../core/hash.ts'
import type { Relation as StreamRelation } from '../../wire/pgoutput/messages.ts'
import type { QualifiedName, Relation, RelationCatalog, UniqueIndex } from '../catalog/relations.ts'
import { equalityOf } from './canonical.ts'
import type { Equality } from './canonical.ts'
import type { TableKey } from './key-set.ts'

/** The topmost table, one object for all its partitions. */
export interface TablePlan extends TableKey {
  readonly display: string
}

/** An index whose columns are found: a table's own, or the parent's for a foreign key, with the child's columns. */
export interface IndexPlan {
  /** Whose rows the key belongs to. */
  readonly table: TablePlan
  readonly hash: HashWords
  readonly primary: boolean
  /** Some foreign key refers to it. */
  readonly referenced: boolean
  readonly coarse: boolean
  readonly partial: boolean
  readonly deferrable: boolean
  readonly nullsNotDistinct: boolean
  /** Where the key's values stand in the stream's tuple, in the index's order. */
  readonly at: readonly number[]
  readonly equalities: readonly Equality[]
  /** The index's column names, for messages. */
  readonly columns: readonly string[]
  /** Any column may decide: there is an expression or a predicate. */
  readonly anyColumn: boolean
}

/** A table in one column order. */
export interface Layout {
  readonly table: TablePlan
  readonly indexes: readonly IndexPlan[]
  readonly primary: IndexPlan | undefined
  readonly foreignKeys: readonly IndexPlan[]
  readonly keyColumns: readonly number[]
  /** By position: part of the replica identity. */
  readonly identity: readonly boolean[]
  /** By position. */
  readonly equalities: readonly Equality[]
  /** Seed of whole-row hashes. */
  readonly rowHash: HashWords
}

export interface Plans {
  /** Undefined where the catalog does not have the relation or one of the columns that its keys need. */
  layout(relation: StreamRelation): Layout | undefined
  table(relation: QualifiedName): TablePlan | undefined
  /** A table that the catalog does not have: made in the same transaction. */
  unknownTable(relation: QualifiedName): TablePlan
}

const utf8 = new TextEncoder()

/**
 * The hash of a name, the same at every node. `kind` keeps a table and an index of one name apart, the seed one name in two
 * databases.
 */
export const nameHash = (
  database: DatabaseId,
  kind: 'table' | 'tables' | 'row' | 'index' | 'schema' | 'schemas',
  { schema, name }: QualifiedName,
): HashWords => {
  const out = hashWords()
  const bytes = utf8.encode(`${kind}\0${schema}\0${name}`)
  hash64(bytes, 0, bytes.length, database, 0, out)
  return out
}

const indexId = ({ schema, name }: QualifiedName): string => `${schema}\0${name}`

const none = equalityOf({ schema: '', name: '', isEnum: false }, false)

export const createPlans = (catalog: RelationCatalog, database: DatabaseId): Plans => {
  const tables = new Map<string, TablePlan>()
  const referenced = new Set(
    catalog.relations.flatMap(({ foreignKeys }) => foreignKeys.map(({ index }) => indexId(index))),
  )
  // The decoder keeps one object for each definition that the server sent.
  const layouts = new WeakMap<StreamRelation, Layout>()

  const tablePlan = (name: QualifiedName): TablePlan => {
    const display = `${name.schema}.${name.name}`
    const id = `${name.schema}\0${name.name}`
    let table = tables.get(id)
    if (table === undefined) tables.set(id, (table = { hash: nameHash(database, 'table', name), display }))
    return table
  }

  const layout = (stream: StreamRelation): Layout | undefined => {
    const known = layouts.get(stream)
    if (known !== undefined) return known
    const relation = catalog.find(stream.schema, stream.name)
    const made = relation === undefined ? undefined : makeLayout(database, stream, relation, tablePlan, referenced)
    if (made !== undefined) layouts.set(stream, made)
    return made
  }

  return {
    layout,
    table(name) {
      const relation = catalog.find(name.schema, name.name)
      return relation === undefined ? undefined : tablePlan(relation.root)
    },
    unknownTable: tablePlan,
  }
}

const makeLayout = (
  database: DatabaseId,
  stream: StreamRelation,
  relation: Relation,
  tablePlan: (name: QualifiedName) => TablePlan,
  referenced: ReadonlySet<string>,
): Layout | undefined => {
  const position = new Map(stream.columns.map(({ name }, at) => [name, at]))
  const columnOf = new Map(relation.columns.map((column) => [column.name, column]))
  if (stream.columns.some(({ name }) => !columnOf.has(name))) return undefined
  // Generated columns need not be there: they have no equality, and the indexes over them are coarse.
  if (relation.columns.some(({ name, equality }) => equality.form !== 'none' && !position.has(name))) return undefined
  const places = (columns: readonly string[] | undefined): number[] =>
    (columns ?? []).flatMap((name) => position.get(name) ?? [])

  const plan = (index: UniqueIndex, table: TablePlan, columns: readonly string[] | undefined): IndexPlan => ({
    table,
    hash: nameHash(database, 'index', index),
    primary: index.primary,
    referenced: referenced.has(indexId(index)),
    coarse: index.coarse,
    partial: index.partial,
    deferrable: index.deferrable,
    nullsNotDistinct: index.nullsNotDistinct,
    at: places(columns),
    equalities: index.equalities,
    columns: index.columns ?? [],
    anyColumn: index.columns === undefined || index.partial || places(columns).length !== columns?.length,
  })

  const table = tablePlan(relation.root)
  const indexes = relation.indexes.map((index) => plan(index, table, index.columns))
  return {
    table,
    indexes,
    primary: indexes.find(({ primary }) => primary),
    foreignKeys: relation.foreignKeys.map(({ index, table, columns }) => plan(index, tablePlan(table), columns)),
    keyColumns: places([...relation.keyColumns]),
    identity: stream.columns.map(({ key }) => key),
    equalities: stream.columns.map(({ name }) => columnOf.get(name)?.equality ?? none),
    rowHash: nameHash(database, 'row', relation.root),
  }
}
