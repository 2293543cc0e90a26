import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AllwriteError } from '../../core/errors.ts'
import { cancelRequest, negotiateProtocolVersion, sslRequest, startupMessage } from './login-messages.ts'
import { parseStartPacket, startPacketBytesMax, startPacketLength } from './startup.ts'

const packet = (version: number, ...texts: string[]): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(version)
  return Buffer.concat([head, ...texts.map((text) => Buffer.from(`${text}\0`)), Buffer.of(0)])
}
const v = (major: number, minor: number): number => (major << 16) | minor
const startup = (body: Buffer) => {
  const parsed = parseStartPacket(body)
  assert.equal(parsed.kind, 'startup')
  return parsed
}
const word = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(length)
  return bytes
}

test('lengths are bounded before a byte of the packet is awaited', () => {
  assert.equal(startPacketLength(word(8)), 4)
  assert.equal(startPacketLength(word(startPacketBytesMax + 4)), startPacketBytesMax)
  for (const length of [-1, 0, 4, 7, startPacketBytesMax + 5, 0x7fffffff])
    assert.equal(startPacketLength(word(length)), undefined)
})

test('requests are told apart, and a cancel key has 1 to 256 bytes', () => {
  assert.deepEqual(parseStartPacket(sslRequest().subarray(4)), { kind: 'ssl' })
  for (const size of [1, 4, 32, 256]) {
    const secret = Buffer.alloc(size, 7)
    assert.deepEqual(parseStartPacket(cancelRequest(77, secret).subarray(4)), { kind: 'cancel', pid: 77, secret })
  }
  for (const size of [0, 257])
    assert.equal(parseStartPacket(cancelRequest(77, Buffer.alloc(size)).subarray(4)).kind, 'invalid')
})

test('a start-up message yields user, database, options and settings in order', () => {
  const parsed = startup(
    packet(v(3, 0), 'user', 'ann', 'options', '-c a=b', 'DateStyle', 'ISO', 'application_name', 'x'),
  )
  assert.equal(parsed.user, 'ann')
  assert.equal(parsed.database, 'ann')
  assert.equal(parsed.options, '-c a=b')
  assert.deepEqual(parsed.settings, [
    ['DateStyle', 'ISO'],
    ['application_name', 'x'],
  ])
  assert.equal(parsed.negotiate, false)
  assert.deepEqual(
    startup(
      startupMessage([
        ['user', 'a'],
        ['database', 'd'],
      ]).subarray(4),
    ).database,
    'd',
  )
})

test('newer minor versions and unknown protocol options are negotiated, not refused', () => {
  const parsed = startup(packet(v(3, 9999), 'user', 'a', '_pq_.x', '1'))
  assert.deepEqual([parsed.minor, parsed.negotiate, parsed.unknownOptions], [2, true, ['_pq_.x']])
  assert.equal(startup(packet(v(3, 2), 'user', 'a')).negotiate, false)
  assert.equal(startup(packet(v(3, 0), 'user', 'a', '_pq_.y', '')).negotiate, true)
  assert.equal(negotiateProtocolVersion(2, ['_pq_.x']).toString('latin1'), 'v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0')
})

const refuses = (body: Buffer, sqlState: string, words: RegExp): void => {
  assert.throws(
    () => parseStartPacket(body),
    (error) => error instanceof AllwriteError && error.sqlState === sqlState && words.test(error.message),
  )
}

test('what PostgreSQL answers with FATAL is refused in its words', () => {
  refuses(packet(v(2, 0), 'user', 'a'), '0A000', /unsupported frontend protocol 2\.0: server supports 3\.0 to 3\.2/)
  refuses(packet(v(4, 1)), '0A000', /4\.1/)
  refuses(packet(v(3, 0)), '28000', /no PostgreSQL user name/)
  refuses(packet(v(3, 0), 'user', 'a').subarray(0, -1), '08P01', /terminator as last byte/)
  refuses(Buffer.concat([packet(v(3, 0), 'user', 'a'), Buffer.of(0)]), '08P01', /terminator/)
  refuses(Buffer.concat([packet(v(3, 0), 'user').subarray(0, -1), Buffer.from([0xff, 0, 0])]), '22021', /UTF8/)
})

test('long names are cut at 63 bytes, never inside a character', () => {
  assert.equal(startup(packet(v(3, 0), 'user', 'é'.repeat(40))).user, 'é'.repeat(31))
})

test('any bytes give a packet or an expected refusal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, versioned) => {
      const body = versioned ? Buffer.concat([Buffer.from([0, 3, 0, 0]), bytes]) : Buffer.from(bytes)
      try {
        parseStartPacket(body)
      } catch (error) {
        assert.ok(error instanceof AllwriteError)
      }
    }),
  )
})
