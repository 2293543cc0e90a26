import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { createCertifier } from './certifier.ts'
import type { Certifier, Verdict } from './certifier.ts'
import { AllwriteError, InvariantError } from './errors.ts'
import { incarnation, nodeId, position, xid } from './ids.ts'
import { keyBytes, KeyFlag } from './writeset.ts'
import type { Entry, GroupEntry, WritesetRecord } from './writeset.ts'

interface ModelKey {
  readonly hash: number
  readonly tag: number
}

/** The rules as one would tell them, over the whole history: slow, and without a line in common with the certifier. */
const createModel = (window: number) => {
  const waits: Readonly<Record<string, boolean>> = {
    '03': true, '30': true, '12': true, '21': true, '13': true, '31': true, '22': true, '23': true, '32': true, '33': true,
  } // prettier-ignore
  const committed: { at: number; node: number; keys: readonly ModelKey[] }[] = []
  const newest = new Map<number, number>()
  return (at: number, entry: Entry): string[] => {
    if (entry.kind === 'fence') newest.set(entry.node, Math.max(entry.incarnation, newest.get(entry.node) ?? 0))
    if (entry.kind !== 'group') return []
    const before = [...committed]
    return entry.records.map((record) => {
      if (newest.get(entry.node) !== entry.incarnation) return 'void'
      if (record.late >= at || record.early > record.late) return 'void'
      const keys = unpack(record.keys)
      if (keys.length > 0 && record.early < at - window) return 'too_old'
      for (const [i, key] of keys.entries()) {
        let best: { at: number; node: number } | undefined
        for (const earlier of before) {
          for (const held of earlier.keys) {
            const read = ((key.tag | held.tag) & 4) !== 0 ? record.early : record.late
            if (held.hash === key.hash && waits[`${key.tag & 3}${held.tag & 3}`] === true && earlier.at > read)
              best = earlier
          }
        }
        if (best !== undefined) return `key ${i} n${best.node} ${best.at}`
      }
      committed.push({ at, node: entry.node, keys: keys.filter((key) => (key.tag & 8) === 0) })
      return 'commit'
    })
  }
}

const unpack = (bytes: Uint8Array): ModelKey[] => {
  const keys: ModelKey[] = []
  for (let at = 0; at < bytes.length; at += keyBytes) keys.push({ hash: bytes[at + 7]!, tag: bytes[at + 8]! })
  return keys
}

const say = (verdict: Verdict): string => {
  if (verdict.kind === 'commit') return 'commit'
  const { reason, keyIndex, winner, position } = verdict.conflict
  return reason === 'certification' ? `key ${keyIndex} n${winner} ${position}` : reason
}

const keyArbitrary = fc.record({
  hash: fc.nat({ max: 9 }),
  mode: fc.nat({ max: 3 }),
  flags: fc.constantFrom(0, 0, 0, 4, 8, 12),
})
const recordArbitrary = fc.record({
  keys: fc.array(keyArbitrary, { maxLength: 4 }),
  lateAge: fc.nat({ max: 6 }),
  earlyAge: fc.nat({ max: 12 }),
})
const entryArbitrary = fc.record({
  kind: fc.constantFrom('group', 'group', 'group', 'group', 'fence', 'chunk'),
  node: fc.integer({ min: 1, max: 3 }),
  incarnation: fc.constantFrom(1, 1, 1, 2, 3),
  records: fc.array(recordArbitrary, { minLength: 1, maxLength: 3 }),
})
const historyArbitrary = fc.array(entryArbitrary, { maxLength: 120 }).map((specs) => {
  const fences = [1, 2, 3].map((node) => ({ kind: 'fence', node, incarnation: 1, records: [] as never[] }))
  return [...fences, ...specs].map((spec, i): Entry => {
    const id = { node: nodeId(spec.node), incarnation: incarnation(spec.incarnation), number: i }
    if (spec.kind === 'fence') return { ...id, kind: 'fence' }
    if (spec.kind === 'chunk') return { ...id, kind: 'chunk', transaction: 0, index: 0, bytes: new Uint8Array(1) }
    const at = i + 1
    const records = spec.records.map((r): WritesetRecord => {
      const late = Math.max(0, at - r.lateAge)
      return {
        xid: xid(1n),
        early: position(Math.max(0, late - r.earlyAge)),
        late: position(late),
        schemaChange: false,
        keys: Uint8Array.from(r.keys.flatMap((k) => [0, 0, 0, 0, 0, 0, 0, k.hash, k.mode | k.flags])),
        changes: { kind: 'inline', bytes: new Uint8Array(0) },
      }
    })
    return { ...id, kind: 'group', records }
  })
})

const judgeAll = (certifier: Certifier, history: readonly Entry[]): string[][] =>
  history.map((entry, i) => certifier.judge(position(i + 1), entry).map(say))

test('gives the verdicts of the naive model', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(historyArbitrary, fc.integer({ min: 1, max: 20 }), (history, window) => {
      const model = createModel(window)
      const expected = history.map((entry, i) => model(i + 1, entry))
      for (const verdict of expected.flat()) seen.add(verdict.replace(/ .*/, ''))
      assert.deepEqual(judgeAll(createCertifier({ window }), history), expected)
    }),
    { numRuns: 400 },
  )
  assert.deepEqual([...seen].sort(), ['commit', 'key', 'too_old', 'void'])
})

test('a latecomer with one window and the fences judges like a node that has read everything (RULES 9)', () => {
  fc.assert(
    fc.property(historyArbitrary, fc.integer({ min: 1, max: 15 }), fc.nat({ max: 120 }), (history, window, cut) => {
      const from = cut % (history.length + 1)
      const old = createCertifier({ window })
      const verdicts = history.map((entry, i) => old.judge(position(i + 1), entry))
      const oldAtCut = createCertifier({ window })
      judgeAll(oldAtCut, history.slice(0, from))
      const after = position(Math.max(0, from - window))
      const late = createCertifier({ window, after, fences: oldAtCut.fences() })
      history.forEach((entry, i) => {
        if (i < after) return
        const aborted = verdicts[i]!.flatMap((verdict, index) => (verdict.kind === 'abort' ? [index] : []))
        if (i < from) late.restore(position(i + 1), entry, aborted)
        else assert.deepEqual(late.judge(position(i + 1), entry), verdicts[i])
      })
      assert.deepEqual(late.fences(), old.fences())
    }),
    { numRuns: 300 },
  )
})

test('a gap, a repeat and a late restore are stopped', () => {
  const fence: Entry = { kind: 'fence', node: nodeId(1), incarnation: incarnation(1), number: 0 }
  assert.throws(() => createCertifier().judge(position(2), fence), InvariantError)
  const certifier = createCertifier()
  certifier.judge(position(1), fence)
  assert.throws(() => certifier.judge(position(1), fence), InvariantError)
  assert.throws(() => certifier.restore(position(2), fence, []), InvariantError)
})

test('a record that read before what the journal still held is refused, never guessed; later ones are judged', () => {
  const id = { node: nodeId(1), incarnation: incarnation(1), number: 0 }
  const group = (early: number, late: number): Entry => ({
    kind: 'group',
    ...id,
    records: [
      {
        xid: xid(1n),
        early: position(early),
        late: position(late),
        schemaChange: false,
        keys: new Uint8Array(9),
        changes: { kind: 'inline', bytes: new Uint8Array(0) },
      },
    ],
  })
  const cut = () => {
    const certifier = createCertifier({ window: 5, after: position(10) })
    certifier.judge(position(11), { kind: 'fence', ...id })
    return certifier
  }
  assert.deepEqual(cut().judge(position(12), group(10, 11)), [{ kind: 'commit' }])
  assert.throws(
    () => cut().judge(position(12), group(9, 11)),
    (error) => error instanceof AllwriteError && error.code === 'position_trimmed',
  )
})

test('rules of an unknown version are refused', () => {
  assert.throws(
    () => createCertifier({ version: 2 }),
    (error) => error instanceof AllwriteError && error.code === 'unsupported',
  )
})

test('the floor is the lowest early position that can still commit', () => {
  const certifier = createCertifier({ window: 2 })
  const id = { node: nodeId(1), incarnation: incarnation(1), number: 0 }
  for (let at = 1; at <= 5; at++) certifier.judge(position(at), { ...id, kind: 'fence' })
  const group = (early: number): GroupEntry => ({
    ...id,
    kind: 'group',
    records: [
      {
        xid: xid(1n),
        early: position(early),
        late: certifier.position,
        schemaChange: false,
        keys: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 1, KeyFlag.early]),
        changes: { kind: 'inline', bytes: new Uint8Array(0) },
      },
    ],
  })
  assert.equal(certifier.floor, 4)
  assert.deepEqual(certifier.judge(position(6), group(certifier.floor)).map(say), ['commit'])
  assert.deepEqual(certifier.judge(position(7), group(certifier.floor - 1)).map(say), ['too_old'])
})
