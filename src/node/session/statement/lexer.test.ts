import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as fc from 'fast-check'
import { createStatementClassifier } from './classifier.ts'
import { fixtureContext } from './fixtures.ts'
import { blankLiterals } from './lexer.ts'
import { loadParser, parse } from './parser.ts'
import { splitStatements } from './split.ts'
import { tree } from './tree.ts'

before(loadParser)

const blanks: readonly (readonly [string, string | undefined])[] = [
  ['select 1', 'select 0'],
  ["select 'a''b', 12.5, 1234567890 from t where x=5;", "select '', 0.0, 0.0 from t where x=0;"],
  ['select a1, t2.c3, $1, "x1 ""y" from t9', 'select a1, t2.c3, $1, "x1 ""y" from t9'],
  ["select 'a'\n'b' -- tail", "select ''\n'' --"],
  ['select 1/*x/*y*/z*/+2', 'select 0/**/+0'],
  ['select $a$ ; $b$ $a$, 5', 'select $a$ ; $b$ $a$, 0'],
  ["select E'a\\'b'", undefined],
  ["select e'x'\n'\\''", undefined],
  ["select u&'d' uescape '!'", undefined],
  ['select U&"d" from t', undefined],
  ["select b'1'", undefined],
  ["select x'1f'", undefined],
  ["select n'1'", undefined],
  ['select 1e5', undefined],
  ['select 0x1f', undefined],
  ['select 1_000', undefined],
  ['select 1abc', undefined],
  ['select $1abc', undefined],
  ["select 'open", undefined],
  ['select /* open', undefined],
  ['select $a$ open', undefined],
  ['select 1; select 2', undefined],
  ['select 1; ; -- x', 'select 0; ; --'],
  ["select date'2020-01-01'", "select date''"],
  ['select .5, 1.', 'select 0.0, 0.0'],
  ['select 1..2', undefined],
  ['select a$b$c$ from t', 'select a$b$c$ from t'],
]

for (const [text, key] of blanks) {
  test(`blanks or gives up: ${text}`, () => assert.equal(blankLiterals(text)?.key, key))
}

test('blanking twice is blanking once', () => {
  for (const [, key] of blanks) if (key !== undefined) assert.equal(blankLiterals(key)?.key, key)
})

/** Pieces of SQL that meet in random order: most results are nonsense, which must be refused alike by both ways. */
const literal = fc.constantFrom(
  "'x'",
  "'it''s; -- /* '",
  "''",
  '1',
  '42',
  '3.14',
  '.5',
  '99999999999',
  "E'\\';'",
  '$$;$$',
  "$q$'$q$",
  '$1',
  'null',
  "U&'d\\0061'",
  "b'1'",
  '1e3',
  "'\\'",
)
const gap = fc.constantFrom(' ', '\n', " /* ; ' */ ", ' -- " ;\n', '\t', '/*/**/*/', ' /* $$ */ ')
const expression = fc.oneof(
  literal,
  fc.constantFrom(
    'a',
    't.a',
    '"b;""c"',
    't.f',
    'f()',
    'lower(a)',
    'random()',
    'a::text',
    'a::d',
    "interval '1' day",
    'a$b$',
    'current_date',
    '(select max(a) from u)',
    'count(*)',
  ),
)
const words = (...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
  fc
    .tuple(...parts.flatMap((part) => [typeof part === 'string' ? fc.constant(part) : part, gap]))
    .map((all) => all.join(''))
const relation = fc.constantFrom('t', 'u', 'v', 'public.t', '"T;"')
const statement = fc.oneof(
  words('select', expression, ',', expression, 'from', relation, 'where a =', expression),
  words('select', expression),
  words('SELECT', expression, 'from', relation, 'for update'),
  words('select', expression, 'into x from', relation),
  words('insert into', relation, 'values (', expression, ',', expression, ')'),
  words('Insert into', relation, '(a) values (', expression, ') returning', expression),
  words('update', relation, 'set a =', expression, 'where b =', expression),
  words('delete from', relation, 'where a in (', expression, ',', expression, ')'),
  words('with x as (select', expression, ') select * from x where', expression, '> 0'),
  words('with x as (delete from t where a =', expression, 'returning *) select * from x'),
  words('values (', expression, ')'),
  words('table', relation),
  words('(select', expression, ') union (select', expression, ')'),
  fc.constantFrom(
    'begin',
    'commit',
    'rollback',
    'set a = 1',
    'vacuum',
    'drop table t',
    'create function g() returns int begin atomic select 1; select 2; end',
  ),
)

test('the fast path gives the parser’s verdict, on first sight and from the cache', () => {
  const fast = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 8 << 20 })
  const slow = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1, fastPath: false })
  let blanked = 0
  let kept = 0
  const seen = new Set<string>()
  fc.assert(
    fc.property(
      fc.array(statement, { minLength: 1, maxLength: 2 }),
      gap,
      fc.boolean(),
      (parts, separator, semicolon) => {
        const text = parts.join(`;${separator}`) + (semicolon ? ';' : '')
        const key = blankLiterals(text)?.key
        if (key !== undefined) {
          blanked++
          if (seen.has(key)) kept++
          seen.add(key)
        }
        const expected = slow.classify(text)
        const invalid = slow.classify(text).statements[0]?.kind === 'invalid'
        const first = fast.classify(text)
        // A literal that the parser refuses (by content) may meet a kept verdict: the server refuses it then, wrapped or read-only.
        if (!invalid) assert.deepEqual(first, expected, text)
        if (!invalid) assert.deepEqual(fast.classify(text), expected, text)
      },
    ),
    { numRuns: 4_000 },
  )
  assert.ok(blanked > 500 && kept > 20, `the property saw ${blanked} blanked texts, ${kept} of them again`)
})

test('what the lexer takes for one statement is one for the parser', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          literal,
          gap,
          fc.constantFrom(
            ';',
            'select',
            'a',
            ',',
            '(',
            ')',
            '"',
            "'",
            '$',
            '/*',
            '*/',
            '--',
            '\\',
            'é',
            '-',
            '/',
            '*',
            'E',
            '$a$',
          ),
        ),
        { maxLength: 14 },
      ),
      (parts) => {
        const text = `select ${parts.join('')}`
        if (blankLiterals(text) === undefined) return
        const parsed = parse(text)
        assert.ok(parsed.kind !== 'statements' || parsed.pieces.length === 1, text)
      },
    ),
    { numRuns: 6_000 },
  )
})

test('a blanked text has the parser’s tree but for its constants', () => {
  fc.assert(
    fc.property(statement, (text) => {
      const key = blankLiterals(text)?.key
      if (key === undefined) return
      const [one, two] = [parse(text), parse(key)]
      if (one.kind !== 'statements' || two.kind !== 'statements') return
      assert.deepEqual(shape(one.pieces.map((piece) => piece.node)), shape(two.pieces.map((piece) => piece.node)), text)
    }),
    { numRuns: 2_000 },
  )
})

/** The tree without places and constants. */
function shape(value: unknown): unknown {
  const json = JSON.stringify(value, (field, inner: unknown) => {
    if (field === 'A_Const') {
      return Object.keys(tree(inner))
        .filter((name) => name !== 'location')
        .join(',')
        .replace('ival', 'number')
        .replace('fval', 'number')
    }
    return field === 'location' || /_(location|start|end)$/.test(field) ? undefined : inner
  })
  return JSON.parse(json) as unknown
}

test('joined statements split to the pieces they were joined from', () => {
  fc.assert(
    fc.property(fc.array(statement, { minLength: 2, maxLength: 5 }), gap, (parts, separator) => {
      const valid = parts.filter((part) => splitStatements(part)?.length === 1)
      if (valid.length < 2) return
      const split = splitStatements(valid.join(`;${separator}`))
      assert.equal(split?.length, valid.length)
      split.forEach((piece, index) => {
        const source = valid[index] ?? ''
        assert.ok(source.includes(piece.text.trim()), `${source} holds ${piece.text}`)
        assert.deepEqual(trees(piece.text), trees(source))
      })
    }),
    { numRuns: 1_000 },
  )
})

function trees(text: string): unknown {
  const parsed = parse(text)
  assert.ok(parsed.kind === 'statements')
  return shape(parsed.pieces.map((piece) => piece.node))
}

test('a text beyond what the parser may read: one statement is known without it, more are refused at once', () => {
  const own = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 20 })
  const kindOf = (text: string): string => {
    const began = performance.now()
    const [first] = own.classify(text).statements
    // The parser alone would take a hundred times as long.
    assert(performance.now() - began < 5_000)
    return first?.kind === 'refused' ? first.sqlState : (first?.kind ?? '')
  }
  const large = 'x'.repeat(9 * 1024 * 1024)
  const list = '(1, 2.5), '.repeat(1024 * 1024)
  assert.equal(kindOf(`select '${large}'`), 'harmless')
  assert.equal(kindOf(`insert into t values ${list}(1, 2)`), 'write')
  assert.equal(kindOf(`select 1; select '${large}'`), '54000')
  assert.equal(kindOf(`do $$ begin perform '${large}'; end $$`), '54000')
  assert.equal(kindOf(`select '${large}' into t`), 'write', 'short enough without its literal')
  assert.equal(kindOf(`select '${large}' fro t whe`), '54000')
  assert.equal(kindOf(`select 1 into t where 1 in (${list.slice(0, -2)})`), '54000')
  const returning = own.classify(`insert into t values ${list}(1, 2) returning 1`).statements[0]
  assert(returning?.kind === 'write' && returning.returnsRows)
})
