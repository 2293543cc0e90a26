/**
 * CREATE and DROP INDEX CONCURRENTLY: what of them travels, and what is asked of the database at home.
 *
 * @module
 */
import type { ClassifiedStatement, ConcurrentRequest } from './contract.ts'
import { replaceBytes, tokens, type Piece } from './parser.ts'
import { isTree, list, names, text, tree, unwrap } from './tree.ts'

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

/** The word CONCURRENTLY, which follows INDEX. */
const wordOf = (piece: Piece) => {
  const all = tokens(piece.source)
  const index = all.findIndex(
    (token, i) => token.text.toLowerCase() === 'concurrently' && all[i - 1]?.text.toLowerCase() === 'index',
  )
  return all[index]
}

/** The statement without the word; undefined: it was not found. */
export const withoutConcurrently = (piece: Piece): string | undefined => {
  const word = wordOf(piece)
  return word && replaceBytes(piece.source, word.start, word.end, ' '.repeat(word.end - word.start))
}

/** What PostgreSQL names an index after, for one column (FigureIndexColname); undefined: not known here. */
const columnName = (item: unknown): string | undefined => {
  const element = tree(tree(item)['IndexElem'])
  const name = text(element['name'])
  if (name !== undefined) return name
  const { type, body } = unwrap(element['expr'])
  return type === 'FuncCall' ? names(body['funcname']).at(-1) : undefined
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
  if (index !== undefined) return concurrently(piece, tag, { ...common, index, statement: source })
  const columns = [...list(body['indexParams']), ...list(body['indexIncludingParams'])].map(columnName)
  const word = wordOf(piece)
  if (word === undefined || columns.includes(undefined)) {
    return refused(piece, tag, 'CREATE INDEX CONCURRENTLY of an expression without a name is not supported', 'Name it.')
  }
  const utf8 = Buffer.from(source)
  return concurrently(piece, tag, {
    ...common,
    columns: columns.map((column) => column ?? ''),
    statement: utf8.toString('utf8', 0, word.end),
    tail: utf8.toString('utf8', word.end),
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
  if (name === '' || database !== undefined)
    return refused(piece, tag, 'DROP INDEX CONCURRENTLY by this name is not supported')
  return concurrently(piece, tag, {
    kind: 'drop',
    ...(schema === undefined ? {} : { schema }),
    name,
    missingOk: body['missing_ok'] === true,
    statement: source,
  })
}
