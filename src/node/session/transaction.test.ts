import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventOfStatus, nextState, statusOfState, type TransactionEvent, type TransactionState } from './transaction.ts'
import { Status } from '../../wire/pgwire/messages.ts'

const states: TransactionState[] = ['idle', 'wrap', 'client', 'failed', 'submitted']
const events: TransactionEvent[] = ['I', 'T', 'E', 'wrapped', 'adopted', 'submitted', 'ended']

test('from submitted only the outcome leads out: no status of the backend ends it', () => {
  assert.deepEqual(
    events.filter((event) => nextState('submitted', event) !== undefined),
    ['ended'],
  )
})

test('a wrap is never ended by a statement of the client: that would be an uncertified commit', () => {
  assert.equal(nextState('wrap', 'I'), undefined)
})

test('only an open transaction is submitted', () => {
  assert.deepEqual(
    states.filter((state) => nextState(state, 'submitted') !== undefined),
    ['wrap', 'client'],
  )
})

test('a wrap shows to the client as no transaction', () => {
  assert.deepEqual(states.map(statusOfState), [Status.idle, Status.idle, Status.open, Status.failed, Status.idle])
  assert.deepEqual([Status.idle, Status.open, Status.failed].map(eventOfStatus), ['I', 'T', 'E'])
})
