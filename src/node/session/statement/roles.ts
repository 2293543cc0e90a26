/**
 * CREATE and ALTER ROLE: a plaintext password is replaced by its verifier in the text itself, found by the parser's tokens.
 *
 * @module
 */
import { parse, replaceBytes, tokens } from './parser.ts'
import { isHashed, scramSaltBytes, scramVerifier } from './scram.ts'
import { constant, list, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

/** Random bytes, passed in for tests. */
export type RandomBytes = (count: number) => Uint8Array

/**
 * The statement without plaintext; as it is if there is none. Undefined if that cannot be proven: the caller refuses it.
 * The result was parsed again and says the same except for the password.
 */
export function withoutPlaintext(body: Tree, source: string, randomBytes: RandomBytes): string | undefined {
  const given = passwords(body)
  const [first] = given
  if (first === undefined) return source
  // PostgreSQL refuses two passwords in one statement itself; nothing of it may be journaled.
  if (given.length > 1) return undefined
  // NULL has no constant; an empty one is taken as NULL by the server, with its notice.
  if (first.password === undefined || first.password === '' || isHashed(first.password)) return source
  const verifier = scramVerifier(first.password, randomBytes(scramSaltBytes))
  const rewritten = replacePassword(source, verifier)
  if (rewritten === undefined) return undefined
  const again = parse(rewritten)
  if (again.kind !== 'statements' || again.pieces.length !== 1) return undefined
  const after = passwords(again.pieces[0]?.body ?? {})
  return after.length === 1 && after[0]?.password === verifier ? rewritten : undefined
}

function passwords(body: Tree): readonly { readonly password: string | undefined }[] {
  return list(body['options'])
    .map((item) => tree(tree(item)['DefElem']))
    .filter((option) => text(option['defname']) === 'password')
    .map((option) => ({ password: option['arg'] === undefined ? undefined : constant(option['arg']) }))
}

/** `PASSWORD` as a key word (a role may have that name, quoted or not) followed by a string literal of any kind. */
function replacePassword(source: string, verifier: string): string | undefined {
  const all = tokens(source)
  for (let i = 1; i < all.length; i++) {
    const literal = all[i]
    if (all[i - 1]?.text.toLowerCase() !== 'password' || literal === undefined) continue
    if (!/^([eE]?'|[uU]&'|\$)/.test(literal.text)) continue
    const escape = all[i + 1]?.text.toLowerCase() === 'uescape' ? all[i + 2] : undefined
    return replaceBytes(source, literal.start, (escape ?? literal).end, `'${verifier}'`)
  }
  return undefined
}
