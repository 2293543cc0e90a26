/**
 * NOTIFY as a statement, and where it hides. The server carries it out without a function call that could be replaced
 * (catalog/sql/notify.ts), and on this node alone. So the statement becomes a call, and code that would run it is refused.
 *
 * @module
 */
import type { ClassifiedStatement, RefusedStatement } from './contract.ts'
import { parse, some, tokens } from './parser.ts'
import type { Piece, Token } from './parser.ts'
import { refuse } from './refused.ts'
import { constant, isTree, list, text, tree } from './tree.ts'

const hint = 'Use PERFORM pg_notify(channel, payload), or SELECT.'

/**
 * `NOTIFY channel, 'payload'` as the CALL that means the same and answers like it, but for the tag. The payload's literal stays as the
 * client wrote it: what its escapes mean is the server's to say.
 */
export function classifyNotify(piece: Piece, catalogState: number): ClassifiedStatement {
  const { body, source, offset } = piece
  const tag = 'NOTIFY'
  const called = callOf(text(body['conditionname']) ?? '', source)
  if (called === undefined)
    return refuse(source, tag, offset, 'this form of NOTIFY', { hint: 'SELECT pg_notify(channel, payload).' })
  return {
    kind: 'write',
    text: called,
    tag,
    shownTag: tag,
    offset,
    retryable: true,
    ddl: false,
    opaque: false,
    mayLock: false,
    locksOnly: false,
    catalogState,
    returnsRows: false,
    copyOut: false,
    truncateRestart: false,
    createsTemp: false,
    lockTable: [],
    holdCursor: false,
  }
}

function callOf(channel: string, source: string): string | undefined {
  const [, name, comma, ...rest] = tokens(source).filter((token) => token.text !== ';')
  // What such an escape stands for may have no place in the client's encoding.
  if (name === undefined || /^u&/i.test(name.text)) return undefined
  const payload = comma === undefined ? "''" : slice(source, rest)
  if (payload === undefined) return undefined
  const called = `CALL allwrite.notify('${channel.replaceAll("'", "''")}', ${payload})`
  // Never believed unseen; a backslash in a channel's name needs one of the settings that make it special.
  const again = parse(called)
  const isCall = again.kind === 'statements' && again.pieces.length === 1 && again.pieces[0]?.type === 'CallStmt'
  return isCall && !channel.includes('\\') ? called : undefined
}

function slice(source: string, part: readonly Token[]): string | undefined {
  const [first, last] = [part[0], part.at(-1)]
  if (first === undefined || last === undefined) return undefined
  return Buffer.from(source).toString('utf8', first.start, last.end)
}

/** The refusal of code that runs NOTIFY by itself: in the body of a function, a DO block, a rule. Undefined: none was seen. */
export function hiddenNotify(piece: Piece, tag: string): RefusedStatement | undefined {
  const { type, body, source, offset } = piece
  if (!/notify/i.test(source)) return undefined
  if (type === 'RuleStmt') {
    const found = some(body['actions'], (node) => node['NotifyStmt'] !== undefined)
    return found
      ? refuse(source, tag, offset, 'NOTIFY in a rule', {
          hint: 'Use a trigger that calls pg_notify(channel, payload).',
        })
      : undefined
  }
  const options = type === 'DoStmt' ? body['args'] : type === 'CreateFunctionStmt' ? body['options'] : undefined
  const found = list(options).some((item) => {
    const option = tree(tree(item)['DefElem'])
    return text(option['defname']) === 'as' && bodiesOf(option['arg']).some(notifies)
  })
  if (!found) return undefined
  return refuse(source, tag, offset, 'NOTIFY inside a function or DO block', {
    detail: 'Listeners on other nodes would not be told.',
    hint,
  })
}

function bodiesOf(argument: unknown): readonly string[] {
  const items = isTree(argument) && isTree(argument['List']) ? list(argument['List']['items']) : [argument]
  return items.flatMap((item) => constant(item) ?? [])
}

/** What a statement of PL/pgSQL or SQL may stand behind; and the word that begins it, at the text's beginning. */
const beforeStatement = new Set([';', 'begin', 'then', 'else', 'loop', '>>', undefined])

/**
 * A look at a function's body, by PostgreSQL's own lexer: a statement that begins with NOTIFY, or EXECUTE of a literal that does.
 * Not seen: a text that is put together, and bodies in languages that the lexer can't read.
 */
export function notifies(code: string): boolean {
  if (!/notify/i.test(code)) return false
  let found: readonly Token[]
  try {
    found = tokens(code)
  } catch {
    return false
  }
  const word = (at: number): string | undefined => found[at]?.text.toLowerCase()
  let declaring = false
  return found.some((token, at) => {
    const here = token.text.toLowerCase()
    if (here === 'declare') declaring = true
    if (here === 'begin') declaring = false
    if (here === 'notify')
      return (
        !declaring && beforeStatement.has(word(at - 1)) && /^(?:"|u&"|[a-z_\u0080-\uffff])/.test(word(at + 1) ?? '')
      )
    if (here !== 'execute') return false
    const literal = word(at + 1) === 'format' ? word(at + 3) : word(at + 1)
    return /^(?:e?'|\$[^$]*\$)\s*notify\b/.test(literal ?? '')
  })
}
