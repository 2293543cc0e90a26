/**
 * CREATE and DROP INDEX CONCURRENTLY: what of them travels, and what is asked of the database at home.
 *
 * @module
 */
import type { ClassifiedStatement, ConcurrentRequest } from './contract.ts'
import { parse, replaceBytes, tokens, type Piece } from './parser.ts'
import { isTree, list, names, text, tree, unwrap, type Tree } from './tree.ts'

/** Names that a node gives to indexes of its own (index-builds.ts), and PostgreSQL to those of REINDEX CONCURRENTLY. */
const reservedName = /^allwrite_dropped_|_cc(?:new|old)\d*$/

/** Refused as PostgreSQL words it. */
const refused = (piece: Piece, tag: string, message: string, hint?: string): ClassifiedStatement => ({
  kind: 'refused',
  text: piece.source,
  tag,
  offset: piece.offset,
  message,
  sqlState: '0A000',
  ...(hint === undefined ? {} : { hint }),
})

const concurrently = (piece: Piece, tag: string, request: ConcurrentRequest): ClassifiedStatement => ({
  kind: 'concurrently',
  text: piece.source,
  tag,
  offset: piece.offset,
  request,
})

/** The word CONCURRENTLY, which nothing else can be without quotes but the name of a function or type. */
const wordOf = (piece: Piece) => {
  const all = tokens(piece.source)
  const isWord = (index: number): boolean => all[index]?.text.toLowerCase() === 'concurrently'
  const behindIndex = all.findIndex((_, i) => isWord(i) && all[i - 1]?.text.toLowerCase() === 'index')
  return all[behindIndex < 0 ? all.findLastIndex((_, i) => isWord(i)) : behindIndex]
}

const blanked = (piece: Piece): string | undefined => {
  const word = wordOf(piece)
  return word && replaceBytes(piece.source, word.start, word.end, ' '.repeat(word.end - word.start))
}

/** The statement without the word; undefined: it could not be taken out. */
export const withoutConcurrently = (piece: Piece): Piece | undefined => {
  const plain = blanked(piece)
  const parsed = plain === undefined ? undefined : parse(plain)
  const [only, ...more] = parsed?.kind === 'statements' ? parsed.pieces : []
  return only === undefined || more.length > 0 || only.type !== piece.type
    ? undefined
    : { ...only, offset: piece.offset }
}

/** ALTER TABLE … DETACH PARTITION … CONCURRENTLY. */
export const detachesConcurrently = (body: Tree): boolean =>
  list(body['cmds']).some((item) => {
    const command = tree(tree(item)['AlterTableCmd'])
    const definition = tree(command['def'])
    const partition = isTree(definition['PartitionCmd']) ? definition['PartitionCmd'] : definition
    return text(command['subtype']) === 'AT_DetachPartition' && partition['concurrent'] === true
  })

/** Expressions that PostgreSQL gives no name of their own. */
const nameless = new Set(['A_Expr', 'BoolExpr', 'NullTest', 'BooleanTest', 'A_Const', 'ParamRef'])
const named: Readonly<Record<string, string>> = {
  A_ArrayExpr: 'array',
  RowExpr: 'row',
  CoalesceExpr: 'coalesce',
}

/**
 * What PostgreSQL calls an expression (FigureColnameInternal): `weak` where another one around it goes first.
 * Undefined: not known here; without a name: there is none.
 */
const figure = (node: unknown): { readonly name?: string; readonly weak: boolean } | undefined => {
  const { type, body } = unwrap(node)
  const last = (value: unknown): string | undefined => names(value).findLast((name) => name !== '')
  const strong = (name: string | undefined) => (name === undefined ? undefined : { name, weak: false })
  const fallback = (inner: unknown, name: string | undefined) => {
    const found = inner === undefined ? { weak: true } : figure(inner)
    return found === undefined || (!found.weak && 'name' in found) || name === undefined ? found : { name, weak: true }
  }
  switch (type) {
    case 'ColumnRef':
      return strong(last(body['fields']))
    case 'FuncCall':
      return strong(last(body['funcname']))
    case 'A_Indirection':
      return strong(last(body['indirection'])) ?? figure(body['arg'])
    case 'CollateClause':
      return figure(body['arg'])
    case 'TypeCast':
      return fallback(body['arg'], last(tree(body['typeName'])['names']))
    case 'CaseExpr':
      return fallback(body['defresult'], 'case')
    case 'MinMaxExpr':
      return strong(body['op'] === 'IS_LEAST' ? 'least' : 'greatest')
    case 'A_Expr':
      return body['kind'] === 'AEXPR_NULLIF' ? strong('nullif') : { weak: true }
    default:
      return nameless.has(type) ? { weak: true } : strong(named[type])
  }
}

/** What PostgreSQL names an index after, for one column; undefined: not known here. */
const columnName = (item: unknown): string | undefined => {
  const element = tree(tree(item)['IndexElem'])
  const name = text(element['name'])
  if (name !== undefined) return name
  const found = figure(element['expr'])
  return found && (found.name ?? 'expr')
}

const nameBytesMax = 63

/** As much of a name as fits before a suffix, in whole characters. */
const clip = (name: string, suffix: string): string => {
  let chars = Array.from(name)
  while (Buffer.byteLength(chars.join('')) + suffix.length > nameBytesMax) chars = chars.slice(0, -1)
  return `${chars.join('')}${suffix}`
}

/** Numbers those that came before (ChooseIndexColumnNames). */
const distinct = (columns: readonly string[]): string[] => {
  const taken: string[] = []
  for (const column of columns) {
    let name = column
    for (let i = 1; taken.includes(name); i++) name = clip(column, String(i))
    taken.push(name)
  }
  return taken
}

/** CREATE INDEX CONCURRENTLY, not unique. */
export const classifyCreate = (piece: Piece): ClassifiedStatement => {
  const { body, source } = piece
  const tag = 'CREATE INDEX'
  const relation = tree(body['relation'])
  const common = {
    kind: 'create' as const,
    ...(text(relation['schemaname']) === undefined ? {} : { schema: text(relation['schemaname']) ?? '' }),
    name: text(relation['relname']) ?? '',
  }
  const index = text(body['idxname'])
  if (index !== undefined && reservedName.test(index)) {
    return refused(
      piece,
      tag,
      `an index named "${index}" is not supported`,
      'Such names belong to indexes that are being changed.',
    )
  }
  const plain = blanked(piece)
  if (plain === undefined) return refused(piece, tag, 'this form of CREATE INDEX CONCURRENTLY is not supported')
  if (index !== undefined) return concurrently(piece, tag, { ...common, index, statement: source, plain })
  const columns = [...list(body['indexParams']), ...list(body['indexIncludingParams'])].map(columnName)
  const word = wordOf(piece)
  if (word === undefined || columns.includes(undefined)) {
    return refused(piece, tag, 'CREATE INDEX CONCURRENTLY of an expression without a name is not supported', 'Name it.')
  }
  const utf8 = Buffer.from(source)
  return concurrently(piece, tag, {
    ...common,
    columns: distinct(columns.map((column) => column ?? '')),
    statement: utf8.toString('utf8', 0, word.end),
    tail: utf8.toString('utf8', word.end),
    plain,
  })
}

/** DROP INDEX CONCURRENTLY. */
export const classifyDrop = (piece: Piece): ClassifiedStatement => {
  const { body, source } = piece
  const tag = 'DROP INDEX'
  const [only, second] = list(body['objects'])
  if (second !== undefined)
    return refused(piece, tag, 'DROP INDEX CONCURRENTLY does not support dropping multiple objects')
  if (body['behavior'] === 'DROP_CASCADE')
    return refused(piece, tag, 'DROP INDEX CONCURRENTLY does not support CASCADE')
  const items = tree(tree(only)['List'])['items']
  const [name = '', schema, database] = (isTree(only) ? names(items) : []).toReversed()
  const plain = blanked(piece)
  if (name === '' || database !== undefined || plain === undefined)
    return refused(piece, tag, 'DROP INDEX CONCURRENTLY by this name is not supported')
  return concurrently(piece, tag, {
    kind: 'drop',
    ...(schema === undefined ? {} : { schema }),
    name,
    missingOk: body['missing_ok'] === true,
    statement: source,
    plain,
  })
}
