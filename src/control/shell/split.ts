/**
 * Where a statement ends in what someone types: at a semicolon outside of quotes, comments, brackets and
 * `BEGIN ATOMIC` bodies (which nest END; the server is asked about those as a whole, as psql does by counting).
 *
 * @module
 */

export interface Split {
  /** Complete statements, with their semicolons. */
  readonly statements: readonly string[]
  /** What is not complete yet. */
  readonly rest: string
}

const quoted = [
  // E'' before '': there a backslash takes the next quote.
  /[eE]'(?:[^'\\]|\\[^]|'')*'/y,
  /'(?:[^']|'')*'/y,
  /"(?:[^"]|"")*"/y,
  /\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?\$\1\$/y,
  /--[^\n]*(?:\n|$)/y,
]

const opened = /[eE]'|['"]|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|--|\/\*/y
const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y

/** Splits `text` at its statements' ends. Linear, but for unfinished quotes, which are tried once each. */
export function splitStatements(text: string): Split {
  const statements: string[] = []
  let start = 0
  let depth = 0
  let atomic = 0
  let previousWord = ''
  let at = 0
  while (at < text.length) {
    const end = skipQuoted(text, at)
    if (end === 'open') break
    if (end !== undefined) {
      at = end
      continue
    }
    const name = matchAt(word, text, at)
    if (name !== undefined) {
      const lower = name.toLowerCase()
      if (lower === 'atomic' && previousWord === 'begin') atomic++
      else if (lower === 'case' && atomic > 0) atomic++
      else if (lower === 'end' && atomic > 0) atomic--
      previousWord = lower
      at += name.length
      continue
    }
    const character = text[at]
    if (character === '(') depth++
    if (character === ')') depth = Math.max(depth - 1, 0)
    at++
    if (character !== ';' || depth > 0 || atomic > 0) continue
    const statement = text.slice(start, at).trim()
    if (statement !== ';') statements.push(statement)
    start = at
  }
  return { statements, rest: text.slice(start).trimStart() }
}

/** Whether only comments and blanks are left. */
export function isBlank(text: string): boolean {
  return text.replaceAll(/--[^\n]*/g, '').trim() === ''
}

/** The end of what is quoted at `at`; `open` if its end is not there yet; undefined if nothing is quoted there. */
function skipQuoted(text: string, at: number): number | 'open' | undefined {
  if (matchAt(opened, text, at) === undefined) return undefined
  if (text.startsWith('/*', at)) return skipComment(text, at)
  for (const pattern of quoted) {
    const found = matchAt(pattern, text, at)
    if (found !== undefined) return at + found.length
  }
  return 'open'
}

/** Comments nest in PostgreSQL. */
function skipComment(text: string, from: number): number | 'open' {
  let depth = 0
  for (let at = from; at < text.length;) {
    if (text.startsWith('/*', at)) depth++
    else if (text.startsWith('*/', at)) depth--
    else {
      at++
      continue
    }
    at += 2
    if (depth === 0) return at
  }
  return 'open'
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}
