/** Suites of the world: through an agent they come out as on one bare PostgreSQL, and leave equal nodes behind. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { allSuites, missingPackages } from './all.ts'
import { differences } from './differences.ts'
import { readGoResults } from './go.ts'
import { compare, type Result, type Verdict } from './suite.ts'
import { runSuite, startTargets, type Targets } from './targets.ts'

const lacking = missingPackages(allSuites)
const skip =
  needsCluster === false && lacking.length > 0 ? `missing Debian packages: ${lacking.join(' ')}` : needsCluster

let targets: Targets
before(async () => {
  if (skip === false) targets = await startTargets()
})
after(() => targets?.[Symbol.asyncDispose]())

const results = (verdicts: Readonly<Record<string, Verdict>>): Map<string, Result> =>
  new Map(Object.entries(verdicts).map(([name, verdict]) => [name, { verdict, why: `${name} ${verdict}` }]))

test('a difference between bare and cluster is found, unless it is listed; what is listed must be one', () => {
  const bare = results({ a: 'passed', b: 'failed', c: 'passed', d: 'skipped', sub1: 'passed', sub2: 'passed' })
  const cluster = results({ a: 'passed', b: 'failed', c: 'failed', sub1: 'failed', sub2: 'passed', e: 'passed' })
  const known = ['sub*', 'a', 'gone'].map((name) => ({ suite: 's', test: name, reason: 'because' }))
  const found = compare('s', bare, cluster, [...known, { suite: 'other', test: 'c', reason: 'of another suite' }])
  assert.deepEqual(found.unexpected, [
    { test: 'c', bare: 'passed', cluster: 'failed', why: 'c failed' },
    { test: 'd', bare: 'skipped', cluster: 'absent', why: 'd skipped' },
    { test: 'e', bare: 'absent', cluster: 'passed', why: 'e passed' },
  ])
  assert.deepEqual([found.known, found.stale, found.failedOnBoth], [['sub1'], ['a', 'gone'], ['b']])
})

test('what go test prints is read, of tests that run beside each other too', () => {
  const output = `=== RUN   TestA
=== PAUSE TestA
=== RUN   TestB
    b_test.go:1: not now
--- SKIP: TestB (0.00s)
=== CONT  TestA
=== RUN   TestA/sub
    a_test.go:7: wrong
--- FAIL: TestA (0.10s)
    --- FAIL: TestA/sub (0.10s)
FAIL`
  assert.deepEqual(
    [...readGoResults(output)],
    [
      ['TestB', { verdict: 'skipped', why: '    b_test.go:1: not now' }],
      ['TestA', { verdict: 'failed', why: '' }],
      ['TestA/sub', { verdict: 'failed', why: '    a_test.go:7: wrong' }],
    ],
  )
})

for (const suite of allSuites) {
  test(`${suite.name}: its tests come out as on a bare server`, { skip }, async (context) => {
    const { unexpected, stale, tests, passed, failedOnBoth } = await runSuite(suite, targets, differences)
    context.diagnostic(`${tests} tests, ${passed} passed; failed on both: ${failedOnBoth.join(', ') || 'none'}`)
    assert.deepEqual({ unexpected, stale }, { unexpected: [], stale: [] })
  })
}
