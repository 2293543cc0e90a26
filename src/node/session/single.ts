/**
 * One statement as a Query, and never two (RULES 4): what was judged as one statement runs only if the server sees one as well.
 *
 * PostgreSQL's grammar separates statements by `;` alone (gram.y, stmtmulti), so a text without one inside is one statement,
 * whatever any lexer takes for a literal. Where there is one inside (in a literal, a comment, a function's body), the server
 * is first asked to Parse the text: it refuses two statements there, and says so. Running it by the extended protocol instead
 * would not be exact: parameters, binary cursors and errors differ (docs/adr/0007).
 *
 * @module
 */
import { typeByte } from '../../wire/pgwire/frames.ts'
import { sync } from '../../wire/pgwire/messages.ts'
import type { Answer, CycleOptions } from './channel.ts'
import type { Core } from './core.ts'

const semicolon = 0x3b
/** Blanks of PostgreSQL's lexer, and the semicolon itself. */
const trailing: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, semicolon])
const bodyOffset = 5

/** @param frame a Query whose text was judged as one statement */
export function exchangeSingle(core: Core, frame: Buffer, options: CycleOptions): Promise<Answer> {
  return certainlyOne(frame) ? core.exchange(frame, options) : provenByParse(core, frame, options)
}

/** No `;` but at the end. In no encoding that a session may use here is 0x3b a part of another character. */
export function certainlyOne(frame: Buffer): boolean {
  const first = frame.indexOf(semicolon, bodyOffset)
  if (first < 0) return true
  for (let at = first + 1; at < frame.length - 1; at++) {
    if (!trailing.has(frame[at] ?? 0)) return false
  }
  return true
}

const nothing = Buffer.alloc(0)
const parseHead = typeByte('P')

async function provenByParse(core: Core, frame: Buffer, options: CycleOptions): Promise<Answer> {
  const { error } = options
  const proof = await core.exchange([parseOfQuery(frame), sync], {
    show: true,
    ready: false,
    track: () => nothing,
    // The Query will say them again.
    dropNotice: () => true,
    ...(error ? { error } : {}),
  })
  return proof.error ? proof : core.exchange(frame, options)
}

/** The unnamed Parse of a Query's text: the Query would destroy the client's unnamed statement as well. */
function parseOfQuery(frame: Buffer): Buffer {
  const text = frame.length - bodyOffset
  const whole = Buffer.alloc(bodyOffset + 1 + text + 2)
  whole[0] = parseHead
  whole.writeUInt32BE(whole.length - 1, 1)
  frame.copy(whole, bodyOffset + 1, bodyOffset)
  return whole
}
