/**
 * PostgreSQL's own parser (libpg-query, WASM), with its answers as data: statements with their place in the text, a syntax
 * error, or "too complex".
 *
 * @module
 */
import { loadModule, parseSync, scanSync, SqlError } from 'libpg-query'
import { isTree, list, tree, unwrap } from './tree.ts'
import type { Tree } from './tree.ts'

/** One statement of a text. */
export interface Piece {
  /** Node type, such as `InsertStmt`. */
  readonly type: string
  readonly body: Tree
  /** The wrapper `{type: body}`, for walks. */
  readonly node: Tree
  /** The exact source, without its `;`. */
  readonly source: string
  /** Code points of the text before `source`. */
  readonly offset: number
}

export type Parsed =
  | { readonly kind: 'statements'; readonly pieces: readonly Piece[] }
  | { readonly kind: 'syntax_error' }
  /** The parser itself failed: stack or memory. Nothing is known about the text. */
  | { readonly kind: 'too_complex' }

/** Must have resolved once before {@link parse} is called. Idempotent. */
export const loadParser = loadModule

/** Parses a whole text. A single statement's source is the text itself, comments around it included. */
export function parse(source: string): Parsed {
  // A lone surrogate has no UTF-8 form: offsets would not be the text's.
  if (/\p{Cs}/u.test(source)) return { kind: 'syntax_error' }
  if (source.includes('\0')) return { kind: 'syntax_error' }
  if (source === '') return { kind: 'statements', pieces: [] }
  let raw: unknown
  try {
    raw = parseSync(source)
  } catch (error) {
    if (error instanceof SqlError && !/stack depth|memory/.test(error.message)) return { kind: 'syntax_error' }
    return { kind: 'too_complex' }
  }
  const statements = list(tree(raw)['stmts']).map(tree)
  const only = statements[0]
  if (statements.length === 1 && only !== undefined) {
    return { kind: 'statements', pieces: [piece(only, source, 0)] }
  }
  return { kind: 'statements', pieces: slices(statements, source) }
}

function piece(statement: Tree, source: string, offset: number): Piece {
  const node = tree(statement['stmt'])
  return { ...unwrap(node), node, source, offset }
}

function slices(statements: readonly Tree[], source: string): Piece[] {
  const utf8 = Buffer.from(source)
  let before = 0
  let offset = 0
  return statements.map((statement) => {
    const start = number(statement['stmt_location'])
    const length = number(statement['stmt_len'])
    offset += codePoints(utf8.toString('utf8', before, start))
    before = start
    return piece(statement, utf8.toString('utf8', start, length === 0 ? utf8.length : start + length), offset)
  })
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function codePoints(value: string): number {
  let count = 0
  for (const _ of value) count++
  return count
}

/** A token with its place in UTF-8 bytes. */
export interface Token {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The tokens of a text that parses; comments are left out. */
export function tokens(source: string): readonly Token[] {
  return scanSync(source)
    .tokens.filter((token) => !token.text.startsWith('--') && !token.text.startsWith('/*'))
    .map(({ start, end, text }) => ({ start, end, text }))
}

/** Replaces a range of UTF-8 bytes. */
export function replaceBytes(source: string, start: number, end: number, replacement: string): string {
  const utf8 = Buffer.from(source)
  return utf8.toString('utf8', 0, start) + replacement + utf8.toString('utf8', end)
}

/** Calls `visit` with every `{NodeType: body}` and every unnamed object below; stops at the first true. */
export function some(value: unknown, visit: (node: Tree) => boolean): boolean {
  const stack: unknown[] = [value]
  while (stack.length > 0) {
    const next = stack.pop()
    if (Array.isArray(next)) stack.push(...(next as unknown[]))
    else if (isTree(next)) {
      if (visit(next)) return true
      for (const field in next) stack.push(next[field])
    }
  }
  return false
}
