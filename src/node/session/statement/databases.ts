/**
 * CREATE, DROP and ALTER DATABASE: what of them every node does at one position (DatabaseRequest), what is a change of the shared catalogs
 * like that of a role, and what is refused.
 *
 * @module
 */
import type { ClassifiedStatement, DatabaseRequest, RefusedStatement } from './contract.ts'
import { tokens, type Piece } from './parser.ts'
import { refuse } from './refused.ts'
import { booleanWord, constant, list, text, tree } from './tree.ts'

const command = (piece: Piece, tag: string, request: Omit<DatabaseRequest, 'kind'>): ClassifiedStatement => ({
  kind: 'concurrently',
  text: piece.source,
  tag,
  offset: piece.offset,
  request: { kind: 'database', ...request },
})

/** Name → value; a value that is not written, or DEFAULT, is undefined. */
const optionsOf = (piece: Piece): ReadonlyMap<string, string | undefined> =>
  new Map(
    list(piece.body['options']).map((item) => {
      const option = tree(tree(item)['DefElem'])
      return [text(option['defname']) ?? '', option['arg'] === undefined ? undefined : constant(option['arg'])]
    }),
  )

/** What CREATE and ALTER DATABASE refuse alike. */
const refusedOption = (
  piece: Piece,
  tag: string,
  options: ReadonlyMap<string, string | undefined>,
): RefusedStatement | undefined => {
  const no = (feature: string, detail: string): RefusedStatement =>
    refuse(piece.source, tag, piece.offset, feature, { detail })
  const tablespace = options.get('tablespace')
  if (tablespace !== undefined && tablespace !== 'pg_default')
    return no(`${tag} … TABLESPACE`, 'Tablespaces are folders of one node.')
  const connections = options.get('allow_connections')
  if (connections !== undefined && booleanWord(connections) !== true)
    return no(`${tag} … ALLOW_CONNECTIONS false`, 'The agent itself could not connect any more.')
  const encoding = options.get('encoding')
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding) && encoding !== '6')
    return no(`${tag} … ENCODING '${encoding}'`, 'All databases of a cluster have the encoding UTF8.')
  if (options.has('oid')) return no(`${tag} … OID`, 'The cluster gives a database its OID.')
  return undefined
}

/** Options are put behind it. */
const withoutSemicolon = (source: string): string => {
  const last = tokens(source).at(-1)
  return last?.text === ';' ? Buffer.from(source).toString('utf8', 0, last.start) : source
}

/** CREATE DATABASE. */
export const classifyCreateDatabase = (piece: Piece, tag: string): ClassifiedStatement => {
  const options = optionsOf(piece)
  const refused = refusedOption(piece, tag, options)
  if (refused !== undefined) return refused
  const template = options.get('template')
  return command(piece, tag, {
    command: 'create',
    name: text(piece.body['dbname']) ?? '',
    ...(template === undefined ? {} : { template }),
    statement: withoutSemicolon(piece.source),
  })
}

/** DROP DATABASE. */
export const classifyDropDatabase = (piece: Piece, tag: string): ClassifiedStatement =>
  command(piece, tag, {
    command: 'drop',
    name: text(piece.body['dbname']) ?? '',
    missingOk: piece.body['missing_ok'] === true,
    force: optionsOf(piece).has('force'),
    statement: piece.source,
  })

/** ALTER DATABASE … RENAME TO. */
export const classifyRenameDatabase = (piece: Piece, tag: string): ClassifiedStatement =>
  command(piece, tag, {
    command: 'rename',
    name: text(piece.body['subname']) ?? '',
    newName: text(piece.body['newname']) ?? '',
    statement: piece.source,
  })

/** ALTER DATABASE … WITH: the refusal, or undefined where it travels like a change of a role. */
export const alterDatabaseRefusal = (piece: Piece, tag: string): RefusedStatement | undefined =>
  refusedOption(piece, tag, optionsOf(piece))
