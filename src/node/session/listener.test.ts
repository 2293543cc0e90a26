import { once } from 'node:events'
import { encodePreamble } from '../../core/preamble.ts'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { nodeId } from '../../core/ids.ts'
import { sslRequest, startupMessage } from '../../wire/pgwire/login-messages.ts'
import { verifierOfPassword } from '../../wire/pgwire/scram-client.ts'
import { createByteReader } from '../../login/byte-reader.ts'
import { createCancelRegistry } from './cancel.ts'
import { listen } from './listener.ts'
import type { ListenerOptions } from './listener.ts'
import { defaultRules, parseHba } from '../../wire/hba/rules.ts'
import { createThrottle, failuresFree } from '../../login/throttle.ts'
import { noEndpoints, noTickets, openRaw, rawLogin, readRaw, until } from './login-testing.ts'
import type { RoleRecord } from './login.ts'

const ann: RoleRecord = {
  verifier: verifierOfPassword('secret', Buffer.alloc(16, 1), 64),
  canLogin: true,
  expired: false,
  connectionLimit: -1,
  superuser: false,
  memberOf: [],
}
const start = (options: Partial<ListenerOptions> = {}) =>
  listen({
    host: '127.0.0.1',
    port: 0,
    sessionsMax: 4,
    replicationsMax: 1,
    gate: { serving: true },
    lookupRole: (name) => Promise.resolve(name === 'ann' ? ann : undefined),
    socketPath: '/nonexistent/.s.PGSQL.1',
    enterDatabase: (name) => Promise.resolve(name === 'postgres'),
    reservedRoles: new Set(['allwrite']),
    mockSecret: Buffer.alloc(32, 9),
    vouchKey: Buffer.alloc(32, 8),
    cancels: createCancelRegistry(nodeId(1)),
    ...noEndpoints,
    issueTicket: noTickets,
    rules: defaultRules,
    throttle: createThrottle(),
    now: () => performance.now(),
    onSession: () => assert.fail('no session without a server'),
    ...options,
  })
const as = (user: string, ...more: [string, string][]): [string, string][] => [
  ['user', user],
  ['database', 'postgres'],
  ...more,
]
const logsIn = async (port: number, password: string, parameters: readonly (readonly [string, string])[]) => {
  const socket = await openRaw(port)
  try {
    return await rawLogin(socket, { password, parameters })
  } finally {
    socket.destroy()
  }
}
const refuses = (port: number, sqlState: string, words: RegExp, password = 'secret', parameters = as('ann')) =>
  assert.rejects(logsIn(port, password, parameters), { sqlState, message: words })

test('a right password gets to the backend, which is not there: 57P03', async () => {
  await using listener = await start()
  await refuses(listener.port, '57P03', /PostgreSQL server is not available/)
})

test('wrong password, unknown role, no password and expired password look the same: 28P01', async () => {
  const roles: Record<string, RoleRecord> = {
    ann,
    none: { ...ann, verifier: null },
    old: { ...ann, expired: true },
    md5: { ...ann, verifier: 'md5a3556571e93b0d20722ba62be61e8c2d' },
  }
  await using listener = await start({ lookupRole: (name) => Promise.resolve(roles[name]) })
  await refuses(listener.port, '28P01', /^password authentication failed for user "ann"$/, 'wrong')
  for (const user of ['none', 'old', 'md5', 'ghost'])
    await refuses(
      listener.port,
      '28P01',
      new RegExp(`^password authentication failed for user "${user}"$`),
      'secret',
      as(user),
    )
})

test('roles, databases and settings are refused after the password was right, in the words of PostgreSQL', async () => {
  await using listener = await start({ lookupRole: () => Promise.resolve(ann) })
  const { port } = listener
  const asking = (...more: [string, string][]) => as('ann', ...more)
  await refuses(port, '3D000', /database "nope" does not exist/, 'secret', asking(['database', 'nope']))
  await refuses(port, '0A000', /template1/, 'secret', asking(['database', 'template1']))
  await refuses(port, '0A000', /physical replication/, 'secret', asking(['replication', 'true']))
  await refuses(
    port,
    '0A000',
    /session_replication_role/,
    'secret',
    asking(['options', '-c Session_Replication_Role=replica']),
  )
  await refuses(port, '28000', /role "allwrite" is not permitted to log in/, 'secret', as('allwrite'))
  await using locked = await start({ lookupRole: () => Promise.resolve({ ...ann, canLogin: false }) })
  await refuses(locked.port, '28000', /role "ann" is not permitted to log in/)
  await refuses(locked.port, '28P01', /password/, 'wrong')
})

test('a failing role lookup is 57P03, and its words stay inside', async () => {
  await using listener = await start({ lookupRole: () => Promise.reject(new Error('inner words')) })
  await refuses(listener.port, '57P03', /^the role could not be looked up$/)
})

test('a node that is not serving refuses with 57P03 before any password, a full one with 53300 behind it', async () => {
  await using closed = await start({ gate: { serving: false } })
  await refuses(closed.port, '57P03', /not yet accepting connections/)
  await using listener = await start({ sessionsMax: 0 })
  await refuses(listener.port, '53300', /too many clients/)
  await refuses(listener.port, '28P01', /password/, 'wrong')
  await until('it is gone', () => listener.sessions + listener.waiting === 0)
})

test('a login that takes too long is cut off: in silence before the start-up message, with words after it', async () => {
  await using listener = await start({ loginDeadlineMs: 30 })
  const silent = await openRaw(listener.port)
  await new Promise((resolve) => silent.once('close', resolve).resume())
  const slow = await openRaw(listener.port)
  const reader = createByteReader(slow)
  slow.write(startupMessage(as('ann')))
  assert.equal((await readRaw(reader)).type, 'R')
  await assert.rejects(readRaw(reader), { sqlState: '57014', message: /timeout/ })
  slow.destroy()
})

test('a disconnect at every byte of the login ends that connection only', async () => {
  await using listener = await start({ sessionsMax: 2 })
  const socket = await openRaw(listener.port)
  await rawLogin(socket, { password: 'secret', parameters: as('ann') }).catch(() => {})
  const total = socket.bytesWritten
  socket.destroy()
  assert.ok(total > 150)
  for (let cutAfter = 0; cutAfter < total; cutAfter++) {
    const socket = await openRaw(listener.port)
    await assert.rejects(rawLogin(socket, { password: 'secret', parameters: as('ann'), cutAfter }))
    socket.destroy()
    await until('it is gone', () => listener.sessions + listener.waiting === 0)
  }
  await refuses(listener.port, '57P03', /server is not available/)
})

test('random bytes and impossible lengths end their connection only, unanswered or with an error', async () => {
  await using listener = await start({ loginDeadlineMs: 2_000 })
  const send = async (bytes: Buffer): Promise<Buffer> => {
    const socket = await openRaw(listener.port)
    const answer: Buffer[] = []
    socket.on('data', (chunk: Buffer) => answer.push(chunk))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.end(bytes)
    await closed
    return Buffer.concat(answer)
  }
  for (const length of [-1, 0, 3, 7, 10_005, 0x7fffffff]) {
    const word = Buffer.alloc(4)
    word.writeInt32BE(length)
    assert.equal((await send(Buffer.concat([word, randomBytes(20)]))).length, 0)
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, started) => {
      const head = started ? startupMessage(as('ann')) : Buffer.alloc(0)
      const answer = await send(Buffer.concat([head, bytes]))
      assert.ok(answer.length < 1000)
    }),
    { numRuns: 80 },
  )
  await refuses(listener.port, '57P03', /server is not available/)
})

test('a flood before the login is known is not kept in memory', async () => {
  let release: ((role: RoleRecord) => void) | undefined
  await using listener = await start({ lookupRole: () => new Promise((resolve) => (release = resolve)) })
  const socket = await openRaw(listener.port)
  socket.write(startupMessage(as('ann')))
  await until('the login is under way', () => release !== undefined)
  const chunk = Buffer.alloc(1024 * 1024)
  for (let index = 0; index < 16; index++) socket.write(chunk)
  // The sender's own queue stays full, because nobody reads at the other end beyond the bound.
  const stuck = (): boolean => socket.writableLength > 4 * 1024 * 1024
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(stuck())
  release?.(ann)
  socket.destroy()
  await until('it is gone', () => listener.sessions + listener.waiting === 0)
})

test('without TLS, SSLRequest is answered N and the login goes on; bytes sent before the answer end it', async () => {
  await using listener = await start()
  const socket = await openRaw(listener.port)
  socket.write(sslRequest())
  const reader = createByteReader(socket)
  assert.equal((await reader.read(1)).toString(), 'N')
  reader.release()
  await assert.rejects(rawLogin(socket, { password: 'secret', parameters: as('ann') }), { sqlState: '57P03' })
  socket.destroy()
  const early = await openRaw(listener.port)
  early.write(Buffer.concat([sslRequest(), startupMessage(as('ann'))]))
  await assert.rejects(readRaw(createByteReader(early)), {
    sqlState: '08P01',
    message: /unencrypted data after SSL request/,
  })
  early.destroy()
})

test('closing the listener ends logins under way and frees the port', async () => {
  const listener = await start()
  const socket = await openRaw(listener.port)
  socket.write(startupMessage(as('ann')))
  await until('the login is under way', () => listener.waiting === 1)
  await listener.close()
  await new Promise((resolve) => socket.once('close', resolve).resume())
  await using again = await start({ port: listener.port })
  await assert.rejects(start({ port: again.port }), { code: 'configuration' })
})

test('a request for the node’s health is handed on whole; one of a proxy binds what follows', async () => {
  await using listener = await start()
  const socket = await openRaw(listener.port)
  socket.write('GET /primary HTTP/1.1\r\n\r\n')
  assert.equal((await createByteReader(socket).read(15)).toString(), 'HTTP/1.1 200 OK')
  socket.destroy()
  const unknown = await openRaw(listener.port)
  const preamble = Buffer.from(encodePreamble({ kind: 'reader' }))
  preamble[8] = 9
  unknown.write(preamble)
  await once(unknown, 'close')
  const reader = await openRaw(listener.port)
  reader.write(encodePreamble({ kind: 'reader' }))
  await assert.rejects(rawLogin(reader, { password: 'secret', parameters: as('ann') }), { sqlState: '57P03' })
  reader.destroy()
  const pinned = await openRaw(listener.port)
  pinned.write(encodePreamble({ kind: 'pinned', epoch: 3 }))
  await assert.rejects(rawLogin(pinned, { password: 'secret', parameters: as('ann') }), {
    sqlState: '57P03',
    message: 'n1 is not the pinned writer any more',
  })
  pinned.destroy()
})

test('half-open logins take nobody’s place: a client that logs in finds room, whatever the others do', async () => {
  await using listener = await start({ sessionsMax: 4 })
  const idle = await Promise.all(Array.from({ length: 100 }, () => openRaw(listener.port)))
  for (const socket of idle) socket.resume().write(startupMessage(as('ann')))
  await until('they wait, bounded', () => idle.filter((socket) => socket.destroyed).length >= 70)
  assert.ok(listener.waiting <= 24)
  await refuses(listener.port, '57P03', /server is not available/)
  for (const socket of idle) socket.destroy()
})

test('the rules decide before a password is asked for; a member of a role is known as one', async () => {
  const rules = parseHba(
    `host all bob all reject
hostssl all all all scram-sha-256
host all +staff 127.0.0.1/32 scram-sha-256`,
    'x',
  )
  await using listener = await start({
    rules: () => rules,
    lookupRole: (name) => Promise.resolve({ ...ann, memberOf: name === 'ann' ? ['staff'] : [] }),
  })
  await refuses(listener.port, '57P03', /server is not available/)
  await refuses(
    listener.port,
    '28000',
    /^pg_hba.conf rejects connection for host "127.0.0.1", user "bob", database "postgres", no encryption$/,
    'secret',
    as('bob'),
  )
  await refuses(listener.port, '28000', /^no pg_hba.conf entry for host "127.0.0.1", user "eve"/, 'secret', as('eve'))
})

test('guesses are slowed down; another role’s login is not', async () => {
  const throttle = createThrottle()
  let now = 0
  await using listener = await start({ throttle, now: () => now, lookupRole: () => Promise.resolve(ann) })
  for (let guess = 0; guess < failuresFree; guess++) await refuses(listener.port, '28P01', /password/, `guess ${guess}`)
  for (let ahead = 0; ahead < 11; ahead++) throttle.enter('127.0.0.1', 'ann', now)
  await refuses(listener.port, '53300', /too many failed logins of role "ann" from this address/)
  await refuses(listener.port, '57P03', /server is not available/, 'secret', as('bob'))
  now += 300_001
  await refuses(listener.port, '57P03', /server is not available/)
  assert.equal(throttle.size, 0)
})
