/**
 * Cuts a text into its statements, where PostgreSQL's own parser sees their borders.
 *
 * @module
 */
import { parse } from './parser.ts'

/** A statement's own text and its place: code points of the whole text before it. */
export interface Split {
  readonly text: string
  readonly offset: number
}

/**
 * The single statements of a text, as PostgreSQL's parser sees them; without their `;`. A text with one statement is that
 * text. Empty for an empty text; undefined for one that does not parse.
 */
export function splitStatements(text: string): readonly Split[] | undefined {
  const parsed = parse(text)
  if (parsed.kind !== 'statements') return undefined
  return parsed.pieces.map((piece) => ({ text: piece.source, offset: piece.offset }))
}
