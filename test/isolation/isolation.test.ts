/**
 * Isolation specs of our own, with sessions at different nodes: what they print is what stands in expected/. Written anew with
 * ALLWRITE_TEST_REWRITE=1, to be read and judged before it is committed.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needsCluster, startCluster, type Cluster } from '#testing/cluster.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { parseSpec } from './spec.ts'
import { runSpec } from './tester.ts'

/** The sources' folder: this file is dist/test/isolation/isolation.test.js. */
const folder = fileURLToPath(new URL('../../../test/isolation/', import.meta.url))
const names = readdirSync(join(folder, 'specs')).map((file) => file.replace(/\.spec$/, ''))

let cluster: Cluster
before(async () => {
  if (needsCluster === false) cluster = await startCluster({ nodes: 2 })
})
after(() => cluster?.[Symbol.asyncDispose]())

test('specs are read as PostgreSQL reads them', () => {
  const spec = parseSpec(`
    # a comment
    setup { create table t (a int); }
    setup { VACUUM t; }
    teardown { drop table t; }
    session "first ""one""" setup { begin; } step a1 {  select 1;
      select 2;  } step a2 { }
    session s2 node 2 step b1 { select 3 } teardown { rollback; }
    permutation a1(*) b1(a1, a2 notices 3) a2`)
  assert.deepEqual([spec.setUps, spec.tearDown], [['create table t (a int);', 'VACUUM t;'], 'drop table t;'])
  assert.deepEqual(
    spec.sessions.map(({ name, node, setUp, tearDown }) => [name, node, setUp, tearDown]),
    [
      ['first "one"', 1, 'begin;', undefined],
      ['s2', 2, undefined, 'rollback;'],
    ],
  )
  assert.deepEqual(
    spec.permutations.map((turns) => turns.map(({ step, blockers }) => [step.name, step.sql, blockers])),
    [
      [
        ['a1', 'select 1;\n      select 2;', [{ kind: 'once' }]],
        [
          'b1',
          'select 3',
          [
            { kind: 'step', step: 'a1' },
            { kind: 'notices', step: 'a2', count: 3 },
          ],
        ],
        ['a2', '', []],
      ],
    ],
  )
  const free = parseSpec('session a step a1 {1} step a2 {2} session b step b1 {3}')
  assert.deepEqual(
    free.permutations.map((turns) => turns.map(({ step }) => step.name).join(' ')),
    ['a1 a2 b1', 'a1 b1 a2', 'b1 a1 a2'],
  )
  assert.throws(() => parseSpec('session a step a1 {1} permutation a2'), /there is no step "a2"/)
  assert.throws(() => parseSpec('session a ;'), /syntax error at line 1/)
})

for (const name of names) {
  test(`${name}: sessions at different nodes`, { skip: needsCluster }, async () => {
    const spec = parseSpec(readFileSync(join(folder, 'specs', `${name}.spec`), 'utf8'))
    const printed = await runSpec(spec, (node) => cluster.urlOf(node))
    const text = printed.map((lines) => `${lines.join('\n')}\n`).join('\n')
    const expected = join(folder, 'expected', `${name}.out`)
    if (process.env['ALLWRITE_TEST_REWRITE'] === '1') writeFileSync(expected, text)
    assert.equal(text, readFileSync(expected, 'utf8'))
    await assertAllEqual(cluster)
    await assertSameCatalogs(cluster)
  })
}
