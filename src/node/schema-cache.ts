/**
 * What the agent knows of the schema: keys are extracted by it, statements classified, rows found. Read anew after each
 * schema change, before anything behind it is captured, classified or applied.
 *
 * @module
 */
import type { HashWords } from '../core/hash.ts'
import type { DatabaseId } from '../core/ids.ts'
import { hashBytes, type WritesetRecord } from '../core/writeset.ts'
import type { Relation as StreamRelation } from '../wire/pgoutput/messages.ts'
import { MessageType, parseRelation, parseRowChange, parseTruncate } from '../wire/pgoutput/messages.ts'
import { forEachMessage } from './apply/frames.ts'
import { feedDependencies, type Dependencies } from './capture/dependencies.ts'
import { createKeyExtractor, keyAt, type KeyDescription, type KeyExtractor, type RecordKeys } from './capture/keys.ts'
import { nameHash } from './capture/key-plan.ts'
import { loadRelations, type RelationCatalog } from './catalog/relations.ts'
import type { Query } from './recovery/progress.ts'
import { loadHarmlessContext, type StatementClassifier } from './session/statement/index.ts'

/** A writeset larger than this is not searched for the key that lost: the DETAIL then names the table only. */
const describedBytesMax = 256 * 1024

export interface SchemaCache {
  reload(): Promise<void>
  readonly keys: KeyExtractor
  readonly hasDeferrable: boolean
  /** Names of the primary key's columns. */
  readonly keyNamesOf: (relation: StreamRelation) => ReadonlySet<string> | undefined
  /** Names of its stored generated columns. */
  readonly generatedOf: (relation: StreamRelation) => ReadonlySet<string>
  /** The hash of a table's key, by a name as in a conflict's DETAIL; undefined where it is none of a table. */
  readonly tableHash: (name: string) => Uint8Array | undefined
  describe(record: WritesetRecord, dependencies: Dependencies, keyIndex: number): KeyDescription | undefined
}

/** Gives the changes of a record to a key collector again. */
const feedRecord = (bytes: Uint8Array, keys: RecordKeys): void => {
  const relations: StreamRelation[] = []
  forEachMessage(bytes, (message) => {
    if (message[0] === MessageType.relation) {
      relations[message.readUInt32BE(1)] = parseRelation(message.subarray(5))
    } else if (message[0] === MessageType.truncate) {
      for (const local of parseTruncate(message).relations) {
        const relation = relations[local]
        if (relation !== undefined) keys.truncate(relation)
      }
    } else if (message[0] !== MessageType.statement && message[0] !== MessageType.searchPath) {
      const relation = relations[message.readUInt32BE(1)]
      if (relation !== undefined) keys.row(relation, parseRowChange(message))
    }
  })
}

const packedHash = (hash: HashWords): Uint8Array => {
  const bytes = Buffer.alloc(hashBytes)
  bytes.writeUInt32BE(hash[0] ?? 0, 0)
  bytes.writeUInt32BE(hash[1] ?? 0, 4)
  return bytes
}

const noColumns: ReadonlySet<string> = new Set()

const deferrableSql = `SELECT EXISTS (
  SELECT FROM pg_constraint WHERE condeferrable UNION ALL SELECT FROM pg_trigger WHERE tgdeferrable)::text AS found`

/** @param database the one that `query` asks */
export const createSchemaCache = async (
  query: Query,
  classifier: StatementClassifier,
  database: DatabaseId,
): Promise<SchemaCache> => {
  const asArrays = async (sql: string): Promise<readonly (readonly (string | null)[])[]> =>
    (await query(sql)).map((row) => Object.values(row))

  const load = async () => {
    const relations: RelationCatalog = await loadRelations((sql) => query(sql))
    const harmless = await loadHarmlessContext(asArrays)
    const deferrable = (await query(deferrableSql))[0]?.['found'] === 'true'
    classifier.setContext(harmless)
    return { relations, keys: createKeyExtractor(relations, database), deferrable }
  }
  let state = await load()

  return {
    async reload() {
      state = await load()
    },
    get keys() {
      return state.keys
    },
    get hasDeferrable() {
      return state.deferrable
    },
    keyNamesOf(relation) {
      const primary = state.relations.find(relation.schema, relation.name)?.indexes.find((index) => index.primary)
      return primary?.columns === undefined ? undefined : new Set(primary.columns)
    },
    generatedOf: ({ schema, name }) => state.relations.find(schema, name)?.generated ?? noColumns,
    tableHash(name) {
      const relation = state.relations.relations.find((one) => `${one.schema}.${one.name}` === name)
      return relation === undefined ? undefined : packedHash(nameHash(database, 'table', relation.root))
    },
    describe(record, dependencies, keyIndex) {
      const { changes } = record
      if (changes.kind !== 'inline' || changes.bytes.length > describedBytesMax) return undefined
      return state.keys.describe(keyAt(record.keys, keyIndex), (keys) => {
        feedRecord(changes.bytes, keys)
        feedDependencies(dependencies, keys)
      })
    },
  }
}
