import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { backendRules, FrameScanner, frontendRules, Part, typeByte } from './frames.ts'
import {
  copyData,
  dataRowOfText,
  functionCall,
  parse,
  query,
  readFunctionValue,
  readParse,
  readQuery,
  readyForQuery,
  Status,
  sync,
} from './messages.ts'

interface Got {
  type: number
  bytes: Buffer
  parts: number
}

function scan(chunks: readonly Buffer[], rules = frontendRules): Got[] {
  const got: Got[] = []
  const scanner = new FrameScanner(rules, (type, buffer, start, end, part) => {
    const bytes = Buffer.from(buffer.subarray(start, end))
    const last = got.at(-1)
    if (part & Part.first || !last) got.push({ type, bytes, parts: 1 })
    else {
      last.bytes = Buffer.concat([last.bytes, bytes])
      last.parts++
    }
  })
  for (const chunk of chunks) scanner.push(chunk)
  assert.ok(scanner.atBoundary)
  return got
}

test('however a stream is cut, the same frames come out, byte for byte', () => {
  const frame = fc.oneof(
    fc.string().map((text) => query(text.replaceAll('\0', ''))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => copyData(Buffer.from(bytes))),
    fc.constant(sync),
  )
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(400), { maxLength: 12 }), (frames, cuts) => {
      const whole = Buffer.concat(frames)
      const points = [...new Set(cuts.map((cut) => Math.min(cut, whole.length)))].sort((a, b) => a - b)
      const chunks: Buffer[] = []
      let from = 0
      for (const to of [...points, whole.length]) {
        chunks.push(whole.subarray(from, to))
        from = to
      }
      assert.deepEqual(
        scan(chunks).map(({ bytes }) => bytes),
        frames,
      )
    }),
    { numRuns: 300 },
  )
})

test('rows are handed over in parts as they arrive, other frames whole', () => {
  const row = dataRowOfText('x'.repeat(100))
  const ready = readyForQuery(Status.open)
  const whole = Buffer.concat([row, ready])
  const [first, second] = scan(
    [whole.subarray(0, 50), whole.subarray(50, row.length + 5), whole.subarray(row.length + 5)],
    backendRules,
  )
  assert.equal(first?.parts, 2)
  assert.deepEqual(second, { type: typeByte('Z'), bytes: ready, parts: 1 })
})

test('a length over its cap, or below four, is refused before any of the frame is handed over', () => {
  for (const [letter, length] of [
    ['Q', 0x7fff_ffff],
    ['Q', 0xffff_ffff],
    ['S', 10_001],
    ['Q', 3],
    ['Q', 0],
  ] as const) {
    const head = Buffer.alloc(9)
    head[0] = typeByte(letter)
    head.writeUInt32BE(length, 1)
    const scanner = new FrameScanner(frontendRules, () => assert.fail('nothing is handed over'))
    assert.throws(() => scanner.push(head), { code: 'protocol' })
  }
})

test('a type that no client sends is refused', () => {
  const scanner = new FrameScanner(frontendRules, () => assert.fail('nothing is handed over'))
  assert.throws(() => scanner.push(Buffer.from('GET / HTTP/1.1')), { code: 'protocol' })
})

test('builders and readers agree', () => {
  assert.equal(readQuery(query('select 1')).toString(), 'select 1')
  const types = Buffer.from([0, 1, 0, 0, 0, 23])
  const read = readParse(parse('n', 'select $1', types))
  assert.deepEqual([read.name, read.sql.toString(), read.types], ['n', 'select $1', types])
  assert.equal(functionCall(7, ['ab']).toString('hex'), '460000001400000007000000010000000261620000')
  const value = Buffer.from([0x56, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff])
  assert.equal(readFunctionValue(value), null)
  assert.throws(() => readQuery(Buffer.from([0x51, 0, 0, 0, 5, 0x41])), { code: 'protocol' })
  assert.throws(() => query('a\0b'), { code: 'protocol' })
})
