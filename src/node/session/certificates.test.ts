import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { nodeId } from '../../core/ids.ts'
import { parseHba } from '../../wire/hba/rules.ts'
import { verifierOfPassword } from '../../wire/pgwire/scram-client.ts'
import { createCancelRegistry } from './cancel.ts'
import { listen } from './listener.ts'
import { noEndpoints, noTickets, rawLogin } from './login-testing.ts'
import { createThrottle } from '../../login/throttle.ts'
import { alpnName, openTlsSource } from '../../login/tls.ts'

const folder = mkdtempSync(join(tmpdir(), 'allwrite-certificates-'))
const at = (name: string): string => join(folder, name)
const openssl = (...args: string[]) => promisify(execFile)('openssl', args)
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

/** A certificate authority, or a certificate that signs itself. */
const selfSigned = (name: string) =>
  openssl('req', '-x509', ...key, '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`))

const signed = async (name: string, subject: string, authority: string): Promise<void> => {
  await openssl('req', ...key, '-subj', subject, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`))
  const by = ['-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`), '-CAcreateserial']
  await openssl('x509', '-req', '-in', at(`${name}.csr`), ...by, '-days', '2', '-out', at(`${name}.crt`))
}

before(async () => {
  await Promise.all([selfSigned('server'), selfSigned('ours'), selfSigned('theirs')])
  await signed('ann', '/CN=ann', 'ours')
  await signed('bob', '/CN=bob', 'ours')
  await signed('two', '/CN=ann/CN=bob', 'ours')
  await signed('stranger', '/CN=ann', 'theirs')
})
after(() => rmSync(folder, { recursive: true, force: true }))

const start = async (rules: string, caFile?: string) => {
  const files = { certFile: at('server.crt'), keyFile: at('server.key'), ...(caFile === undefined ? {} : { caFile }) }
  const tls = await openTlsSource(files, (error) => assert.fail(error))
  const parsed = parseHba(rules, 'x')
  return listen({
    host: '127.0.0.1',
    port: 0,
    sessionsMax: 4,
    replicationsMax: 1,
    gate: { serving: true },
    lookupRole: () =>
      Promise.resolve({
        verifier: verifierOfPassword('secret', Buffer.alloc(16, 1), 64),
        canLogin: true,
        expired: false,
        connectionLimit: -1,
        superuser: false,
        memberOf: [],
      }),
    socketPath: '/nonexistent/.s.PGSQL.1',
    enterDatabase: (name) => Promise.resolve(name === 'postgres'),
    reservedRoles: new Set(),
    mockSecret: Buffer.alloc(32, 9),
    vouchKey: Buffer.alloc(32, 8),
    tls,
    cancels: createCancelRegistry(nodeId(1)),
    ...noEndpoints,
    issueTicket: noTickets,
    rules: () => parsed,
    throttle: createThrottle(),
    now: () => performance.now(),
    onSession: () => assert.fail('no session without a server'),
  })
}

/** `in`: past the password (the server behind it is not there); else SQLSTATE and words, or that the handshake failed. */
const comes = async (port: number, certificate: string | undefined, password = 'secret'): Promise<string> => {
  const identity =
    certificate === undefined
      ? {}
      : { cert: readFileSync(at(`${certificate}.crt`)), key: readFileSync(at(`${certificate}.key`)) }
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [alpnName],
    ...identity,
  })
  try {
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const parameters = [['user', 'ann'] as const, ['database', 'postgres'] as const]
    await rawLogin(socket, { password, parameters })
    return 'a session'
  } catch (error) {
    const sqlState: unknown = Reflect.get(Object(error), 'sqlState')
    if (sqlState === '57P03') return 'in'
    return typeof sqlState === 'string' ? `${sqlState} ${error instanceof Error ? error.message : ''}` : 'closed'
  } finally {
    socket.on('error', () => {}).destroy()
  }
}

test('clientcert: verify-full wants a certificate in the role’s name, verify-ca any of ours, besides the password', async () => {
  await using full = await start('hostssl all all all scram-sha-256 clientcert=verify-full', at('ours.crt'))
  assert.equal(await comes(full.port, 'ann'), 'in')
  assert.match(await comes(full.port, 'ann', 'wrong'), /^28P01/)
  assert.equal(await comes(full.port, 'bob'), '28P01 password authentication failed for user "ann"')
  assert.match(await comes(full.port, 'two'), /^28P01/)
  assert.equal(await comes(full.port, 'stranger'), 'closed')
  assert.equal(await comes(full.port, undefined), '28000 connection requires a valid client certificate')
  await using any = await start('hostssl all all all scram-sha-256 clientcert=verify-ca', at('ours.crt'))
  assert.equal(await comes(any.port, 'bob'), 'in')
  assert.equal(await comes(any.port, 'stranger'), 'closed')
  assert.match(await comes(any.port, undefined), /^28000/)
})

test('a certificate that nobody asks for does not matter, but a wrong one is never let in where there is a CA', async () => {
  await using plain = await start('host all all all scram-sha-256', at('ours.crt'))
  assert.equal(await comes(plain.port, undefined), 'in')
  assert.equal(await comes(plain.port, 'bob'), 'in')
  assert.equal(await comes(plain.port, 'stranger'), 'closed')
  await using none = await start('hostssl all all all scram-sha-256 clientcert=verify-ca')
  assert.match(await comes(none.port, 'ann'), /^28000 client certificates can only be checked if/)
})

test('the CA’s file may come later, and is read again when it changes', async () => {
  const file = at('later.crt')
  await using listener = await start('hostssl all all all scram-sha-256 clientcert=verify-ca', file)
  assert.match(await comes(listener.port, 'ann'), /^28000/)
  writeFileSync(file, readFileSync(at('theirs.crt')))
  assert.equal(await comes(listener.port, 'ann'), 'closed')
  writeFileSync(file, Buffer.concat([readFileSync(at('theirs.crt')), readFileSync(at('ours.crt'))]))
  assert.equal(await comes(listener.port, 'ann'), 'in')
  assert.equal(await comes(listener.port, 'stranger'), 'in')
})
