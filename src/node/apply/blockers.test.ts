import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deferred, type Deferred } from '../../core/deferred.ts'
import { createBlockerWatch } from './blockers.ts'

const until = async (what: string, look: () => boolean): Promise<void> => {
  const deadline = performance.now() + 5_000
  while (!look()) {
    ok(performance.now() < deadline, `not within 5 s: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const setUp = (sessions: readonly number[]) => {
  const looks: Deferred<readonly number[]>[] = []
  const log: string[] = []
  let now = 0
  const watch = createBlockerWatch({
    applyingPids: () => [1],
    blockersOf: () => {
      const answer = deferred<readonly number[]>()
      looks.push(answer)
      return answer.promise
    },
    abortSession: (pid, waited) => {
      if (!sessions.includes(pid)) return undefined
      log.push(`abort ${pid} ${waited?.table}`)
      return Promise.resolve()
    },
    waitedFor: () => Promise.resolve({ table: 'public.t', key: undefined }),
    cancel: (pid) => Promise.resolve(void log.push(`cancel ${pid}`)),
    terminate: (pid) => Promise.resolve(void log.push(`terminate ${pid}`)),
    now: () => now,
    onError: (error) => log.push(String(error)),
  })
  return { looks, log, watch, at: (ms: number) => void (now = ms) }
}

test('sessions in the way are rolled back, again and again until the apply is done', async () => {
  const { looks, log, watch } = setUp([5, 6])
  watch.begin()
  await until('a first look', () => looks.length === 1)
  looks[0]?.resolve([5, 6, 1])
  await until('a second look', () => looks.length === 2)
  deepEqual(log, ['abort 5 public.t', 'abort 6 public.t'])
  looks[1]?.reject(new Error('lost'))
  await until('a third look, though the second failed', () => looks.length === 3)
  watch.end()
  looks[2]?.resolve([5])
  await new Promise((resolve) => setImmediate(resolve))
  deepEqual(log.slice(2), ['Error: lost'], 'nobody is rolled back for an apply that is done')
  watch.close()
})

test('a stranger is cancelled first, and ended when it stays', async () => {
  const { looks, log, watch, at } = setUp([])
  watch.begin()
  for (const [i, ms] of [0, 20, 51].entries()) {
    await until('a look', () => looks.length === i + 1)
    at(ms)
    looks[i]?.resolve([9])
  }
  await until('it is ended', () => log.length === 2)
  deepEqual(log, ['cancel 9', 'terminate 9'])
  watch.close()
})

test('one look at a time, however often applies begin and end meanwhile', async () => {
  const { looks, watch } = setUp([])
  watch.begin()
  await until('a look', () => looks.length === 1)
  for (let i = 0; i < 5; i++) {
    watch.end()
    watch.begin()
  }
  equal(looks.length, 1)
  looks[0]?.resolve([])
  await until('the next look', () => looks.length === 2)
  watch.close()
  looks[1]?.resolve([])
})
