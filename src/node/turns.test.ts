import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { AllwriteError } from '../core/errors.ts'
import { nodeId, position } from '../core/ids.ts'
import type { HoldScope } from '../core/writeset.ts'
import { settleTasks } from './order/order-fixtures.ts'
import { createTurns, turnMsMax } from './turns.ts'

const own = nodeId(1)
const hashOf = (name: string): Uint8Array => new Uint8Array(8).fill(name.charCodeAt(0))

/** Node 1; the test plays the journal, and moves the clock. */
const setUp = (full = false) => {
  let timers: { at: number; run: () => void }[] = []
  let now = 0
  const asked: HoldScope[] = []
  const waited: number[] = []
  const kept: number[] = []
  const turns = createTurns({
    node: own,
    append(scope) {
      asked.push(scope)
      return full ? Promise.reject(new AllwriteError('journal_full', 'full')) : Promise.resolve(position(1))
    },
    whenApplied(at) {
      waited.push(at)
      return Promise.resolve()
    },
    tableHash: (name) => (name === 'schema' ? undefined : hashOf(name)),
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    onReleased: (_tables, ms) => kept.push(ms),
  })
  return {
    turns,
    asked,
    waited,
    kept,
    take: (...tables: string[]) => turns.take(new Set(tables), new AbortController().signal),
    pass: (ms: number): void => {
      for (const end = now + ms; ;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        now = next?.at ?? end
        if (next === undefined) return
        timers = timers.filter((other) => other !== next)
        next.run()
      }
    },
    get timers() {
      return timers.length
    },
  }
}

test('a turn begins when the journal shows that it is ours and what came before is applied', async () => {
  const { turns, take, asked, waited } = setUp()
  const taken = take('a', 'schema')
  await settleTasks()
  turns.changed(nodeId(2), position(4))
  await settleTasks()
  deepEqual([asked, waited], [[hashOf('a')], []])
  turns.changed(own, position(5))
  const turn = await taken
  deepEqual([turn?.over, turn?.spent], [false, false])
  deepEqual(waited, [5])
})

test('where no table is known all are held, and more may be named later', async () => {
  const { turns, take, asked } = setUp()
  const taken = take('schema')
  await settleTasks()
  turns.changed(own, position(5))
  const turn = await taken
  turn?.widen(new Set(['a']))
  turn?.widen(new Set(['b']))
  deepEqual(asked, ['all', hashOf('a'), Uint8Array.from([...hashOf('a'), ...hashOf('b')])])
})

test('a turn is asked for again while it is kept, and not for ever; it is given back once', async () => {
  const bench = setUp()
  const { turns, take, asked, pass, kept } = bench
  const taken = take('a')
  await settleTasks()
  turns.changed(own, position(5))
  const turn = await taken
  pass(2_000)
  ok(asked.length >= 3, 'asked again')
  pass(2 * turnMsMax)
  const often = asked.length
  pass(turnMsMax)
  equal(asked.length, often)
  turns.changed(undefined, position(9))
  deepEqual([turn?.over, turn?.spent], [true, true])
  turn?.release()
  turn?.release()
  deepEqual([asked.length, asked.at(-1), kept.length, bench.timers], [often + 1, 'none', 1, 0])
})

test('sessions of one node have their turns one after another', async () => {
  const { turns, take, asked } = setUp()
  const first = take('a')
  const second = take('b')
  await settleTasks()
  equal(asked.length, 1)
  turns.changed(own, position(5))
  ;(await first)?.release()
  turns.changed(undefined, position(6))
  await settleTasks()
  deepEqual(asked, [hashOf('a'), 'none', hashOf('b')])
  turns.changed(own, position(7))
  ok(await second)
})

test('who waits too long for a turn, or is cancelled, goes without, and stands in nobody’s way', async () => {
  for (const end of ['time', 'cancel', 'refused'] as const) {
    const bench = setUp(end === 'refused')
    const cancel = new AbortController()
    const taken = bench.turns.take(new Set(['a']), cancel.signal)
    const next = bench.take('b')
    await settleTasks()
    if (end === 'cancel') cancel.abort()
    else bench.pass(9_999)
    await settleTasks()
    bench.pass(1)
    equal(await taken, undefined)
    await settleTasks()
    equal(bench.asked.at(1), 'none')
    if (end !== 'cancel') equal(await next, undefined)
  }
})
