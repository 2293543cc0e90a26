import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { position } from '../../core/ids.ts'
import { createOrderTracker } from './order-tracker.ts'

const quiet = (): void => undefined

test('applied is the end of the done prefix, whatever the order of completion', () => {
  // A step: issue (done or not), or complete up to some issued position.
  const step = fc.oneof(fc.boolean(), fc.nat({ max: 40 }))
  fc.assert(
    fc.property(fc.nat({ max: 5 }), fc.array(step, { maxLength: 60 }), (start, steps) => {
      const told: number[] = []
      const tracker = createOrderTracker(position(start), (applied) => told.push(applied))
      const done: boolean[] = []
      for (const step of steps) {
        if (typeof step === 'boolean') {
          done.push(step)
          tracker.issue(position(start + done.length), step)
        } else if (done.length > 0) {
          const through = (step % done.length) + 1
          done.fill(true, 0, through)
          tracker.complete(position(start + through))
        }
        const open = done.indexOf(false)
        equal(tracker.applied, start + (open < 0 ? done.length : open))
      }
      deepEqual(
        told,
        told.toSorted((a, b) => a - b),
      )
      equal(new Set(told).size, told.length)
    }),
  )
})

test('a position is issued once, in order; an unissued one never completes', () => {
  const tracker = createOrderTracker(position(3), quiet)
  throws(() => tracker.issue(position(3), true), /densely/)
  throws(() => tracker.issue(position(5), true), /densely/)
  throws(() => tracker.complete(position(4)), /only issued/)
})

test('waiters wake when their position is applied, not before', async () => {
  const tracker = createOrderTracker(position(0), quiet)
  const woken: number[] = []
  const waits = [2, 1, 3].map(async (at) => {
    await tracker.whenApplied(position(at))
    woken.push(at)
  })
  tracker.issue(position(1), false)
  tracker.issue(position(2), true)
  tracker.issue(position(3), false)
  await Promise.resolve()
  deepEqual(woken, [])
  tracker.complete(position(1))
  await Promise.all(waits.slice(0, 2))
  deepEqual(woken.toSorted(), [1, 2])
  tracker.complete(position(3))
  await Promise.all(waits)
  await tracker.whenApplied(position(2))
})

test('a wait ends with its signal, also one that was aborted before', async () => {
  const tracker = createOrderTracker(position(0), quiet)
  const aborting = new AbortController()
  const wait = tracker.whenApplied(position(1), aborting.signal)
  aborting.abort()
  await rejects(wait, { code: 'cancelled' })
  await rejects(tracker.whenApplied(position(1), aborting.signal), { code: 'cancelled' })
  tracker.issue(position(1), true)
  await tracker.whenApplied(position(1), aborting.signal)
})
