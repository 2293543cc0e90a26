import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AllwriteError } from '../../core/errors.ts'
import {
  keysOfPassword,
  saslPrepare,
  scramClientFinal,
  scramClientFirst,
  scramClientFirstFor,
  scramClientVerify,
  verifierOfPassword,
} from './scram-client.ts'
import {
  mockVerifier,
  parseVerifier,
  scramMechanism,
  scramPlusMechanism,
  scramServerFinal,
  scramServerFirst,
} from './scram.ts'
import type { ScramVerifier } from './scram.ts'

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const verifierOf = (password: string, iterations = 4096): ScramVerifier => {
  const verifier = parseVerifier(verifierOfPassword(password, salt, iterations))
  assert.ok(verifier)
  return verifier
}
const server = (verifier: ScramVerifier, first: Buffer | string, mechanism = scramMechanism, endPointHash?: Buffer) =>
  scramServerFirst({ verifier, mechanism, endPointHash, nonce: randomBytes(18) }, Buffer.from(first))

test('RFC 7677, section 3: the client computes the proof and knows the server by its signature', () => {
  const { message, state } = scramClientFirstFor('user', 'rOprNGfwEbeRWgbNEkqO')
  assert.equal(message.toString(), 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
  const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
  const final = scramClientFinal(state, Buffer.from(serverFirst), { kind: 'password', password: 'pencil' })
  assert.equal(
    final.message.toString(),
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  )
  scramClientVerify(final.serverSignature, Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='))
  assert.throws(() =>
    scramClientVerify(final.serverSignature, Buffer.from('v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')),
  )
})

test('RFC 7677, section 3: the server takes the proof and answers with its signature', () => {
  const verifier = verifierOf('pencil')
  const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
  const result = scramServerFinal(
    {
      verifier,
      channelBinding: 'biws',
      plus: false,
      clientFirstBare: 'n=user,r=rOprNGfwEbeRWgbNEkqO',
      serverFirst,
      combinedNonce: 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    },
    Buffer.from(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    ),
  )
  assert.ok(result.ok)
  assert.equal(result.serverFinal.toString(), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  assert.deepEqual(result.keys, keysOfPassword('pencil', salt, 4096))
})

const exchange = (verifier: ScramVerifier, credentials: Parameters<typeof scramClientFinal>[2]) => {
  const client = scramClientFirst(randomBytes(18))
  const first = server(verifier, client.message)
  const final = scramClientFinal(client.state, first.message, credentials)
  const result = scramServerFinal(first.state, final.message)
  if (result.ok) scramClientVerify(final.serverSignature, result.serverFinal)
  return result
}

test('the right password logs in, its recovered keys log in again, any other password does not', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ minLength: 1 }), (password, other) => {
      const verifier = verifierOf(password, 3)
      const result = exchange(verifier, { kind: 'password', password })
      assert.ok(result.ok)
      assert.ok(exchange(verifier, { kind: 'keys', ...result.keys }).ok)
      if (saslPrepare(other) !== saslPrepare(password))
        assert.equal(exchange(verifier, { kind: 'password', password: other }).ok, false)
    }),
    { numRuns: 60 },
  )
})

test('a mock verifier looks the same every time, differs by name and secret, and lets nobody in', () => {
  const secret = randomBytes(32)
  const mock = mockVerifier(secret, 'ghost')
  assert.deepEqual(mock, mockVerifier(secret, 'ghost'))
  assert.notDeepEqual(mock.salt, mockVerifier(secret, 'other').salt)
  assert.notDeepEqual(mock.salt, mockVerifier(randomBytes(32), 'ghost').salt)
  assert.equal(exchange(mock, { kind: 'password', password: 'x' }).ok, false)
  assert.equal(exchange({ ...verifierOf('right'), doomed: true }, { kind: 'password', password: 'right' }).ok, false)
})

test('only well-formed verifiers are used', () => {
  const good = verifierOfPassword('x', salt, 4096)
  assert.ok(parseVerifier(good))
  const bad = [
    '',
    'md5abc',
    good.slice(0, -1),
    `${good}=`,
    good.replace('4096', '0'),
    good.replace('4096', '99999999999'),
    good.replace('SHA-256', 'SHA-1'),
    good.replace('$4096:', '$4096:!'),
  ]
  for (const text of bad) assert.equal(parseVerifier(text), undefined, text)
})

const refused = (run: () => unknown, sqlState: string, words: RegExp): void => {
  assert.throws(
    run,
    (error) =>
      error instanceof AllwriteError && error.sqlState === sqlState && words.test(`${error.message} ${error.detail}`),
  )
}
const hash = Buffer.alloc(32, 5)

test('channel binding cannot be talked away, and the channel is checked', () => {
  const verifier = verifierOf('x', 1)
  refused(() => server(verifier, 'y,,n=,r=abc', scramMechanism, hash), '28000', /negotiation error/)
  refused(
    () => server(verifier, 'n,,n=,r=abc', scramPlusMechanism, hash),
    '08P01',
    /does not include channel binding data/,
  )
  refused(() => server(verifier, 'p=tls-server-end-point,,n=,r=abc'), '08P01', /without channel binding/)
  refused(
    () => server(verifier, 'p=tls-unique,,n=,r=abc', scramPlusMechanism, hash),
    '08P01',
    /unsupported SCRAM channel-binding type "tls-unique"/,
  )
  server(verifier, 'y,,n=,r=abc')
  server(verifier, 'n,,n=,r=abc', scramMechanism, hash)

  const { state } = server(verifier, 'p=tls-server-end-point,,n=,r=abc', scramPlusMechanism, hash)
  const final = (binding: Buffer) =>
    Buffer.from(`c=${binding.toString('base64')},r=${state.combinedNonce},p=${Buffer.alloc(32).toString('base64')}`)
  const header = Buffer.from('p=tls-server-end-point,,')
  assert.equal(scramServerFinal(state, final(Buffer.concat([header, hash]))).ok, false)
  refused(
    () => scramServerFinal(state, final(Buffer.concat([header, Buffer.alloc(32, 6)]))),
    '28000',
    /channel binding check failed/,
  )
})

test('malformed and unsupported messages are refused with SQLSTATEs of PostgreSQL', () => {
  const verifier = verifierOf('x', 1)
  refused(() => server(verifier, ''), '08P01', /empty/)
  refused(() => server(verifier, 'n,a=ann,n=,r=abc'), '0A000', /authorization identity/)
  refused(() => server(verifier, 'n,,m=1,n=,r=abc'), '0A000', /extension/)
  refused(() => server(verifier, 'x,,n=,r=abc'), '08P01', /Unexpected channel-binding flag "x"/)
  refused(() => server(verifier, 'n,,n='), '08P01', /malformed/)
  refused(() => server(verifier, 'n,,n=,r=a\u0001'), '08P01', /non-printable/)
  refused(() => server(verifier, `n,,n=,r=${'a'.repeat(1100)}`), '08P01', /malformed/)
  const { state } = server(verifier, 'n,,n=,r=abc')
  const proof = Buffer.alloc(32).toString('base64')
  refused(
    () => scramServerFinal(state, Buffer.from(`c=biws,r=${state.combinedNonce}x,p=${proof}`)),
    '08P01',
    /Nonce does not match/,
  )
  refused(
    () => scramServerFinal(state, Buffer.from(`c=eSws,r=${state.combinedNonce},p=${proof}`)),
    '08P01',
    /channel-binding/,
  )
  refused(
    () => scramServerFinal(state, Buffer.from(`c=biws,r=${state.combinedNonce},p=AAAA`)),
    '08P01',
    /Malformed proof/,
  )
  refused(() => scramServerFinal(state, Buffer.from(`c=biws,r=${state.combinedNonce}`)), '08P01', /malformed/)
})

test('any bytes are taken, found wrong, or refused as expected', () => {
  const verifier = verifierOf('x', 1)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom('', 'n,,', 'n,,n=,r=', 'c=biws,r='),
      (bytes, prefix) => {
        const message = Buffer.concat([Buffer.from(prefix), bytes])
        for (const run of [
          () => server(verifier, message),
          () => assert.equal(scramServerFinal(server(verifier, 'n,,n=,r=abc').state, message).ok, false),
        ])
          try {
            run()
          } catch (error) {
            assert.ok(error instanceof AllwriteError)
          }
      },
    ),
  )
})

test('a server that only echoes our nonce, or asks for endless hashing, is not answered', () => {
  const { state } = scramClientFirstFor('', 'abc')
  const credentials = { kind: 'password', password: 'x' } as const
  for (const text of ['r=abc,s=AAAA,i=1', 'r=xbcd,s=AAAA,i=1', 'r=abcd,s=AAAA,i=9999999999', 'r=abcd,s=,i=1', ''])
    assert.throws(() => scramClientFinal(state, Buffer.from(text), credentials), AllwriteError)
})
