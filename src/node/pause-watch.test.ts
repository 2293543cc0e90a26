import { deepEqual, equal } from 'node:assert/strict'
import { mock, test } from 'node:test'
import { deferred } from '../core/deferred.ts'
import { createPauseWatch, pausedMs } from './pause-watch.ts'

const settle = () => new Promise((resolve) => process.nextTick(resolve))

test('a pause is noticed at the first question after it, and over when the node has caught up', async () => {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let now = 0
  const pauses: number[] = []
  const catchUps = [deferred<void>(), deferred<void>()]
  let asked = 0
  const watch = createPauseWatch({
    now: () => now,
    catchUp: () => catchUps[asked++]?.promise ?? Promise.resolve(),
    onPause: (ms) => pauses.push(ms),
  })
  now += pausedMs - 1
  equal(watch.paused, false)
  mock.timers.tick(200)
  now += pausedMs
  equal(watch.paused, true)
  deepEqual([pauses, asked], [[pausedMs], 1])
  // The journal could not be asked: it is asked again.
  catchUps[0]?.reject(new Error('no journal'))
  await settle()
  await settle()
  equal(watch.paused, true)
  mock.timers.tick(200)
  await settle()
  equal(asked, 2)
  catchUps[1]?.resolve()
  await settle()
  await settle()
  equal(watch.paused, false)
  watch.close()
  mock.timers.reset()
})
