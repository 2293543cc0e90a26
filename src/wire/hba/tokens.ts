/**
 * Lines, fields and tokens of pg_hba.conf, as PostgreSQL reads them (src/backend/libpq/hba.c, next_token, tokenize_auth_file).
 *
 * @module
 */

export interface Token {
  readonly text: string
  /** It began with a quote: then it is a name, never a key word. */
  readonly quoted: boolean
}

/** A field: one token, or several with commas between. */
export type Field = readonly Token[]

export interface HbaLine {
  /** Of its first line in the file, from 1. */
  readonly line: number
  readonly fields: readonly Field[]
}

const isBlank = (char: string): boolean => char === ' ' || char === '\t' || char === '\r'

/** The lines of a file that say something. */
export const hbaLines = (text: string): HbaLine[] => {
  const found: HbaLine[] = []
  const raw = text.split('\n')
  for (let index = 0; index < raw.length; index++) {
    const line = index + 1
    let joined = raw[index] ?? ''
    // A backslash at its very end joins a line with the next one, also inside of quotes and comments.
    while (joined.endsWith('\\') && index + 1 < raw.length) joined = joined.slice(0, -1) + (raw[++index] ?? '')
    const fields = fieldsOf(joined)
    if (fields.length > 0) found.push({ line, fields })
  }
  return found
}

const fieldsOf = (line: string): Field[] => {
  const fields: Field[] = []
  let at = 0
  while (at < line.length) {
    const field: Token[] = []
    for (;;) {
      const next = nextToken(line, at)
      at = next.at
      if (next.token !== undefined) field.push(next.token)
      if (!next.comma) break
    }
    if (field.length > 0) fields.push(field)
  }
  return fields
}

const nextToken = (line: string, start: number): { token: Token | undefined; at: number; comma: boolean } => {
  let at = start
  while (at < line.length && (isBlank(line.charAt(at)) || line.charAt(at) === ',')) at++
  let text = ''
  let inQuote = false
  let wasQuote = false
  let quoted = false
  let begun = false
  for (; at < line.length; at++) {
    const char = line.charAt(at)
    if (!inQuote && isBlank(char)) break
    if (!inQuote && char === '#') {
      at = line.length
      break
    }
    if (!inQuote && char === ',') return { token: begun ? { text, quoted } : undefined, at: at + 1, comma: begun }
    if (char !== '"') text += char
    // Two quotes inside of quotes are one.
    else if (wasQuote && !inQuote) {
      text += '"'
      inQuote = true
      wasQuote = false
      continue
    } else {
      inQuote = !inQuote
      if (!begun) quoted = true
    }
    begun = true
    wasQuote = char === '"' && !inQuote
  }
  return { token: begun ? { text, quoted } : undefined, at, comma: false }
}
