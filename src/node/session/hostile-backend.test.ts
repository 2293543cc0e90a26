/**
 * Backends that say anything: whatever comes, it ends its own session at most, and the session ends when its backend does.
 * `ALLWRITE_FUZZ_SEED` repeats a run, `ALLWRITE_FUZZ_RUNS` makes it longer.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { copyData, copyDone, flush, functionCall, query, sync } from '../../wire/pgwire/messages.ts'
import { fakeSession } from './fake-backend.ts'
import { heldBytesMax } from './output.ts'
import { eventually, show, TestGate } from './session-fixtures.ts'
import { run } from './session-scripts.ts'

const seed = Number(process.env['ALLWRITE_FUZZ_SEED'] ?? Date.now() % 1_000_000)
const runs = Number(process.env['ALLWRITE_FUZZ_RUNS'] ?? 120)

/** Marsaglia's xorshift: the same numbers for the same seed. */
const randomFrom = (start: number): ((below: number) => number) => {
  let state = start | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const frame = (type: number, length: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, body])
}

/** Types of a backend's messages, known and unknown. */
const types = Buffer.from('123ACDEGHIKNRSTVWZcdnstvf?\0')

/** Bytes that no PostgreSQL sends. */
const garbage = (random: (below: number) => number): Buffer => {
  const body = Buffer.from(Array.from({ length: random(30) }, () => (random(3) === 0 ? 0 : random(256))))
  const type = types[random(types.length)] ?? 0
  switch (random(6)) {
    case 0:
      return body
    case 1:
      return frame(type, random(4), body)
    case 2:
      return frame(type, 0xffff_fff0 + random(16), body)
    case 3:
      return frame(type, 4 + body.length + random(50), body)
    default:
      return frame(type, 4 + body.length, body)
  }
}

const units: readonly (readonly Buffer[])[] = [
  [query('select 1')],
  [query('update t set v = 1')],
  [query('begin'), query('update t set v = 1'), query('commit')],
  [query('select 1; select 2')],
  [query('copy t from stdin'), copyData(Buffer.from('1\n')), copyDone],
  [...run('select 1'), sync],
  [...run('update t set v = 1'), flush, sync],
  [functionCall(870, ['x'])],
]

test(`what a backend says ends its own session at most (seed ${seed})`, async (t) => {
  const random = randomFrom(seed)
  let answered = 0
  for (let round = 0; round < runs; round++) {
    await using fake = await fakeSession({ gate: new TestGate() })
    let sane = random(6)
    fake.backend.script = (request, backend) => {
      if (sane-- > 0) return undefined
      const noise = garbage(random)
      if (random(3) > 0) return noise
      // Among sensible messages, and behind them.
      const usual = backend.usual(request)
      const cut = random(usual.length + 1)
      return Buffer.concat([usual.subarray(0, cut), noise, usual.subarray(cut)])
    }
    for (let count = random(3); count >= 0; count--) fake.client.send(...(units[random(units.length)] ?? []))
    await Promise.race([fake.client.until('Z'), new Promise((resolve) => setTimeout(resolve, 3 + random(10)))])
    answered += fake.client.messages.length
    fake.backend.die()
    await fake.session.closed
  }
  assert.ok(answered > 0)
  t.diagnostic(`${answered} messages reached clients`)
})

describe('a backend that dies in the middle of a row', () => {
  const half = (bytes: number): Buffer => {
    const row = Buffer.alloc(5 + bytes)
    row.write('D')
    row.writeUInt32BE(4 + bytes + 10, 1)
    return row
  }

  test('leaves half a row and the end: no words of ours become its rest', async () => {
    await using fake = await fakeSession({ gate: new TestGate() })
    fake.backend.script = (request) => (request.startsWith('select') ? half(heldBytesMax) : undefined)
    fake.client.send(query('select 1'))
    let bytes = 0
    fake.client.socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
    await eventually('the client has the half', () => bytes >= 5 + heldBytesMax)
    fake.backend.die()
    await fake.session.closed
    await eventually('its end is seen', () => fake.client.closed)
    assert.deepEqual(fake.client.messages, [])
    assert.equal(bytes, 5 + heldBytesMax)
  })

  test('that was held back leaves nothing of it, and the client hears why', async () => {
    await using fake = await fakeSession({ gate: new TestGate() })
    fake.backend.script = (request) => (request.startsWith('select') ? half(100) : undefined)
    fake.client.send(query('select 1'))
    await eventually('the backend was asked', () =>
      fake.backend.requests.some((request) => request.startsWith('select')),
    )
    fake.backend.die()
    const answer = (await fake.client.until('never')).map(show)
    assert.equal(answer.length, 1)
    assert.match(answer[0] ?? '', /^E C57P01.*VFATAL$/)
  })
})
