import assert from 'node:assert/strict'
import { test } from 'node:test'
import { position, xid } from '../../core/ids.ts'
import type { WritesetRecord } from '../../core/writeset.ts'
import { onlyRow } from './only-row.ts'

const framed = (message: Buffer): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return Buffer.concat([length, message])
}
const column = (name: string): Buffer => Buffer.concat([Buffer.from([1]), Buffer.from(`${name}\0`), Buffer.alloc(8)])
const relation = framed(
  Buffer.concat([Buffer.from('R\0\0\0\0public\0accounts\0d'), Buffer.from([0, 2]), column('id'), column('balance')]),
)
const text = (value: string): Buffer => Buffer.concat([Buffer.from([0x74, 0, 0, 0, value.length]), Buffer.from(value)])
const update = (id: string): Buffer =>
  framed(Buffer.concat([Buffer.from('U\0\0\0\0N'), Buffer.from([0, 2]), text(id), text('1')]))

const record = (...messages: Buffer[]): WritesetRecord => ({
  xid: xid(1n),
  early: position(1),
  late: position(1),
  schemaChange: false,
  keys: new Uint8Array(0),
  changes: { kind: 'inline', bytes: Buffer.concat([relation, ...messages]) },
})
const primary = () => new Set(['id'])

test('the one row of an apply is named by its primary key', () => {
  assert.deepEqual(onlyRow([record(update('42'))], primary), { table: 'public.accounts', key: 'Key (id)=(42)' })
  assert.deepEqual(
    onlyRow([record(update('42'))], () => undefined),
    { table: 'public.accounts', key: undefined },
  )
})

test('of several rows or records none is named: it is not known which one waits', () => {
  assert.equal(onlyRow([record(update('1'), update('2'))], primary), undefined)
  assert.equal(onlyRow([record(update('1')), record(update('2'))], primary), undefined)
  assert.equal(onlyRow([], primary), undefined)
})
