import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ruleFor } from './match.ts'
import type { HbaConnection } from './match.ts'
import { defaultRules, parseHba } from './rules.ts'
import { hbaLines } from './tokens.ts'

const from = (more: Partial<HbaConnection> = {}): HbaConnection => ({
  address: '10.1.2.3',
  tls: false,
  user: 'ann',
  database: 'shop',
  memberOf: new Set(['staff']),
  local: () => [
    { address: '127.0.0.1', cidr: '127.0.0.1/8' },
    { address: '192.168.7.1', cidr: '192.168.7.1/24' },
    { address: 'fe80::1', cidr: null },
  ],
  ...more,
})
/** The line that decides: its number, or the first words of the refusal. */
const decides = (text: string, connection: HbaConnection): number | string => {
  try {
    return ruleFor(parseHba(text, 'x'), connection).line
  } catch (error) {
    return error instanceof Error ? (error.message.split(' for ')[0] ?? '') : ''
  }
}
const wrong = (text: string): string => {
  try {
    parseHba(text, 'x')
  } catch (error) {
    return String(Reflect.get(Object(error), 'detail'))
  }
  return 'read'
}

test('fields, lists, quotes, comments and continued lines are read as PostgreSQL reads them', () => {
  const text = 'host\tall , "b ""x"" c",d  "all"#end\n\n  # nothing\nhost a \\\n b\n"" x'
  assert.deepEqual(
    hbaLines(text).map(({ line, fields }) => [line, fields.map((field) => field.map((token) => token.text))]),
    [
      [1, [['host'], ['all'], ['b "x" c', 'd'], ['all']]],
      [4, [['host'], ['a'], ['b']]],
      [6, [[''], ['x']]],
    ],
  )
  assert.deepEqual(
    hbaLines(text)[0]
      ?.fields.flat()
      .map((token) => token.quoted),
    [false, false, true, false, true],
    'a blank ends a field, a comma behind it begins none',
  )
})

test('the first rule that fits decides; without one nobody comes in', () => {
  const file = `
local all all peer
hostssl all all 10.0.0.0/8 scram-sha-256
host all mallory all reject
host shop,"all" ann,+staff 10.1.0.0 255.255.0.0 scram-sha-256
hostnossl sameuser all ::1/128 scram-sha-256
host samerole all samenet scram-sha-256
host all all samehost scram-sha-256`
  assert.equal(decides(file, from()), 5)
  assert.equal(decides(file, from({ tls: true })), 3)
  assert.equal(decides(file, from({ tls: true, address: '11.1.1.1' })), 'no pg_hba.conf entry')
  assert.equal(decides(file, from({ user: 'mallory' })), 'pg_hba.conf rejects connection')
  assert.equal(decides(file, from({ user: 'bob' })), 5)
  assert.equal(decides(file, from({ user: 'bob', memberOf: new Set() })), 'no pg_hba.conf entry')
  assert.equal(decides(file, from({ database: 'other' })), 'no pg_hba.conf entry')
  assert.equal(decides(file, from({ address: '::ffff:10.1.255.255' })), 5)
  assert.equal(decides(file, from({ address: '::1' })), 'no pg_hba.conf entry')
  assert.equal(decides(file, from({ address: '::1', database: 'ann' })), 6)
  assert.equal(decides(file, from({ address: '192.168.7.200', database: 'staff' })), 7)
  assert.equal(decides(file, from({ address: '192.168.7.1' })), 8)
  assert.equal(decides('host all all 0.0.0.0/0 scram-sha-256', from({ address: '::1' })), 'no pg_hba.conf entry')
  assert.equal(
    decides('host replication all all scram-sha-256', from({ database: 'replication' })),
    'no pg_hba.conf entry',
  )
  assert.equal(ruleFor(defaultRules(), from()).method, 'scram-sha-256')
  assert.throws(() => ruleFor(parseHba('host all all all reject', 'x'), from()), {
    sqlState: '28000',
    message: 'pg_hba.conf rejects connection for host "10.1.2.3", user "ann", database "shop", no encryption',
  })
})

test('every wrong line is told, with what is not supported and why', () => {
  for (const [line, words] of [
    ['', /no entries/],
    ['hots all all all reject', /line 1: invalid connection type "hots"/],
    ['host all', /end-of-line before role/],
    ['host all all', /end-of-line before IP address/],
    ['host all all 10.0.0.0/33 reject', /invalid CIDR mask/],
    ['host all all 10.0.0.1 reject', /invalid IP mask "reject"/],
    ['host all all 10.0.0.0 255.0.255.0 reject', /has gaps/],
    ['host all all 10.0.0.0 ffff:: reject', /do not match/],
    ['host all all example.com reject', /host name "example.com" is not supported/],
    ['host all all .example.com reject', /host name/],
    ['host all /^a all reject', /regular expression "\/\^a"/],
    ['host @file all all reject', /included file "@file"/],
    ['include other.conf', /"include" is not supported/],
    ['hostgssenc all all all reject', /GSSAPI/],
    ['host all all all trust', /"trust" is not supported/],
    ['host all all all cert', /"cert" is not supported/],
    ['host all all all scram', /invalid authentication method "scram"/],
    ['host all all all scram-sha-256 clientcert=verify-ca', /only be configured for "hostssl"/],
    ['hostssl all all all scram-sha-256 clientcert=1', /invalid value for clientcert: "1"/],
    ['hostssl all all all scram-sha-256 clientcert', /not in name=value format/],
    ['hostssl all all all scram-sha-256 map=m', /"map" is only valid/],
    ['hostssl all all all scram-sha-256 clientname=DN', /clientname=DN is not supported/],
    ['hostssl all all all scram-sha-256 x=y', /unrecognized authentication option name: "x"/],
    ['host all all all,b reject', /multiple values/],
  ] as const)
    assert.match(wrong(line), words, line)
  assert.equal(wrong('host all all all trust\nhost all all all reject\nhost x').split('\n').length, 2)
  assert.equal(wrong('host all all ::/0 scram-sha-256\nhost all all ffff:: ffff:: reject'), 'read')
})
