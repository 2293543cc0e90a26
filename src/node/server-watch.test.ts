import { deepEqual, equal, rejects } from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { deferred, type Deferred } from '../core/deferred.ts'
import type { ProcessActivity } from '../postgres/index.ts'
import { createServerWatch, hungMs, silentMs, type Probe } from './server-watch.ts'

beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout'] }))
afterEach(() => mock.timers.reset())

const settle = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => process.nextTick(resolve))
}

const setUp = (partNames: readonly string[] = ['a backend'], busyWeight = 1 / 8) => {
  let now = 0
  let activity: ProcessActivity | undefined = { runnable: false, ticks: 5 }
  const pids = new Map<string, number>(partNames.map((name, i) => [name, 100 + i]))
  const questions = new Map<string, Deferred<boolean>[]>(partNames.map((name) => [name, []]))
  const log: string[] = []
  const probes = partNames.map((name): Probe => ({
    name,
    everyMs: 200,
    busyWeight,
    pid: () => pids.get(name),
    ask: () => {
      const question = deferred<boolean>()
      questions.get(name)?.push(question)
      return question.promise
    },
  }))
  const watch = createServerWatch({
    probes,
    now: () => now,
    activity: () => activity,
    onSilent: (part) => log.push(`${part} silent`),
    onHung: (part) => log.push(`${part} hung`),
    onAnswer: (part, ms) => log.push(`${part} answers after ${ms}, ${watch.silentPart ?? 'nobody'} silent`),
  })
  return {
    watch,
    log,
    pids,
    setActivity: (value: ProcessActivity | undefined) => (activity = value),
    asked: (name = 'a backend') => questions.get(name)?.length ?? 0,
    answer: async (isAnswer = true, name = 'a backend') => {
      questions.get(name)?.at(-1)?.resolve(isAnswer)
      await settle()
    },
    /** Lets time pass in ticks of our own interval, or in one that came late. */
    pass: (ms: number, ticksMs = 100) => {
      for (let passed = 0; passed < ms; passed += ticksMs) {
        now += ticksMs
        mock.timers.tick(100)
      }
    },
  }
}

test('a server that answers is asked again and again, one question at a time, and never silent', async () => {
  const { watch, log, asked, answer, pass } = setUp()
  for (let i = 1; i <= 20; i++) {
    pass(100)
    await answer()
    equal(watch.silentMs, 0)
  }
  equal(asked(), 10)
  pass(1_000)
  equal(asked(), 11)
  deepEqual(log, [])
  watch.close()
})

test('silence is told when it is long, when the server counts as hung, and before it ends', async () => {
  const { watch, log, answer, pass } = setUp()
  pass(100)
  pass(silentMs + 50)
  deepEqual(log, ['a backend silent'])
  equal(watch.silentPart, 'a backend')
  pass(hungMs)
  deepEqual(log.slice(1), ['a backend hung'])
  // The reader is stopped first: at that moment the watch itself still says silent.
  await answer()
  equal(log.length, 3)
  equal(log[2], 'a backend answers after 6300, a backend silent')
  equal(watch.silentMs, 0)
  equal(watch.silentPart, undefined)
  watch.close()
})

test('a starved machine is no hung server: late ticks of ours and an answerer that runs count little', () => {
  const { watch, log, setActivity, pass } = setUp()
  pass(100)
  // We did not run ourselves for three seconds: two ticks' worth counts, and all of it an eighth, until a second after.
  pass(3_000, 3_000)
  equal(watch.silentMs, 200 / 8)
  pass(1_000)
  equal(watch.silentMs, 200 / 8 + 1_000 / 8)
  pass(50)
  equal(watch.silentMs, 250)
  setActivity({ runnable: true, ticks: 5 })
  pass(4_000)
  equal(watch.silentMs, 250 + 4_000 / 8)
  let ticks = 5
  for (let i = 0; i < 20; i++) {
    setActivity({ runnable: false, ticks: (ticks += 1) })
    pass(100)
  }
  equal(watch.silentMs, 750 + 2_000 / 8)
  deepEqual(log, [])
  // But it is bounded: one that only runs, and answers nobody, is hung in the end.
  setActivity({ runnable: true, ticks: 5 })
  pass(8 * hungMs)
  deepEqual(log, ['a backend silent', 'a backend hung'])
  watch.close()
})

test('who does the work of clients is never hung while it runs, and counts again when it stops', () => {
  const { watch, log, setActivity, pass } = setUp(['the apply worker'], 0)
  pass(100)
  for (let ticks = 6; ticks < 100; ticks++) {
    setActivity({ runnable: false, ticks })
    // It waits for its disk most of the time.
    pass(900)
  }
  equal(watch.silentMs < silentMs, true)
  deepEqual(log, [])
  pass(1_000 + silentMs)
  deepEqual(log, ['the apply worker silent'])
  watch.close()
})

test('a lost question does not end a silence, and a part that is gone has none', async () => {
  const { watch, asked, answer, pass, pids, log } = setUp()
  pass(100)
  pass(1_000)
  await answer(false)
  equal(watch.silentMs, 1_000)
  pass(100)
  equal(asked(), 2)
  pass(400)
  deepEqual(log, ['a backend silent'])
  pids.delete('a backend')
  pass(100)
  equal(watch.silentMs, 0)
  watch.close()
})

test('who waits for the server is let go when all of it answers, or gives up', async () => {
  const { watch, answer, pass } = setUp(['a backend', 'the postmaster'])
  pass(2_000)
  let waited = false
  void watch.whenAnswering(new AbortController().signal).then(() => (waited = true))
  const giveUp = new AbortController()
  const given = rejects(watch.whenAnswering(giveUp.signal), { code: 'cancelled' })
  giveUp.abort()
  await given
  await answer(true, 'a backend')
  equal(waited, false)
  await answer(true, 'the postmaster')
  equal(waited, true)
  watch.close()
})
