/**
 * Statements that a cluster cannot run safely (yet), and how they are refused: never silently local.
 *
 * @module
 */
import type { RefusedStatement } from './contract.ts'
import { list, optionOn, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

interface Explanation {
  readonly detail?: string
  readonly hint?: string
}

/** A refusal in PostgreSQL's style: `<feature> is not supported`. */
export function refuse(
  source: string,
  tag: string,
  offset: number,
  feature: string,
  explanation: Explanation = {},
): RefusedStatement {
  return {
    kind: 'refused',
    text: source,
    tag,
    offset,
    message: `${feature} is not supported`,
    sqlState: '0A000',
    ...explanation,
  }
}

const clusterWide = { detail: 'It would change this node only.' }

const subscription = {
  detail: 'Its worker would write rows at this node that no other node has agreed to.',
  hint: 'Let a program read the publisher’s slot and write here as a client.',
}

/** Node types that are refused whatever they say. */
const refusedNodes: Readonly<Record<string, readonly [feature: string, explanation?: Explanation]>> = {
  AlterDatabaseRefreshCollStmt: ['ALTER DATABASE … REFRESH COLLATION VERSION', clusterWide],
  CreateTableSpaceStmt: ['CREATE TABLESPACE', clusterWide],
  DropTableSpaceStmt: ['DROP TABLESPACE', clusterWide],
  AlterTableSpaceOptionsStmt: ['ALTER TABLESPACE', clusterWide],
  AlterTableMoveAllStmt: ['ALTER … ALL IN TABLESPACE', clusterWide],
  AlterSystemStmt: ['ALTER SYSTEM', { detail: 'The server’s settings belong to the agent.' }],
  CreateSubscriptionStmt: ['CREATE SUBSCRIPTION', subscription],
  AlterSubscriptionStmt: ['ALTER SUBSCRIPTION', subscription],
  DropSubscriptionStmt: ['DROP SUBSCRIPTION', subscription],
  ImportForeignSchemaStmt: [
    'IMPORT FOREIGN SCHEMA',
    {
      detail: 'Each node would ask the foreign server by itself, perhaps for another answer.',
      hint: 'Write CREATE FOREIGN TABLE for each table.',
    },
  ],
}

/** Object types whose DROP, RENAME, OWNER TO and ALTER are refused, with their SQL name. */
const refusedObjects: Readonly<Record<string, string>> = {
  OBJECT_TABLESPACE: 'TABLESPACE',
  OBJECT_SUBSCRIPTION: 'SUBSCRIPTION',
  OBJECT_LARGEOBJECT: 'LARGE OBJECT',
}

/** The refusal of a node, or undefined if it may run. Looks at the node itself, not at queries inside it. */
export function refusal(
  type: string,
  body: Tree,
  source: string,
  tag: string,
  offset: number,
): RefusedStatement | undefined {
  const always = refusedNodes[type]
  if (always !== undefined) return refuse(source, tag, offset, always[0], always[1])
  const no = (feature: string, explanation?: Explanation): RefusedStatement =>
    refuse(source, tag, offset, feature, explanation)
  switch (type) {
    case 'DropStmt': {
      const object = refusedObjects[text(body['removeType']) ?? '']
      return object === undefined ? undefined : no(`DROP ${object}`)
    }
    case 'RenameStmt':
    case 'AlterOwnerStmt':
    case 'AlterObjectSchemaStmt':
    case 'AlterObjectDependsStmt': {
      const object = refusedObjects[text(body['renameType'] ?? body['objectType']) ?? '']
      return object === undefined ? undefined : no(`ALTER ${object}`)
    }
    case 'GrantStmt': {
      const object = text(body['objtype'])
      if (object === 'OBJECT_LARGEOBJECT' || object === 'OBJECT_TABLESPACE')
        return no(`GRANT or REVOKE on ${refusedObjects[object] ?? object}`)
      return undefined
    }
    case 'SecLabelStmt':
    case 'CommentStmt': {
      const object = text(body['objtype'])
      if (object === 'OBJECT_LARGEOBJECT' || object === 'OBJECT_TABLESPACE' || object === 'OBJECT_SUBSCRIPTION')
        return no(`${type === 'CommentStmt' ? 'COMMENT' : 'SECURITY LABEL'} ON ${refusedObjects[object] ?? object}`)
      return undefined
    }
    case 'ExplainStmt':
      // It fires no event trigger.
      return optionOn(body['options'], 'analyze') &&
        tree(tree(body['query'])['CreateTableAsStmt'])['objtype'] === 'OBJECT_MATVIEW'
        ? no('EXPLAIN ANALYZE of CREATE MATERIALIZED VIEW', {
            hint: 'Create it without EXPLAIN, or explain its query alone.',
          })
        : undefined
    case 'AlterTableStmt':
      return refusedAlterTable(body, no)
    case 'AlterSeqStmt':
    case 'AlterExtensionStmt':
    default:
      return undefined
  }
}

function refusedAlterTable(
  body: Tree,
  no: (feature: string, explanation?: Explanation) => RefusedStatement,
): RefusedStatement | undefined {
  const object = refusedObjects[text(body['objtype']) ?? '']
  if (object !== undefined) return no(`ALTER ${object}`)
  for (const item of list(body['cmds'])) {
    const command = tree(tree(item)['AlterTableCmd'])
    const subtype = text(command['subtype'])
    if (subtype === 'AT_SetUnLogged')
      return no('ALTER … SET UNLOGGED', { detail: 'Rows of an unlogged table would stay on this node.' })
  }
  return undefined
}
