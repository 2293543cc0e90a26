/**
 * The proof that a query runs nothing but PostgreSQL's own, non-writing code (RULES 4). A white list: a node type that is not
 * named here is not harmless, so a new version's syntax is wrapped until someone has looked at it.
 *
 * Not seen here, and therefore the caller's or the context's duty: temporary views and domains of the session
 * (`temporaryObjects`), parameters of a domain type (a Parse message that names a type OID ≥ 16384 is not harmless), and
 * functions that their owner falsely declares IMMUTABLE inside index expressions.
 *
 * @module
 */
import type { HarmlessContext } from './contract.ts'
import { isTree, list, names, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

/** Expression and clause nodes without code of their own. */
const passive = new Set(
  `SelectStmt ResTarget A_Star String Integer Float Boolean BitString A_Const ParamRef BoolExpr NullTest BooleanTest
   JoinExpr RangeSubselect Alias CaseExpr CaseWhen CoalesceExpr MinMaxExpr SQLValueFunction RowExpr A_ArrayExpr A_Indices
   WindowDef GroupingSet GroupingFunc CommonTableExpr List NamedArgExpr RangeFunction SetToDefault`.split(/\s+/),
)

/** What an INSERT, UPDATE, DELETE or MERGE adds, for the question "is it opaque?". */
const modifying = new Set(
  `InsertStmt UpdateStmt DeleteStmt MergeStmt MergeWhenClause MultiAssignRef ReturningOption IndexElem`.split(/\s+/),
)

/** Bounds recursion: deeper trees are not harmless. V8's default stack takes about ten times this. */
const depthMax = 1_000

interface Walk {
  readonly context: HarmlessContext
  readonly temporaryObjects: boolean
  readonly modifies: boolean
}

type Names = ReadonlySet<string>
const noNames: Names = new Set()

/** True only if the SELECT (VALUES, TABLE) can neither write, lock rows nor run user code. */
export function isHarmlessQuery(query: unknown, context: HarmlessContext, temporaryObjects: boolean): boolean {
  if (!isTree(query) || query['SelectStmt'] === undefined) return false
  if (context.hasUserCasts || context.hasUserOperators) return false
  return passes(query, { context, temporaryObjects, modifies: false }, noNames, 0)
}

/** True only if a data-modifying statement runs nothing but built-in, non-volatile code besides its own writes and triggers. */
export function isTransparent(query: unknown, context: HarmlessContext, temporaryObjects: boolean): boolean {
  if (context.hasUserCasts || context.hasUserOperators) return false
  return passes(query, { context, temporaryObjects, modifies: true }, noNames, 0)
}

function passes(value: unknown, walk: Walk, outer: Names, depth: number): boolean {
  if (depth > depthMax) return false
  if (Array.isArray(value)) return value.every((item) => passes(item, walk, outer, depth + 1))
  if (!isTree(value)) return true
  let scope = outer
  const withClause = value['withClause']
  if (withClause !== undefined) {
    const inner = commonTables(tree(withClause), walk, outer, depth)
    if (inner === undefined) return false
    scope = inner
  }
  for (const field in value) {
    const child = value[field]
    const first = field.charCodeAt(0)
    const ok =
      first >= 65 && first <= 90
        ? nodePasses(field, tree(child), walk, scope, depth)
        : fieldPasses(field, child, walk, scope, depth)
    if (!ok) return false
  }
  return true
}

/** Fields that hold a node without naming its type. */
function fieldPasses(field: string, child: unknown, walk: Walk, scope: Names, depth: number): boolean {
  switch (field) {
    case 'withClause':
      return true
    case 'intoClause':
      return false
    case 'lockingClause':
      return walk.modifies && list(child).length > 0
    case 'coldeflist':
      return list(child).length === 0
    case 'typeName':
      return typePasses(tree(child), walk)
    case 'relation':
      // The target of a write; its triggers are found by their effects.
      return walk.modifies
    case 'useOp':
      return operatorPasses(child)
    default:
      return passes(child, walk, scope, depth + 1)
  }
}

function nodePasses(type: string, body: Tree, walk: Walk, scope: Names, depth: number): boolean {
  switch (type) {
    case 'RangeVar':
      return relationPasses(body, walk, scope)
    case 'FuncCall': {
      const path = names(body['funcname'])
      const known = functionPasses(path, walk.context) || (walk.modifies && isNotify(path, walk.context))
      return known && passes(omit(body, 'funcname'), walk, scope, depth + 1)
    }
    case 'ColumnRef':
      return columnPasses(list(body['fields']), walk.context)
    case 'A_Indirection': {
      const calls = names(body['indirection']).some((name) => name !== '' && walk.context.isUserFunctionName(name))
      return !calls && passes(body, walk, scope, depth + 1)
    }
    case 'A_Expr':
      return operatorPasses(body['name']) && passes(omit(body, 'name'), walk, scope, depth + 1)
    case 'SubLink':
      return operatorPasses(body['operName']) && passes(omit(body, 'operName'), walk, scope, depth + 1)
    case 'TypeCast':
    case 'SortBy':
    case 'CollateClause':
      return passes(body, walk, scope, depth + 1)
    case 'TypeName':
      return typePasses(body, walk)
    default:
      return (passive.has(type) || (walk.modifies && modifying.has(type))) && passes(body, walk, scope, depth + 1)
  }
}

function omit(body: Tree, field: string): Tree {
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== field))
}

/**
 * Checks a WITH clause and gives the names its statement sees. Without RECURSIVE a common table sees only those before it: its
 * own name inside means the outer relation, perhaps a view.
 */
function commonTables(clause: Tree, walk: Walk, outer: Names, depth: number): Names | undefined {
  const tables = list(clause['ctes']).map((item) => tree(tree(item)['CommonTableExpr']))
  const all = new Set(outer)
  if (clause['recursive'] === true) for (const table of tables) all.add(text(table['ctename']) ?? '')
  for (const table of tables) {
    if (table['search_clause'] !== undefined || table['cycle_clause'] !== undefined) return undefined
    if (!passes(table['ctequery'], walk, new Set(all), depth + 1)) return undefined
    all.add(text(table['ctename']) ?? '')
  }
  return all
}

function relationPasses(body: Tree, walk: Walk, scope: Names): boolean {
  const name = text(body['relname']) ?? ''
  const schema = text(body['schemaname'])
  if (body['catalogname'] !== undefined) return false
  if (schema === undefined && scope.has(name)) return true
  if (schema === undefined && walk.temporaryObjects) return false
  return walk.context.isPlainRelation(schema, name)
}

/** An unqualified name must be free of user functions: search_path may put any schema before pg_catalog. */
function functionPasses(path: readonly string[], context: HarmlessContext): boolean {
  const name = path.at(-1) ?? ''
  if (path.length === 1) return !context.isUserFunctionName(name) && context.isNonVolatileBuiltin(name)
  // A user function may have been put into pg_catalog too.
  return (
    path.length === 2 &&
    path[0] === 'pg_catalog' &&
    !context.isUserFunctionName(name) &&
    context.isNonVolatileBuiltin(name)
  )
}

/** What it writes is a row that the stream shows (ADR 20), as NOTIFY's is; and it changes nothing of the session. */
const isNotify = (path: readonly string[], context: HarmlessContext): boolean =>
  path.at(-1) === 'pg_notify' &&
  (path.length === 1 || (path.length === 2 && path[0] === 'pg_catalog')) &&
  !context.isUserFunctionName('pg_notify')

/**
 * `t.f` calls the function f(t) if t has no column f (ParseFuncOrColumn). Of the system's own, only some pg_… that take any type
 * are volatile (pg_restore_relation_stats); a test asks the catalog whether that is still so.
 */
function columnPasses(fields: readonly unknown[], context: HarmlessContext): boolean {
  if (fields.length < 2) return true
  const last = text(tree(tree(fields.at(-1))['String'])['sval'])
  return last === undefined || !(context.isUserFunctionName(last) || last.startsWith('pg_'))
}

function operatorPasses(path: unknown): boolean {
  const parts = names(path)
  return parts.length < 2 || (parts.length === 2 && parts[0] === 'pg_catalog')
}

function typePasses(body: Tree, walk: Walk): boolean {
  const path = names(body['names'])
  if (body['pct_type'] === true || path.length < 1 || path.length > 2) return false
  const [first, second] = path
  if (second !== undefined) return walk.context.isPlainType(first, second)
  return !walk.temporaryObjects && walk.context.isPlainType(undefined, first ?? '')
}
