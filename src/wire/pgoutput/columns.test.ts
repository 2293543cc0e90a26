import { deepEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withoutColumns, withoutValues } from './columns.ts'
import { deleteMessage, insertMessage, relationBody, updateMessage, type ValueSpec } from './pgoutput-fixtures.ts'

const value: fc.Arbitrary<ValueSpec> = fc.option(fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }), {
  nil: null,
})
const column = fc.record({
  name: fc.stringMatching(/^[a-zé"]{1,8}$/),
  key: fc.boolean(),
  dropped: fc.boolean(),
  old: value,
  fresh: value,
})
const columns = fc.uniqueArray(column, { selector: ({ name }) => name, maxLength: 12 })

test('a definition and its rows without some columns are what they would be if those had never been there', () => {
  fc.assert(
    fc.property(columns, (all) => {
      const some = all.filter(({ dropped }) => !dropped)
      const body = (of: typeof all): Buffer =>
        relationBody(
          's',
          'täble',
          'f',
          of.map(({ name, key }) => [name, 25, key] as const),
        )
      const names = new Set(all.filter(({ dropped }) => dropped).map(({ name }) => name))
      const { body: rest, kept } = withoutColumns(body(all), names)
      deepEqual(rest, body(some))
      const fresh = (of: typeof all) => of.map((one) => one.fresh)
      const old = (of: typeof all) => of.map((one) => one.old)
      for (const message of [
        (of: typeof all) => insertMessage(7, fresh(of)),
        (of: typeof all) => updateMessage(7, undefined, fresh(of)),
        (of: typeof all) => updateMessage(7, { mark: 'O', row: old(of) }, fresh(of)),
        (of: typeof all) => deleteMessage(7, 'K', old(of)),
      ])
        deepEqual(withoutValues(message(all), kept), message(some))
    }),
  )
})

test('a row that is cut off, or has another number of values, is refused', () => {
  const row = insertMessage(1, ['a', null, 'long enough'])
  for (let length = 6; length < row.length; length++)
    throws(() => withoutValues(row.subarray(0, length), [true, false, true]))
  throws(() => withoutValues(row, [true, false]))
})
