import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nodeId, position } from '../../core/ids.ts'
import { createMessageCutter } from '../../wire/pgoutput/copy-stream.ts'
import { parseRelation, parseRowChange } from '../../wire/pgoutput/messages.ts'
import { FrameWriter } from '../../wire/pgoutput/publish.ts'
import {
  deleteMessage,
  insertMessage,
  payloadOf,
  relationBody,
  relationMessage,
  truncateMessage,
  updateMessage,
} from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { makeRecord } from '../order/order-fixtures.ts'
import { createBatch } from './batch.ts'
import { createMessageJoiner, forEachMessage } from './frames.ts'
import { heartbeatBatch } from './heartbeat.ts'
import type { ApplyBatch } from './publisher.ts'
import { createRelationNames, type RelationNames } from './relation-names.ts'
import { rowChangeSql, truncateSql } from './row-sql.ts'

const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 })

test('messages come out whole wherever a large writeset was cut, though the chunks are taken back', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1 }), (sent, sizes) => {
      const payload = payloadOf(sent.map((bytes) => Buffer.from(bytes)))
      const got: Buffer[] = []
      const joiner = createMessageJoiner((message) => got.push(Buffer.from(message)))
      for (let at = 0, i = 0; at < payload.length; i++) {
        const size = sizes[i % sizes.length] ?? 1
        const chunk = Buffer.from(payload.subarray(at, at + size))
        joiner.push(chunk)
        chunk.fill(0xee)
        at += size
      }
      joiner.end()
      deepEqual(
        got,
        sent.map((bytes) => Buffer.from(bytes)),
      )
      const inline: Buffer[] = []
      forEachMessage(payload, (message) => inline.push(message))
      deepEqual(inline, got)
    }),
  )
})

test('a writeset that ends within a message is corrupt', () => {
  const whole = payloadOf([Buffer.from('abc')])
  for (const end of [1, 3, 4, 6]) {
    throws(() => forEachMessage(whole.subarray(0, end), () => undefined), { code: 'journal_corrupt' })
    const joiner = createMessageJoiner(() => undefined)
    joiner.push(whole.subarray(0, end))
    throws(() => joiner.end(), { code: 'journal_corrupt' })
  }
})

const written = (batch: ApplyBatch, names: RelationNames): Buffer[] => {
  const out = new FrameWriter()
  equal(
    batch.write(out, names, () => Promise.resolve()),
    undefined,
  )
  const got: Buffer[] = []
  createMessageCutter((_, bytes, start, end) => got.push(Buffer.from(bytes.subarray(start + 25, end))))(out.take())
  return got
}

const never = (): never => {
  throw new Error('nothing is large')
}

const a = relationBody('public', 'a', 'd', [['id', 23, true]])
const b = relationBody('public', 'b', 'd', [['id', 23, true]])
const recordOf = (...messages: Buffer[]) => makeRecord({ changes: { kind: 'inline', bytes: payloadOf(messages) } })

test('records number relations each for itself; the connection announces each definition once', () => {
  const names = createRelationNames(() => new Set())
  const first = recordOf(relationMessage(0, a), insertMessage(0, ['1']), relationMessage(1, b), insertMessage(1, ['2']))
  const second = recordOf(
    relationMessage(0, b),
    insertMessage(0, ['3']),
    relationMessage(1, a),
    truncateMessage([1, 0], 1),
  )
  deepEqual(written(createBatch(position(1), [first, second], never), names), [
    relationMessage(1, a),
    insertMessage(1, ['1']),
    relationMessage(2, b),
    insertMessage(2, ['2']),
    insertMessage(2, ['3']),
    truncateMessage([1, 2], 1),
  ])
  names.forget()
  deepEqual(written(createBatch(position(2), [second], never), names).slice(0, 2), [
    relationMessage(3, b),
    insertMessage(3, ['3']),
  ])
})

test('a changed definition under the same number counts from there on', () => {
  const wider = relationBody('public', 'a', 'd', [
    ['id', 23, true],
    ['x', 25, false],
  ])
  const record = recordOf(
    relationMessage(0, a),
    insertMessage(0, ['1']),
    relationMessage(0, wider),
    insertMessage(0, ['1', 'x']),
  )
  deepEqual(
    written(
      createBatch(position(1), [record], never),
      createRelationNames(() => new Set()),
    ).map((message) => message.readUInt32BE(1)),
    [1, 1, 2, 2],
  )
})

test("a heartbeat updates this node's row and nothing else", () => {
  const [relation, update] = written(
    heartbeatBatch(nodeId(3), position(99)),
    createRelationNames(() => new Set()),
  )
  ok(relation && update)
  const { schema, name, columns } = parseRelation(relation.subarray(5))
  deepEqual(
    [schema, name, columns.map((column) => [column.name, column.key])],
    [
      'allwrite',
      'heartbeat',
      [
        ['node', true],
        ['position', false],
      ],
    ],
  )
  const change = parseRowChange(update)
  deepEqual([change.kind, change.new?.map((value) => Buffer.from(value ?? []).toString())], ['update', ['3', '99']])
})

const people = parseRelation(
  relationBody('public', 'pe"ople', 'd', [
    ['id', 23, true],
    ['name', 25, false],
  ]),
)
const bag = parseRelation(
  relationBody('public', 'bag', 'f', [
    ['flag', 16, true],
    ['what', 114, true],
  ]),
)
const primary = new Set(['id'])
const equals = 'OPERATOR(pg_catalog.=)'

test('rows are found by their key, and names are quoted', () => {
  deepEqual(rowChangeSql(people, parseRowChange(insertMessage(0, ['1', null])), primary), {
    text: 'INSERT INTO "public"."pe""ople" ("id", "name") OVERRIDING SYSTEM VALUE VALUES ($1, $2)',
    values: ['1', null],
  })
  deepEqual(rowChangeSql(people, parseRowChange(updateMessage(0, undefined, ['1', 'x'])), primary), {
    text: `UPDATE ONLY "public"."pe""ople" SET "name" = $1 WHERE "id" ${equals} $2`,
    values: ['x', '1'],
  })
  deepEqual(
    rowChangeSql(people, parseRowChange(updateMessage(0, { mark: 'K', row: ['1', null] }, ['2', undefined])), primary),
    {
      text: `UPDATE ONLY "public"."pe""ople" SET "id" = $1 WHERE "id" ${equals} $2`,
      values: ['2', '1'],
    },
  )
  deepEqual(rowChangeSql(people, parseRowChange(deleteMessage(0, 'K', ['1', null])), undefined), {
    text: `DELETE FROM ONLY "public"."pe""ople" WHERE "id" ${equals} $1`,
    values: ['1'],
  })
})

test('a row without key is found by the output text of all its columns, one row only', () => {
  const sql = rowChangeSql(
    bag,
    parseRowChange(updateMessage(0, { mark: 'O', row: ['t', null] }, ['t', '{}'])),
    undefined,
  )
  deepEqual(sql?.values, ['{}', 't'])
  match(sql?.text ?? '', /SET "what" = \$1 WHERE ctid = \(SELECT ctid FROM ONLY .* LIMIT 1\)$/)
  match(sql?.text ?? '', /num_nulls\("flag"\).*concat\("flag"\).*\$2 AND pg_catalog\.num_nulls\("what"\)/)
  const same = updateMessage(0, { mark: 'O', row: ['t', null] }, ['t', null])
  equal(rowChangeSql(bag, parseRowChange(same), undefined), undefined, 'nothing changes')
})

test('a key of a type that users made is compared as text: its operator may be anywhere', () => {
  const moods = parseRelation(relationBody('public', 'moods', 'd', [['mood', 16_400, true]]))
  const sql = rowChangeSql(moods, parseRowChange(deleteMessage(0, 'K', ['sad'])), undefined)
  match(sql?.text ?? '', /WHERE pg_catalog\.concat\("mood"\) OPERATOR\(pg_catalog\.=\) \$1$/)
})

test('a truncate names all its tables at once', () => {
  deepEqual(truncateSql([people, bag]).text, 'TRUNCATE ONLY "public"."pe""ople", "public"."bag"')
})
