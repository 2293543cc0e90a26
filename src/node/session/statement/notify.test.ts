import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createStatementClassifier } from './classifier.ts'
import type { StatementClassifier } from './classifier.ts'
import type { ClassifiedStatement } from './contract.ts'
import { fixtureContext } from './fixtures.ts'
import { loadParser } from './parser.ts'

let classifier: StatementClassifier

before(async () => {
  await loadParser()
  classifier = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 20 })
})

const one = (text: string): ClassifiedStatement => {
  const [statement, second] = classifier.classify(text).statements
  assert.ok(statement !== undefined && second === undefined, text)
  return statement
}

test('NOTIFY is sent as the call that means the same, and shown as itself', () => {
  const cases = {
    'notify c': "CALL allwrite.notify('c', '')",
    'NOTIFY MiXed ;': "CALL allwrite.notify('mixed', '')",
    [`notify "A 'b'", e'x\\'y' -- so`]: `CALL allwrite.notify('A ''b''', e'x\\'y')`,
    'notify c, $x$a;$$$x$': "CALL allwrite.notify('c', $x$a;$$$x$)",
  }
  for (const [text, sent] of Object.entries(cases)) {
    const statement = one(text)
    assert.ok(statement.kind === 'write', JSON.stringify(statement))
    const { text: own, shownTag, retryable, opaque } = statement
    assert.deepEqual([own, shownTag, retryable, opaque], [sent, 'NOTIFY', true, false])
  }
})

test('what only looks like NOTIFY in a body is not refused', () => {
  for (const text of [
    "do $$ begin perform pg_notify('a', 'b'); end $$",
    'do $$ declare a int; notify text; begin notify := 1; end $$',
    'do $$ begin /* then notify someone */ null; -- ; notify x\n end $$',
    "do $$ begin raise notice 'x; notify y'; end $$",
    'create function g() returns int language sql as $$ select 1 as notify $$',
    'create rule r as on insert to notify do also select 1',
  ])
    assert.equal(one(text).kind, 'write', text)
})
