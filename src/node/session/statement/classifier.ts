/**
 * The way of a text: key words of one-word statements, then blanked text in the cache, then the parser.
 *
 * @module
 */
import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import { createVerdictCache } from './cache.ts'
import { classifyPiece } from './classify.ts'
import type { ClassifiedQuery, ClassifiedStatement, HarmlessContext, SessionFacts } from './contract.ts'
import { blankLiterals } from './lexer.ts'
import type { Blanked } from './lexer.ts'
import { parse } from './parser.ts'
import { refuse } from './refused.ts'
import type { RandomBytes } from './roles.ts'

export interface ClassifierOptions {
  readonly harmless: HarmlessContext
  /** Bound of the verdict cache, bytes (estimated). */
  readonly cacheBytesMax: number
  /** For password salts; node:crypto's by default. */
  readonly randomBytes?: RandomBytes
  /** Off: every text goes to the parser. For tests and measurements. */
  readonly fastPath?: boolean
}

export interface StatementClassifier {
  /** Never throws. Always at least one statement. */
  classify(text: string, facts?: SessionFacts): ClassifiedQuery
  /** After a change of the catalog: earlier verdicts are forgotten. */
  setContext(harmless: HarmlessContext): void
  /** How often the context was set. */
  readonly state: number
}

/** A session as it starts. */
export const freshSession: SessionFacts = { standardConformingStrings: true, temporaryObjects: false }

/** First words of statements whose class no literal can change. */
const blankable = new Set(['select', 'insert', 'update', 'delete', 'with', 'values', 'table', 'merge', '('])

/** Blanked keys above this are judged without the parser where the first word allows: parsing takes 10 ms per 100 kB and more. */
const parsedQueryMax = 64 * 1024
/**
 * Longer texts are never given to the parser, characters: it takes 0.1 s and 7 MB for a million of them, and meanwhile the agent serves
 * nobody. One SELECT, INSERT, UPDATE or DELETE does not need it, nor do values that come as parameters or by COPY.
 */
const parsedTextMax = 8 * 1024 * 1024

/** Texts up to this length are looked at as one-word statements. */
const wordMax = 24

/** `loadParser()` must have resolved before. One classifier serves all sessions of a node. */
export function createStatementClassifier(options: ClassifierOptions): StatementClassifier {
  const cache = createVerdictCache(options.cacheBytesMax)
  const fastPath = options.fastPath ?? true
  const randomBytes = options.randomBytes ?? ((count) => cryptoRandomBytes(count))
  let harmless = options.harmless
  let state = 0

  function classify(text: string, facts: SessionFacts = freshSession): ClassifiedQuery {
    if (!facts.standardConformingStrings && text.includes('\\')) return single(backslashRefused(text))
    if (!fastPath) return slow(text, facts)
    const word = text.length <= wordMax ? wordStatement(text) : undefined
    if (word !== undefined) return word
    const blanked = blankLiterals(text, parsedQueryMax)
    if (blanked !== undefined && blankable.has(blanked.firstWord)) return blankedQuery(text, blanked, facts)
    // Verdicts of a session with temporary objects are kept apart: no text starts with this character.
    const key = facts.temporaryObjects ? `\u0001${text}` : text
    const kept = cache.exact(key)
    if (kept !== undefined) return kept
    const query = slow(text, facts)
    if (query.statements.every(mayKeep)) cache.keepExact(key, query)
    return query
  }

  function blankedQuery(text: string, blanked: Blanked, facts: SessionFacts): ClassifiedQuery {
    if (blanked.key === undefined) {
      const huge = hugeStatement(text, blanked)
      return huge === undefined ? slow(text, facts) : single(huge)
    }
    const key = facts.temporaryObjects ? `\u0001${blanked.key}` : blanked.key
    const kept = cache.template(key, text)
    if (kept !== undefined) return kept
    // What its literals say changes nothing: where they are too much for the parser, it reads the text without them.
    const judged = text.length > parsedTextMax ? blanked.key : text
    const query = slow(judged, facts)
    const [only] = query.statements
    // A rewritten text is not a template; a syntax error may lie in the very literal that was blanked.
    if (query.statements.length === 1 && only !== undefined && mayKeep(only) && only.text === judged) {
      cache.keepTemplate(key, only)
      return judged === text ? query : single({ ...only, text })
    }
    return judged === text ? query : single(tooLarge(text))
  }

  function slow(text: string, facts: SessionFacts): ClassifiedQuery {
    if (text.length > parsedTextMax) return single(tooLarge(text))
    const parsed = parse(text)
    if (parsed.kind === 'syntax_error') return single({ kind: 'invalid', text, tag: '', offset: 0 })
    if (parsed.kind === 'too_complex') return single(tooComplex(text))
    if (parsed.pieces.length === 0) return single({ kind: 'empty', text, tag: '', offset: 0 })
    try {
      const deps = { harmless, catalogState: state, facts, randomBytes }
      return { statements: parsed.pieces.map((piece) => classifyPiece(piece, deps)) }
    } catch (error) {
      // The stack's end, on a tree nested by the thousand. Anything else is a bug and must show.
      if (error instanceof RangeError) return single(tooComplex(text))
      throw error
    }
  }

  return {
    classify,
    setContext(next) {
      harmless = next
      state += 1
      cache.clear()
    },
    get state() {
      return state
    },
  }
}

function single(statement: ClassifiedStatement): ClassifiedQuery {
  return { statements: [statement] }
}

/** Texts with passwords are never kept; syntax errors and refusals are not worth it. */
function mayKeep(statement: ClassifiedStatement): boolean {
  return statement.kind !== 'journaled' && statement.kind !== 'invalid' && statement.kind !== 'refused'
}

const oneWord = /^[ \t\r\n]*(begin|commit|end|rollback|abort)[ \t\r\n]*;?[ \t\r\n]*$/i

function wordStatement(text: string): ClassifiedQuery | undefined {
  const word = oneWord.exec(text)?.[1]?.toLowerCase()
  if (word === undefined) return undefined
  if (word === 'begin')
    return single({ kind: 'begin', text: 'BEGIN READ WRITE', tag: 'BEGIN', offset: 0, readOnly: false })
  if (word === 'commit' || word === 'end')
    return single({ kind: 'commit', text, tag: 'COMMIT', offset: 0, chain: false })
  return single({ kind: 'rollback', text, tag: 'ROLLBACK', offset: 0, chain: false })
}

/**
 * A verdict without parsing for one statement that starts with INSERT, UPDATE, DELETE or SELECT: the lexer has shown that it is
 * one, and the grammar has nothing else that starts so. Assumes the worst.
 */
function hugeStatement(text: string, blanked: Blanked): ClassifiedStatement | undefined {
  const { firstWord } = blanked
  // SELECT may have INTO, which is DDL: only the parser tells it from a column of that name.
  const read = firstWord === 'select' && !blanked.into
  if (!read && firstWord !== 'insert' && firstWord !== 'update' && firstWord !== 'delete') return undefined
  return {
    kind: 'write',
    text,
    tag: firstWord.toUpperCase(),
    offset: 0,
    retryable: false,
    ddl: false,
    opaque: true,
    mayLock: true,
    locksOnly: false,
    catalogState: 0,
    returnsRows: read || blanked.returning,
    copyOut: false,
    truncateRestart: false,
    createsTemp: false,
    lockTable: [],
    holdCursor: false,
  }
}

function backslashRefused(text: string): ClassifiedStatement {
  return refuse(text, '', 0, 'a backslash while standard_conforming_strings is off', {
    detail: 'The agent reads statements with the standard’s string literals.',
    hint: 'SET standard_conforming_strings = on.',
  })
}

function tooLarge(text: string): ClassifiedStatement {
  return {
    kind: 'refused',
    text,
    tag: '',
    offset: 0,
    message: `a text of ${text.length} characters is too large`,
    detail: `Up to ${parsedTextMax} characters are read, and more only of one SELECT, INSERT, UPDATE or DELETE.`,
    hint: 'Send its statements one by one, or large values as parameters or by COPY.',
    sqlState: '54000',
  }
}

function tooComplex(text: string): ClassifiedStatement {
  return {
    kind: 'refused',
    text,
    tag: '',
    offset: 0,
    message: 'statement too complex',
    detail: 'The agent’s parser ran out of stack or memory.',
    hint: 'Split the statement.',
    sqlState: '54001',
  }
}
