import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { timeLimit } from './cancel.ts'

const forever = new AbortController().signal

test('a time limit aborts after its time, with the outer signal, and not once it is disposed of', async () => {
  {
    using limit = timeLimit(forever, 1)
    await once(limit.signal, 'abort')
  }
  const outer = new AbortController()
  using inner = timeLimit(outer.signal, 60_000)
  const over = timeLimit(outer.signal, 60_000)
  over[Symbol.dispose]()
  outer.abort(new Error('enough'))
  assert.match(String(inner.signal.reason), /enough/)
  assert.equal(over.signal.aborted, false)
  using late = timeLimit(outer.signal, 60_000)
  assert(late.signal.aborted)
})
