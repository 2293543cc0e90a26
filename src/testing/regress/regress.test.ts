import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { acceptPattern, parseAccepted, reasonsUsed } from './accepted.ts'
import { judge, parseDiff } from './hunks.ts'
import { acceptedDir, docPath } from './places.ts'
import { normalise } from './normalise.ts'
import { filesOf, scheduled } from './suite.ts'

const diff = `2a3
> NOTICE:  more
7,8c8
< one
< two
---
> three
`

test('a difference is accepted by its lines alone, wherever it stands', () => {
  const accepted = parseAccepted('# because\n> NOTICE:  more\n\n< one\n< two\n> three\n')
  assert.deepEqual(
    judge(parseDiff(diff), accepted).map(({ hunk, reason }) => [hunk.line, reason]),
    [
      [2, 'because'],
      [7, 'because'],
    ],
  )
  assert.deepEqual(
    judge(parseDiff(diff.replace('> three', '> three\n> four')), accepted).map(({ reason }) => reason),
    ['because', undefined],
  )
})

test('a pattern speaks for whole hunks, of both sides', () => {
  const reasons = (pattern: { bare?: string; cluster?: string }): (string | undefined)[] =>
    judge(parseDiff(diff), [acceptPattern({ reason: 'because', ...pattern })]).map(({ reason }) => reason)
  assert.deepEqual(reasons({ cluster: 'NOTICE:  .*' }), ['because', undefined])
  assert.deepEqual(reasons({ bare: 'one\ntwo', cluster: 'three' }), [undefined, 'because'])
  assert.deepEqual(reasons({ bare: 'one', cluster: 'three' }), [undefined, undefined])
})

test('nothing is accepted without a reason', () => {
  assert.throws(() => parseAccepted('> NOTICE:  more\n'), /line 1: no reason/)
  assert.throws(() => parseAccepted('# because\nNOTICE:  more\n'), /line 2: neither/)
})

test('every reason for which a difference is accepted stands in docs/REGRESSION.md', () => {
  const doc = readFileSync(docPath, 'utf8')
  assert.deepEqual(
    [...reasonsUsed(acceptedDir)].filter((reason) => !doc.includes(`\`${reason}\``)),
    [],
  )
})

test('files run in the schedule’s order, one by one', () => {
  assert.deepEqual(scheduled('# a comment\ntest: a\nignore: b\ntest: c  d\n\n'), ['a', 'c', 'd'])
  const smoke = new URL('../../../test/regress/smoke', import.meta.url).pathname
  assert.deepEqual(filesOf(smoke), ['test_setup', 'second', 'documented', 'first'])
  assert.deepEqual(filesOf(smoke, ['first']), ['test_setup', 'first'])
  assert.throws(() => filesOf(smoke, ['third']), /no sql\/third\.sql/)
})

test('what must differ between two servers is made the same', () => {
  assert.equal(normalise('file "/tmp/x/cluster-build/results/a" is'), 'file "<build>/results/a" is')
  assert.equal(
    normalise(' Result\n   Buffers: shared hit=3\n Planning:\n   Buffers: shared hit=7\n(4 rows)\n(4 rows)\n'),
    ' Result\n   Buffers: <pages>\n(2 rows)\n(4 rows)\n',
  )
})
