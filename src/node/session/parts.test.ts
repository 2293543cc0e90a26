import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { nodeId, position } from '../../core/ids.ts'
import { errorResponse } from '../../wire/pgwire/errors.ts'
import { readParameter } from '../../wire/pgwire/messages.ts'
import { conflictError, shiftPosition } from './answers.ts'
import { Names } from './names.ts'
import { HeldOutput, heldBytesMax } from './output.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import { ReadOnlyWish } from './wish.ts'

const harmless: ClassifiedStatement = {
  kind: 'harmless',
  text: '',
  tag: '',
  offset: 0,
  copyOut: false,
  catalogState: 0,
}
const journaled: ClassifiedStatement = { kind: 'journaled', text: '', tag: '', offset: 0 }

function output(): { out: HeldOutput; written: () => string } {
  const stream = new PassThrough()
  const out = new HeldOutput(stream as unknown as Socket, () => undefined)
  return { out, written: () => ((stream.read() as Buffer | null) ?? Buffer.alloc(0)).toString() }
}

test('held results are taken back without a trace, but facts stay', () => {
  const { out, written } = output()
  out.hold()
  out.push(Buffer.from('row'))
  out.pushFact(Buffer.from('fact'))
  out.drop()
  out.push(Buffer.from('-again'))
  out.drop()
  out.push(Buffer.from('-last'))
  assert.ok(out.holding)
  out.release()
  out.flush()
  assert.equal(written(), 'fact-last')
})

test('results beyond the bound go out and can not be taken back', () => {
  const { out, written } = output()
  out.hold()
  out.push(Buffer.alloc(heldBytesMax + 1, 'x'))
  assert.ok(!out.holding)
  out.drop()
  out.flush()
  assert.equal(written().length, heldBytesMax + 1)
})

test('neighbouring slices are written as one', () => {
  const { out, written } = output()
  const chunk = Buffer.from('abcdef')
  out.append(chunk, 0, 2)
  out.append(chunk, 2, 4)
  out.append(chunk, 5, 6)
  out.flush()
  assert.equal(written(), 'abcdf')
})

test('the wish follows SET, SET LOCAL, ROLLBACK and COMMIT as PostgreSQL’s settings do', () => {
  const wish = new ReadOnlyWish(false)
  wish.set(true, false, true)
  assert.equal(wish.text, 'on')
  wish.ended(false)
  assert.equal(wish.text, 'off')
  assert.equal(wish.report(), undefined)
  wish.set(true, true, true)
  assert.equal(wish.text, 'on')
  wish.ended(true)
  assert.equal(wish.text, 'off')
  wish.set(true, true, false)
  assert.equal(wish.text, 'off', 'SET LOCAL outside a transaction has no effect')
  wish.set(true, false, true)
  wish.ended(true)
  const report = wish.report()
  assert.deepEqual(report && readParameter(report), ['default_transaction_read_only', 'on'])
  assert.equal(wish.report(), undefined, 'told once')
  wish.set(undefined, false, false)
  assert.equal(wish.text, 'off')
})

test('a name means what the server has confirmed; a Parse that failed changes nothing', () => {
  const names = new Names()
  names.parsing('a', journaled)
  assert.equal(names.bind('', 'a'), journaled, 'the batch sees its own Parse')
  names.parsed('a', journaled)
  names.settled()
  names.parsing('a', harmless)
  names.settled()
  assert.equal(names.bind('', 'a'), journaled)
  names.transactionEnded()
  assert.equal(names.portal(''), undefined)
  names.forgetAll()
  assert.equal(names.bind('', 'a'), undefined, 'unknown code')
})

test('an error’s position moves by what stood before its statement', () => {
  const frame = errorResponse({ severity: 'ERROR', sqlState: '42601', message: 'm', position: '9', file: 'scan.l' })
  const moved = errorResponse({ severity: 'ERROR', sqlState: '42601', message: 'm', position: '109', file: 'scan.l' })
  assert.deepEqual(shiftPosition(frame, 100), moved)
  const none = errorResponse({ severity: 'ERROR', sqlState: '42601', message: 'm' })
  assert.deepEqual(shiftPosition(none, 100), none)
})

test('a conflict is told by key, table, node and position, as far as known', () => {
  const base = {
    table: 'public.accounts',
    key: 'Key (id)=(42)',
    winner: nodeId(2),
    position: position(123),
    reason: 'certification',
  } as const
  assert.equal(
    conflictError(base).detail,
    'Key (id)=(42) of table "public.accounts" was changed by node n2 at position 123.',
  )
  assert.equal(
    conflictError({ ...base, key: undefined, winner: undefined, position: undefined }).detail,
    'Table "public.accounts" was changed by another node.',
  )
  assert.match(conflictError({ ...base, table: 'schema' }).detail ?? '', /schema was changed by node n2/)
  assert.match(conflictError({ ...base, reason: 'too_old' }).detail ?? '', /older than the window/)
})
