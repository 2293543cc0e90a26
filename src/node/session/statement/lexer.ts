/**
 * One pass over a text, without the parser: is it a single statement, and what is it with its literals blanked? Literals cannot
 * change the class of a SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES or TABLE: the grammar sees only the token's kind, and
 * the classifier never reads a constant there. So the blanked text is the cache's key, and a loop with changing ids hits.
 *
 * What must hold for that, token by token (src/backend/parser/scan.l):
 * - `'…'` becomes `''`, an integer that fits in nine digits `0`, a longer one or a plain decimal `0.0` (ICONST and FCONST are
 *   different tokens). White space stays, since `'a'⏎'b'` is one literal; comments become empty comments of their kind.
 * - Everything whose content or continuation the lexer reads differently gives up (undefined: ask the parser): E'' B'' X''
 *   N'' U&'' U&"" (UESCAPE is a literal that changes a *name*), numbers with letters, underscores or exponents, unclosed
 *   quotes. Dollar quotes and quoted names are copied.
 * - A `;` with anything but white space and comments behind it gives up.
 *
 * @module
 */

export interface Blanked {
  /** The text with literals and comments emptied; undefined where that would be longer than asked for. */
  readonly key: string | undefined
  /** First word, lower case; `(` for a parenthesised SELECT; empty for an empty text. */
  readonly firstWord: string
  /** A word INTO or RETURNING stands somewhere outside of quotes. */
  readonly into: boolean
  readonly returning: boolean
}

const quote = 39
const doubleQuote = 34
const dollar = 36
const semicolon = 59
const minus = 45
const slash = 47
const star = 42
const dot = 46
const ampersand = 38
const newline = 10
const carriageReturn = 13

/** Character classes by code: 1 letter, `_` or not ASCII; 2 digit; 3 white space; 4 other. */
const classOf = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/[A-Za-z_]/.test(character)) return 1
  if (/[0-9]/.test(character)) return 2
  return /[ \t\n\r\f\v]/.test(character) ? 3 : 4
})

function charClass(code: number): number {
  return code < 128 ? (classOf[code] ?? 4) : 1
}

/** Identifier continuation: letters, digits, `$`. NaN (the end) is none. */
function continuesWord(code: number): boolean {
  return code < 128 ? (classOf[code] ?? 4) <= 2 || code === dollar : code >= 128
}

/**
 * Scans a text as PostgreSQL would with `standard_conforming_strings` on.
 * @param keyMax the longest key that is made: a list of millions of literals is not copied piece by piece
 * @returns undefined when it may hold several statements or something this lexer does not judge
 */
export function blankLiterals(source: string, keyMax = Infinity): Blanked | undefined {
  const length = source.length
  let key = ''
  let copied = 0
  let position = 0
  let firstWord = ''
  let ended = false
  let into = false
  let returning = false
  let tooLong = false
  /** Replaces what was read since `copied` up to `from` by itself, and what follows up to `to` by `instead`. */
  const replace = (from: number, to: number, instead: string): void => {
    if (!tooLong) {
      tooLong = key.length + from - copied > keyMax
      key = tooLong ? '' : key + source.slice(copied, from) + instead
    }
    copied = to
  }
  while (position < length) {
    const code = source.charCodeAt(position)
    const kind = charClass(code)
    if (kind === 3) {
      position++
      continue
    }
    const comment = commentEnd(source, position, code)
    if (comment !== undefined) {
      if (comment < 0) return undefined
      replace(position, comment, code === minus ? '--' : '/**/')
      position = comment
      continue
    }
    if (code === semicolon) {
      ended = true
      position++
      continue
    }
    if (ended) return undefined
    const start = position
    if (kind === 1) {
      position++
      while (position < length && continuesWord(source.charCodeAt(position))) position++
      const size = position - start
      if (firstWord === '') firstWord = source.slice(start, position).toLowerCase()
      else if (size === 4) into ||= source.slice(start, position).toLowerCase() === 'into'
      else if (size === 9) returning ||= source.slice(start, position).toLowerCase() === 'returning'
      if (position - start === 1 && startsPrefixed(source, position, code)) return undefined
      continue
    }
    if (firstWord === '') firstWord = code === 40 ? '(' : '?'
    if (kind === 2 || (code === dot && charClass(source.charCodeAt(position + 1)) === 2)) {
      const number = numberEnd(source, position)
      if (number === undefined) return undefined
      replace(position, number.end, number.integer ? '0' : '0.0')
      position = number.end
      continue
    }
    if (code === quote) {
      position = quotedEnd(source, position, "'")
      if (position < 0) return undefined
      replace(start, position, "''")
    } else if (code === doubleQuote) {
      position = quotedEnd(source, position, '"')
      if (position < 0) return undefined
    } else if (code === dollar) {
      position = dollarEnd(source, position)
      if (position < 0) return undefined
    } else {
      position++
    }
  }
  tooLong ||= key.length + length - copied > keyMax
  return { key: tooLong ? undefined : key + source.slice(copied), firstWord, into, returning }
}

/** E'' B'' X'' N'' U&'' U&"": a one-letter word with a quote right behind it. */
function startsPrefixed(source: string, after: number, letter: number): boolean {
  const next = source.charCodeAt(after)
  if (next === quote) return true
  return next === ampersand && (letter | 32) === 117
}

/** End of the comment that starts here; -1 if it is not closed; undefined if none starts here. */
function commentEnd(source: string, position: number, code: number): number | undefined {
  const next = source.charCodeAt(position + 1)
  if (code === minus && next === minus) {
    let end = position + 2
    while (end < source.length) {
      const c = source.charCodeAt(end)
      if (c === newline || c === carriageReturn) break
      end++
    }
    return end
  }
  if (code !== slash || next !== star) return undefined
  let depth = 1
  let end = position + 2
  while (end < source.length) {
    const c = source.charCodeAt(end)
    const after = source.charCodeAt(end + 1)
    if (c === slash && after === star) {
      depth++
      end += 2
    } else if (c === star && after === slash) {
      depth--
      end += 2
      if (depth === 0) return end
    } else {
      end++
    }
  }
  return -1
}

/** Digits with at most one dot and nothing word-like behind; undefined for any other number. */
function numberEnd(source: string, start: number): { readonly end: number; readonly integer: boolean } | undefined {
  let end = start
  let dots = 0
  for (; end < source.length; end++) {
    const c = source.charCodeAt(end)
    if (c === dot) dots++
    else if (charClass(c) !== 2) break
  }
  if (dots > 1 || continuesWord(source.charCodeAt(end))) return undefined
  return { end, integer: dots === 0 && end - start <= 9 }
}

function quotedEnd(source: string, start: number, mark: string): number {
  let end = start + 1
  for (;;) {
    end = source.indexOf(mark, end)
    if (end < 0) return -1
    if (source[end + 1] !== mark) return end + 1
    end += 2
  }
}

const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
const parameter = /\$[0-9]+(?![A-Za-z0-9_$\u0080-\uffff])/y

/** End of `$1` or of a dollar-quoted literal; -1 for anything else. */
function dollarEnd(source: string, start: number): number {
  parameter.lastIndex = start
  if (parameter.test(source)) return parameter.lastIndex
  dollarTag.lastIndex = start
  const tag = dollarTag.exec(source)
  if (tag === null) return -1
  const close = source.indexOf(tag[0], start + tag[0].length)
  return close < 0 ? -1 : close + tag[0].length
}
