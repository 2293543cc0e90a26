/**
 * Rows of PostgreSQL's own catalogs and of the agent's schema are not replicated: a superuser's INSERT, UPDATE, DELETE, MERGE,
 * COPY FROM or TRUNCATE there would change one node only, and silently (RULES 5).
 *
 * Read from the text. What a function or DO block does there is found by allwrite.unseen_writes().
 *
 * @module
 */
import { proxyRole } from '../../../login/vouching.ts'
import type { HarmlessContext } from './contract.ts'
import { some } from './parser.ts'
import { isTree, list, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

const ownSchemas = new Set(['pg_catalog', 'pg_toast', 'information_schema', 'allwrite'])

/** Nodes that write rows; each names its table as `relation`, TRUNCATE its tables as `relations`. */
const writers = ['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'TruncateStmt', 'CopyStmt']

/** Part of HarmlessContext. */
type SystemNames = Pick<HarmlessContext, 'isSystemRelation'>

/** pg_catalog is searched first unless a search_path says otherwise. */
function isOwn(relation: Tree, names: SystemNames): boolean {
  const schema = text(relation['schemaname'])
  return schema === undefined ? names.isSystemRelation(text(relation['relname']) ?? '') : ownSchemas.has(schema)
}

/** True if the statement, at any depth of it, writes rows of a system table. */
export function writesSystemTable(statement: Tree, names: SystemNames): boolean {
  return some(statement, (node) =>
    writers.some((type) => {
      const body = node[type]
      if (!isTree(body) || (type === 'CopyStmt' && body['is_from'] !== true)) return false
      const named = list(body['relations']).map((item) => tree(tree(item)['RangeVar']))
      return [tree(body['relation']), ...named].some((relation) => isOwn(relation, names))
    }),
  )
}

const rowWriters = ['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']

/** The tables to which INSERT, UPDATE, DELETE and MERGE write, at any depth of the statement. */
export function targetsOf(statement: Tree): Tree[] {
  const targets: Tree[] = []
  some(statement, (node) => {
    for (const type of rowWriters) {
      const body = node[type]
      if (isTree(body)) targets.push(tree(body['relation']))
    }
    return false
  })
  return targets
}

export const agentRole = 'allwrite'

/** The agents', and their proxies'. */
export const ownRoles: ReadonlySet<unknown> = new Set([agentRole, proxyRole])

/** True if a statement on roles names one of ours: other nodes' agents, logged in as theirs, could not repeat it. */
export function namesOwnRole(statement: Tree): boolean {
  return some(
    statement,
    (node) => ownRoles.has(node['rolename']) || ownRoles.has(node['priv_name']) || ownRoles.has(node['subname']),
  )
}
