import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { createMessageCutter } from './copy-stream.ts'
import { FrameWriter, writeBegin, writeCommit, writeRelation, writeRowChange, writeTruncate } from './publish.ts'
import { insertMessage, relationBody, truncateMessage } from './pgoutput-fixtures.ts'

const messagesOf = (stream: Buffer): Buffer[] => {
  const got: Buffer[] = []
  createMessageCutter((type, bytes, start, end) => {
    equal(type, 0x64)
    equal(bytes[start], 0x77)
    // LSN 0 in every frame: the worker's "received" must not run ahead of what it committed.
    equal(bytes.readBigUInt64BE(start + 1) + bytes.readBigUInt64BE(start + 9), 0n)
    got.push(Buffer.from(bytes.subarray(start + 25, end)))
  })(stream)
  return got
}

test('a transaction is framed as the worker reads it, with our relation numbers and our LSN', () => {
  const out = new FrameWriter()
  const body = relationBody('public', 't', 'd', [['id', 23, true]])
  writeBegin(out, 0x500n, 9n)
  writeRelation(out, 12, body)
  writeRowChange(out, 12, insertMessage(0, ['7']))
  writeTruncate(out, [12, 13], true)
  writeCommit(out, 0x500n, 9n)
  const [begin, relation, insert, truncate, commit] = messagesOf(out.take())
  deepEqual([begin?.[0], begin?.readBigUInt64BE(1), begin?.length], [0x42, 0x500n, 21])
  deepEqual(relation, Buffer.concat([Buffer.from('R'), Buffer.from([0, 0, 0, 12]), body]))
  deepEqual(insert, insertMessage(12, ['7']))
  deepEqual(truncate, truncateMessage([12, 13], 1))
  deepEqual([commit?.[0], commit?.readBigUInt64BE(2), commit?.readBigUInt64BE(10)], [0x43, 0x500n, 0x500n])
})

test('the writer grows, and what was taken stays as it was', () => {
  const out = new FrameWriter()
  const large = insertMessage(0, ['x'.repeat(100_000)])
  writeRowChange(out, 1, insertMessage(0, ['first']))
  const first = out.take()
  for (let i = 0; i < 5; i++) writeRowChange(out, i, large)
  deepEqual(messagesOf(first), [insertMessage(1, ['first'])])
  deepEqual(
    messagesOf(out.take()).map((message) => message.readUInt32BE(1)),
    [0, 1, 2, 3, 4],
  )
  equal(out.byteLength, 0)
})
