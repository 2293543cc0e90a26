/** What the long run says must follow from what was measured, and a dirty run must never look clean. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions } from './options.ts'
import { gapsOf } from './probe.ts'
import { formatReport, isClean, percentile } from './report.ts'
import type { Report } from './report.ts'
import type { RunResult } from './run.ts'
import { workloadNames } from './suite.ts'

const result = (changes: Partial<RunResult> = {}, anomalies: Record<string, number> = {}): RunResult => ({
  verdict: {
    workload: 'bank',
    transactions: 7,
    failed: 2,
    unknown: 1,
    anomalies,
    witness: Object.keys(anomalies).length > 0 ? 'what was seen' : '',
    notes: {},
    errors: {},
  },
  seconds: 90,
  strikes: [{ at: 5, what: 'SIGKILL n3 agent' }],
  divergence: undefined,
  probe: { acknowledged: [[1, 2], [3]], missed: 4, lost: 0 },
  gaps: [{ node: 1, ms: 30, strike: 'SIGKILL n3 agent' }],
  ...changes,
})

const report = (results: readonly RunResult[], replay?: Report['replay']): Report => ({
  head: { date: '2026-01-01T00:00:00Z', command: 'npm run chaos', seed: 5, target: 'a cluster' },
  results,
  replay,
})

test('a run is clean only where nothing was found, and something was done', () => {
  assert(isClean(report([result()])))
  assert(isClean(report([result()], { equal: true, text: 'equal' })))
  const idle = result()
  const dirty: readonly Report[] = [
    report([]),
    report([result(), result({}, { 'G-single': 1 })]),
    report([result({ divergence: 'n2 differs' })]),
    report([result({ probe: { acknowledged: [], missed: 0, lost: 1 } })]),
    report([result({ verdict: { ...idle.verdict, transactions: 0 } })]),
    report([result()], { equal: false, text: 'differs' }),
  ]
  for (const one of dirty) {
    assert(!isClean(one))
    assert.match(formatReport(one), /^# Chaos: NOT clean/)
  }
})

test('the report gives minutes, transactions, anomalies, lost, faults, gaps and witnesses', () => {
  const text = formatReport(report([result(), result({}, { lost: 3 })]))
  assert.match(
    text,
    /\*\*3\.0 minutes × 14 acknowledged transactions\*\*; anomalies: lost ×3; lost: 3; divergence: none/,
  )
  assert.match(text, /\| bank \| 1\.5 \| 7 \| 2 \| 1 \| none \| 0 \| none \| 1 \|/)
  assert.match(text, /SIGKILL n3 agent ×2/)
  assert.match(text, /p50 30 ms, p95 30 ms, max 30 ms \(n1, SIGKILL n3 agent\)/)
  assert.match(text, /6 writes acknowledged, 8 not sent/)
  assert.match(text, /what was seen/)
})

test('percentiles are measured values, by nearest rank', () => {
  const values = Array.from({ length: 20 }, (_, i) => i + 1)
  assert.deepEqual(
    [0.5, 0.95, 1].map((share) => percentile(values, share)),
    [10, 19, 20],
  )
  assert.deepEqual(
    [0.5, 0.95, 1].map((share) => percentile([7], share)),
    [7, 7, 7],
  )
})

test('a gap is the longest time without an acknowledgement at a survivor, from a fault to the next or the end', () => {
  const steady = Array.from({ length: 400 }, (_, i) => 1000 + i * 100)
  const paused = steady.filter((at) => at < 11_000 || at > 11_400)
  const strikes = [
    { at: 10_000, what: 'SIGKILL n2 agent' },
    { at: 25_000, what: 'SIGKILL n3 postgres' },
  ]
  const gaps = gapsOf({ acknowledged: [paused, [], steady] }, strikes, 1000, 41_000)
  assert.deepEqual(gaps, [
    { node: 1, ms: 500, strike: 'SIGKILL n2 agent' },
    { node: 3, ms: 100, strike: 'SIGKILL n2 agent' },
    { node: 1, ms: 100, strike: 'SIGKILL n3 postgres' },
    { node: 2, ms: 15_000, strike: 'SIGKILL n3 postgres' },
  ])
  assert.deepEqual(gapsOf({ acknowledged: [steady] }, [], 1000, 41_000), [{ node: 1, ms: 100, strike: undefined }])
})

test('the command line is checked before anything is started', () => {
  assert.deepEqual(parseOptions([]).workloads, workloadNames)
  const options = parseOptions(['--minutes', '30', '--workload', 'bank,set', '--fault-every', '0', '--seed', '9'])
  assert.deepEqual(options.workloads, ['bank', 'set'])
  assert.deepEqual([options.minutes, options.faultEvery, options.seed], [30, 0, 9])
  assert.deepEqual(parseOptions(['--endpoints', 'postgresql://a/x,postgresql://b/x']).endpoints.length, 2)
  for (const wrong of [
    ['--minutes', 'x'],
    ['--minutes', ''],
    ['--workload', 'blank'],
    ['--nodes', '0'],
    ['--what'],
    ['x'],
  ]) {
    assert.throws(() => parseOptions(wrong))
  }
})
