/** The checker against simulated stores: it finds nothing where nothing is wrong, and the fault where a rule is broken. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { AnomalyName, Level } from './anomalies.ts'
import { check } from './check.ts'
import { simulateStore } from './store.fixture.ts'
import type { StoreOptions } from './store.fixture.ts'

const judge = (
  level: Level,
  options: StoreOptions,
): { names: AnomalyName[]; forbidden: AnomalyName[]; text: string } => {
  const { history, finals } = simulateStore(options)
  const { findings } = check(history, { level, finals })
  return {
    names: findings.map(({ name }) => name),
    forbidden: findings.filter(({ isForbidden }) => isForbidden).map(({ name }) => name),
    text: findings.map(({ name, count, witness }) => `${name} ×${count}\n${witness}`).join('\n'),
  }
}

const keeps: readonly [what: string, level: Level, options: Omit<StoreOptions, 'seed' | 'transactions'>][] = [
  ['a serial store', 'strict-serializable', { isolation: 'serial' }],
  ['snapshot isolation without lag', 'strong-snapshot-isolation', { lagMax: 0 }],
  ['snapshot isolation over prefixes', 'prefix-snapshot', {}],
  ['snapshot isolation with unknown outcomes', 'prefix-snapshot', { unknown: 0.1 }],
  ['a serializable store', 'session-serializable', { isolation: 'serializable', unknown: 0.02 }],
  ['a serializable store without lag', 'strict-serializable', { isolation: 'serializable', lagMax: 0 }],
]

for (const [what, level, options] of keeps) {
  test(`${what} keeps ${level}`, () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), (seed, transactions) => {
        const { forbidden, text } = judge(level, { ...options, seed, transactions })
        assert.deepEqual(forbidden, [], text)
      }),
      { numRuns: 60 },
    )
  })
}

const breaks: readonly [
  what: string,
  level: Level,
  options: Omit<StoreOptions, 'seed' | 'transactions'>,
  AnomalyName,
][] = [
  ['lost updates', 'snapshot-isolation', { fault: 'lost update' }, 'G-single'],
  ['lost updates', 'snapshot-isolation', { fault: 'lost update' }, 'lost'],
  ['a session that goes back', 'session-snapshot-isolation', { fault: 'stale session' }, 'G-single-process'],
  ['a lagging node', 'strong-snapshot-isolation', {}, 'G-single-realtime'],
  ['a long fork', 'snapshot-isolation', { fault: 'long fork' }, 'G-nonadjacent'],
  ['read skew', 'snapshot-isolation', { fault: 'read skew' }, 'G-single'],
  ['write skew', 'serializable', {}, 'G2-item'],
  ['dirty reads', 'snapshot-isolation', { fault: 'dirty read' }, 'G1a'],
  ['dirty reads', 'snapshot-isolation', { fault: 'dirty read' }, 'G1b'],
  ['an acknowledged append that is not there', 'snapshot-isolation', { fault: 'acknowledged, not done' }, 'lost'],
  ['an aborted append that is there', 'snapshot-isolation', { fault: 'aborted, but done' }, 'G1a'],
  ['an append done twice', 'snapshot-isolation', { fault: 'done twice' }, 'duplicate'],
  ['two appends in two orders', 'snapshot-isolation', { fault: 'other order' }, 'incompatible-order'],
]

for (const [what, level, options, name] of breaks) {
  test(`${what}: ${name} is found and forbidden by ${level}`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { forbidden, names } = judge(level, { ...options, seed, transactions: 2000 })
      assert(forbidden.includes(name), `seed ${seed}: only ${names.join(', ')}`)
    }
  })
}

test('the same seed gives the same history', () => {
  const run = (): unknown => simulateStore({ seed: 7, transactions: 200, unknown: 0.1 })
  assert.deepEqual(run(), run())
})
