import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AllwriteError } from '../../core/errors.ts'
import { errorResponse, fieldsOfError, noticeResponse, parseErrorFields } from './errors.ts'
import type { ErrorFields } from './errors.ts'

const all: ErrorFields = {
  severity: 'FATAL',
  sqlState: '40001',
  message: 'm é',
  detail: 'd',
  hint: 'h',
  position: '12',
  internalPosition: '3',
  internalQuery: 'select',
  where: 'w',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'int4',
  constraint: 'k',
  file: 'f.c',
  line: '9',
  routine: 'r',
}

test('every field comes back as it was written', () => {
  const message = errorResponse(all)
  assert.equal(message.toString('latin1', 0, 1), 'E')
  assert.equal(message.readUInt32BE(1), message.length - 1)
  assert.deepEqual(parseErrorFields(message.subarray(5)), all)
  assert.equal(noticeResponse(all).toString('latin1', 0, 1), 'N')
})

test('a zero byte in a value cannot forge another field', () => {
  const fields = parseErrorFields(
    errorResponse({ severity: 'ERROR', sqlState: '42601', message: 'a\0C00000' }).subarray(5),
  )
  assert.deepEqual(fields, { severity: 'ERROR', sqlState: '42601', message: 'aC00000' })
})

test('a localised severity does not hide the real one, and old servers without it are understood', () => {
  assert.equal(parseErrorFields(Buffer.from('SFEHLER\0VERROR\0C0A000\0Mm\0\0')).severity, 'ERROR')
  assert.equal(parseErrorFields(Buffer.from('SFATAL\0C0A000\0Mm\0\0')).severity, 'FATAL')
})

test('any bytes can be read as fields', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => parseErrorFields(Buffer.from(bytes)).sqlState.length >= 0))
})

test('an expected refusal shows its SQLSTATE, detail and hint', () => {
  const error = new AllwriteError('conflict', 'lost', { detail: 'd', hint: 'h' })
  assert.deepEqual(fieldsOfError(error), {
    severity: 'ERROR',
    sqlState: '40001',
    message: 'lost',
    detail: 'd',
    hint: 'h',
  })
})
