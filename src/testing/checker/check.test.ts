import assert from 'node:assert/strict'
import test from 'node:test'
import { check } from './check.ts'
import type { CheckOptions } from './check.ts'
import { formatEvent, parseHistory } from './history.ts'
import type { HistoryEvent, Operation } from './history.ts'
import { forbids } from './anomalies.ts'
import type { AnomalyName } from './anomalies.ts'

/** `r5[1 2]`, `a5:3`: the way histories are written below. `r5` alone has seen nothing yet. */
const operation = (text: string): Operation => {
  const read = /^r(\d+)(?:\[([\d ]*)\])?$/.exec(text)
  if (read !== null) {
    const list = read[2]
    return ['r', Number(read[1]), list === undefined ? null : list.split(' ').filter(Boolean).map(Number)]
  }
  const append = /^a(\d+):(\d+)$/.exec(text)
  assert(append, `not an operation: ${text}`)
  return ['append', Number(append[1]), Number(append[2])]
}

/**
 * One event per line: `process type operations`. A line `process = operations` is an invocation and its ok at once;
 * `process ! operations` one with fail; transactions under way at the same time need both lines.
 */
const history = (text: string): HistoryEvent[] =>
  text
    .trim()
    .split('\n')
    .flatMap((line, time) => {
      const [process, type, ...rest] = line.trim().split(/ (?![\d ]*\])/)
      const value = rest.map(operation)
      const event = (type: HistoryEvent['type']): HistoryEvent => ({
        process: Number(process),
        node: 1 + (Number(process) % 4),
        type,
        value,
        time,
      })
      if (type === '=') return [event('invoke'), event('ok')]
      if (type === '!') return [event('invoke'), event('fail')]
      assert(type === 'invoke' || type === 'ok' || type === 'fail' || type === 'info', line)
      return [event(type)]
    })

/** Everybody at once: all invoked before anybody has completed. */
const concurrent = (text: string): HistoryEvent[] => {
  const events = history(text)
  return [...events.filter(({ type }) => type === 'invoke'), ...events.filter(({ type }) => type !== 'invoke')]
}

const namesIn = (events: readonly HistoryEvent[], options: Partial<CheckOptions> = {}): AnomalyName[] =>
  check(events, { level: 'strict-serializable', ...options })
    .findings.map(({ name }) => name)
    .toSorted()

const found: readonly [what: string, events: HistoryEvent[], names: AnomalyName[]][] = [
  ['nothing at all', [], []],
  ['reads of what was written', history('0 = a1:1\n1 = r1[1]\n0 = r1[1] a1:2 r1[1 2]'), []],
  ['a read unlike the read before', history('0 = a1:1\n1 = r1[] r1[1]'), ['internal', 'G-single-realtime']],
  ['an own append that is not read back', history('0 = a1:1 r1[]'), ['internal']],
  ['a foreign append behind the own one', concurrent('0 = a1:2\n1 = a1:1 r1[1 2]'), ['internal']],
  ['an aborted append that is read', history('0 ! a1:1\n1 = r1[1]'), ['G1a']],
  ['an intermediate append that is read', concurrent('0 = a1:1 a1:2\n1 = r1[1]\n2 = r1[1 2]'), ['G-single', 'G1b']],
  ['an own intermediate append', history('0 = a1:1 r1[1] a1:2'), []],
  ['an append that happened twice', history('0 = a1:1\n1 = r1[1 1]'), ['duplicate']],
  ['a value nobody appended', history('0 = r1[9]'), ['garbage']],
  ['two orders of one key', concurrent('0 = a1:1\n1 = a1:2\n2 = r1[1 2]\n3 = r1[2 1]'), ['incompatible-order']],
  ['interleaved appends of two keys', concurrent('0 = a1:1 a2:1\n1 = a1:2 a2:2\n2 = r1[1 2]\n3 = r2[2 1]'), ['G0']],
  ['two transactions that read each other', concurrent('0 = a1:1 r2[1]\n1 = a2:1 r1[1]'), ['G1c']],
  ['a cycle of reads over three transactions', concurrent('0 = a1:1 r3[1]\n1 = r1[1] a2:1\n2 = r2[1] a3:1'), ['G1c']],
  ['read skew', concurrent('0 = a1:1 a2:1\n1 = r1[1] r2[]'), ['G-single']],
  [
    'a lost update: the first append is gone',
    concurrent('0 = r1[] a1:1\n1 = r1[] a1:2\n2 = r1[2]'),
    ['G-single', 'G2-item'],
  ],
  ['a lost update: both are there', concurrent('0 = r1[] a1:1\n1 = r1[] a1:2\n2 = r1[1 2]'), ['G-single']],
  ['a long fork', concurrent('0 = a1:1\n1 = a2:1\n2 = r1[1] r2[]\n3 = r1[] r2[1]'), ['G-nonadjacent']],
  ['write skew', concurrent('0 = r1[] a2:1\n1 = r2[] a1:1\n2 = r1[1] r2[1]'), ['G2-item']],
  [
    'write skew over three transactions',
    concurrent('0 = r1[] a2:1\n1 = r2[] a3:1\n2 = r3[] a1:1\n3 = r1[1] r2[1] r3[1]'),
    ['G2-item'],
  ],
  [
    'an own append that the session does not see',
    history('0 = a1:1\n0 = r1[]'),
    ['G-single-process', 'G-single-realtime'],
  ],
  [
    'a session that goes back',
    history('0 invoke a1:1\n1 = r1[1]\n1 = r1[]\n0 ok a1:1'),
    ['G-single-process', 'G-single-realtime'],
  ],
  ['a stale read elsewhere', history('0 = a1:1\n1 = r1[]\n2 = r1[1]'), ['G-single-realtime']],
  ['appends against the order of their answers', history('0 = a1:1\n1 = a1:2\n2 = r1[2 1]'), ['G0-realtime']],
  ['appends against the order of a session', history('0 = a1:1\n0 = a1:2\n2 = r1[2 1]'), ['G0-process', 'G0-realtime']],
  ['an append that is read before it is invoked', history('0 invoke r1\n0 ok r1[1]\n1 = a1:1'), ['G1c-realtime']],
  ['an unknown append that happened', history('0 invoke a1:1\n0 info a1:1\n1 = r1[]\n1 = r1[1]'), []],
  ['an unknown append that did not happen', history('0 invoke a1:1\n0 info a1:1\n1 = r1[]\n1 = r1[]'), []],
  ['an invocation without an end', history('0 invoke a1:1\n1 = r1[1]'), []],
  [
    'an unknown append that comes and goes',
    history('0 invoke a1:1\n0 info a1:1\n1 = r1[1]\n1 = r1[]'),
    ['G-single-process', 'G-single-realtime'],
  ],
  [
    'an unread append that was overwritten',
    history('0 = a1:1\n1 = r1[] a1:2\n2 = r1[2]'),
    ['G0-realtime', 'G-single-realtime'],
  ],
  ['many unread appends, one of them by the reader', concurrent('0 = a1:1\n1 = a1:2\n2 = r1[] a1:3\n3 = a1:4'), []],
]

for (const [what, events, names] of found) {
  test(`${what}: ${names.length === 0 ? 'no anomaly' : names.join(', ')}`, () => {
    assert.deepEqual(namesIn(events), names.toSorted())
  })
}

test('after quiescence an acknowledged append is on every node, and nodes are equal', () => {
  const events = history('0 = a1:1\n0 = a1:2')
  const finals = [
    { node: 1, lists: new Map([[1, [1, 2]]]) },
    { node: 2, lists: new Map([[1, [1]]]) },
  ]
  assert.deepEqual(namesIn(events, { finals }), ['divergent', 'lost'])
  assert.deepEqual(namesIn(events, { finals: finals.slice(0, 1) }), [])
})

test('a final read shows what aborted, or was never appended', () => {
  const finals = [{ node: 1, lists: new Map([[1, [1, 7]]]) }]
  assert.deepEqual(namesIn(history('0 ! a1:1'), { finals }), ['G1a', 'garbage'])
})

test('the witness names the transactions, the keys and the edges', () => {
  const events = concurrent('0 = r1[] a1:1\n1 = r1[] a1:2\n2 = r1[1 2]')
  const [finding] = check(events, { level: 'snapshot-isolation' }).findings
  assert.equal(
    finding?.witness,
    [
      'T1 (process 1, n2, ok: r 1 [], append 1 2)',
      '  rw (key 1: reads without 1) → T0',
      'T0 (process 0, n1, ok: r 1 [], append 1 1)',
      '  ww (key 1: 2 follows 1) → T1',
    ].join('\n'),
  )
})

test('a witness is the shortest cycle, not the first', () => {
  // T0 → T1 → T2 → T0 by reads, and T3 ⇄ T4.
  const ring = '0 = a1:1 r3[1]\n1 = r1[1] a2:1\n2 = r2[1] a3:1'
  const pair = '3 = a4:1 r5[1]\n4 = a5:1 r4[1]'
  const [finding] = check(concurrent(`${ring}\n${pair}`), { level: 'serializable' }).findings
  assert.equal(finding?.name, 'G1c')
  assert.equal(finding.count, 2)
  assert.match(finding.witness, /^T3 [^]*T4 /)
})

test('levels forbid what they promise', () => {
  const rows: readonly [AnomalyName, string][] = [
    ['G-single', 'snapshot-isolation'],
    ['G-nonadjacent', 'snapshot-isolation'],
    ['G-single-process', 'session-snapshot-isolation'],
    ['G0-realtime', 'prefix-snapshot'],
    ['G-single-realtime', 'strong-snapshot-isolation'],
  ]
  const ascending = [
    'snapshot-isolation',
    'session-snapshot-isolation',
    'prefix-snapshot',
    'strong-snapshot-isolation',
  ] as const
  for (const [name, weakest] of rows) {
    const from = ascending.findIndex((level) => level === weakest)
    for (const [i, level] of ascending.entries()) assert.equal(forbids(level, name), i >= from, `${level} and ${name}`)
  }
  assert(!forbids('strong-snapshot-isolation', 'G2-item') && forbids('serializable', 'G2-item'))
  assert(!forbids('serializable', 'G2-item-process') && forbids('session-serializable', 'G2-item-process'))
  assert(!forbids('session-serializable', 'G2-item-realtime') && forbids('strict-serializable', 'G2-item-realtime'))
})

test('a history that can not be paired is refused', () => {
  assert.throws(() => namesIn(history('0 invoke a1:1\n0 invoke a1:2')), /invokes again/)
  assert.throws(() => namesIn(history('0 ok a1:1')), /has not invoked/)
  assert.throws(() => namesIn(history('0 invoke a1:1\n0 info a1:1\n0 ok a1:1')), /after info/)
  assert.throws(() => namesIn(history('0 invoke a1:1\n0 info a1:1\n0 = a1:2')), /invokes again|after info/)
})

test('a history is written and read as one JSON object per line', () => {
  const events = history('0 = a1:1\n1 = r1[1]')
  assert.deepEqual(parseHistory(events.map(formatEvent).join('\n')), events)
})
