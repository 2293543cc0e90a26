import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createStatementClassifier } from './classifier.ts'
import { fixtureContext } from './fixtures.ts'
import { loadParser } from './parser.ts'
import { isHashed, scramVerifier } from './scram.ts'

before(loadParser)

const salt = Buffer.from('0123456789abcdef')

function journaled(text: string): string {
  const classifier = createStatementClassifier({
    harmless: fixtureContext,
    cacheBytesMax: 1 << 16,
    randomBytes: () => salt,
  })
  const [statement] = classifier.classify(text).statements
  assert.equal(statement?.kind, 'journaled', `${text}: ${JSON.stringify(statement)}`)
  return statement.text
}

test('no plaintext password is left in a journaled text, however it is written', () => {
  const verifier = scramVerifier('secret', salt)
  const forms = {
    "create role r password 'secret' login": `create role r password '${verifier}' login`,
    "CREATE USER é ENCRYPTED PASSWORD 'secret'": `CREATE USER é ENCRYPTED PASSWORD '${verifier}'`,
    "alter role r password E'\\x73ecret'": `alter role r password '${verifier}'`,
    'alter role r password $x$secret$x$ valid until $$2030-01-01$$': `alter role r password '${verifier}' valid until $$2030-01-01$$`,
    "alter user password password U&'!0073ecret' uescape '!' nologin": `alter user password password '${verifier}' nologin`,
    "alter role \"password\" /* 'x' */ password /* y */ 'sec'\n'ret'": `alter role "password" /* 'x' */ password /* y */ '${verifier}'`,
    "create role secret password 'secret'": `create role secret password '${verifier}'`,
  }
  for (const [text, expected] of Object.entries(forms)) assert.equal(journaled(text), expected)
})

test('hashed, NULL and empty passwords pass as they are', () => {
  for (const text of [
    `alter role r password '${scramVerifier('x', salt)}'`,
    "alter role r password 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
    'alter role r password null',
    "alter role r password ''",
    'alter role r login',
  ])
    assert.equal(journaled(text), text)
})

test('what only looks hashed is hashed', () => {
  assert.equal(isHashed('md5'), false)
  assert.equal(isHashed('SCRAM-SHA-256$4096:x$y:z'), false)
  assert.match(journaled("alter role r password 'SCRAM-SHA-256$x'"), /password 'SCRAM-SHA-256\$4096:[^']*'$/)
})

test('the verifier of RFC 7677’s example', () => {
  // RFC 7677 §3: user, pencil, salt W22ZaJ0SNY7soEsUEjb6gQ==; the keys follow from its client and server signatures.
  const verifier = scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))
  assert.equal(
    verifier,
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  )
})

test('two passwords in one statement are refused, not journaled', () => {
  const classifier = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 16 })
  assert.equal(classifier.classify("create role r password 'a' password 'b'").statements[0]?.kind, 'refused')
})
