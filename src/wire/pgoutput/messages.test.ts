import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AllwriteError } from '../../core/errors.ts'
import { parseRelation, parseRowChange, parseTruncate, type Value } from './messages.ts'
import {
  deleteMessage,
  insertMessage,
  relationBody,
  truncateMessage,
  updateMessage,
  type ValueSpec,
} from './pgoutput-fixtures.ts'

const shown = (values: readonly Value[] | undefined): ValueSpec[] | undefined =>
  values?.map((value) => (value == null ? value : Buffer.from(value).toString('utf8')))

const value = fc.oneof(fc.constant(null), fc.constant(undefined), fc.string({ unit: 'binary', maxLength: 40 }))
const row = fc.array<ValueSpec>(value, { maxLength: 12 })

test('a relation is read back as it was written', () => {
  const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(
      name,
      name,
      fc.constantFrom('d', 'n', 'f', 'i'),
      fc.array(fc.tuple(name, fc.nat({ max: 0xffff_ffff }), fc.boolean()), { maxLength: 9 }),
      (schema, table, identity, columns) => {
        const relation = parseRelation(relationBody(schema, table, identity, columns))
        deepEqual([relation.schema, relation.name, relation.identity], [schema, table, identity])
        deepEqual(
          relation.columns.map((column) => [column.name, column.typeOid, column.key]),
          columns,
        )
      },
    ),
  )
  equal(parseRelation(relationBody('', 'pg_class', 'n', [])).schema, 'pg_catalog')
})

test('row changes keep every value: null, unchanged TOAST and text are told apart', () => {
  fc.assert(
    fc.property(row, row, fc.constantFrom('K', 'O'), (before, after, mark) => {
      const inserted = parseRowChange(insertMessage(3, after))
      deepEqual([inserted.kind, shown(inserted.new)], ['insert', after])
      const deleted = parseRowChange(deleteMessage(3, mark, before))
      deepEqual([deleted.kind, shown(deleted.old), deleted.oldIsKey], ['delete', before, mark === 'K'])
      const updated = parseRowChange(updateMessage(3, { mark, row: before }, after))
      deepEqual([shown(updated.old), shown(updated.new), updated.oldIsKey], [before, after, mark === 'K'])
      const plain = parseRowChange(updateMessage(3, undefined, after))
      deepEqual([plain.old, shown(plain.new)], [undefined, after])
    }),
  )
})

test('a truncate lists all its tables and options', () => {
  deepEqual(parseTruncate(truncateMessage([4, 9], 3)), { relations: [4, 9], cascade: true, restartIdentity: true })
  throws(() => parseTruncate(truncateMessage([4, 9], 0).subarray(0, -1)), /malformed/)
})

test('a cut or lengthened message is refused as malformed, never misread', () => {
  fc.assert(
    fc.property(row, row, fc.nat(), (before, after, cut) => {
      const whole = updateMessage(3, { mark: 'O', row: before }, after)
      for (const bytes of [whole.subarray(0, 1 + (cut % (whole.length - 1))), Buffer.concat([whole, Buffer.of(0)])]) {
        throws(
          () => parseRowChange(bytes),
          (error) => error instanceof AllwriteError && error.code === 'protocol',
        )
      }
    }),
  )
  ok(parseRowChange(insertMessage(1, [])).new)
})
