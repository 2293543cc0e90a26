/**
 * Which tables a schema change locks against writers, as far as its text names them: their writers on other nodes are asked to wait
 * (docs/adr/0018). Advice only; what is missed costs nothing but the conflict that it might have spared.
 *
 * @module
 */
import { some } from './parser.ts'
import { list, names, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'
import type { SchemaTables } from './contract.ts'

/** Statements whose every RangeVar is a table, or part of one, that they lock so. Queries only read what they name: not here. */
const lockTheirs = new Set(
  `AlterTableStmt IndexStmt RenameStmt CreateTrigStmt CreateStmt CreatePolicyStmt AlterPolicyStmt RuleStmt AlterObjectSchemaStmt
   CreateStatsStmt`.split(/\s+/),
)

/** Their objects are named by the relation, and themselves last. */
const partsOfTables = new Set(['OBJECT_TRIGGER', 'OBJECT_POLICY', 'OBJECT_RULE'])
const relationKinds = new Set(['OBJECT_TABLE', 'OBJECT_INDEX', 'OBJECT_FOREIGN_TABLE', 'OBJECT_MATVIEW'])

const quoted = (...parts: readonly string[]): string => parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')

/** undefined: it locks none that it names. */
export function schemaTables(type: string, body: Tree): SchemaTables | undefined {
  const relations = type === 'DropStmt' ? dropped(body) : lockTheirs.has(type) ? named(body) : []
  if (relations.length === 0) return undefined
  return { relations: [...new Set(relations)], drops: type === 'DropStmt' }
}

function named(body: Tree): string[] {
  const found: string[] = []
  some(body, (node) => {
    const [schema, name] = [text(node['schemaname']), text(node['relname'])]
    if (name !== undefined) found.push(quoted(...(schema === undefined ? [] : [schema]), name))
    return false
  })
  return found
}

function dropped(body: Tree): string[] {
  const kind = text(body['removeType']) ?? ''
  const parts = partsOfTables.has(kind)
  if (!parts && !relationKinds.has(kind)) return []
  return list(body['objects']).flatMap((object) => {
    const path = names(tree(tree(object)['List'])['items'])
    const relation = parts ? path.slice(0, -1) : path
    return relation.length > 0 ? [quoted(...relation)] : []
  })
}
