import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import type { StartupMessage } from '../../wire/pgwire/startup.ts'
import { booleanOf, parseOptions, startSettings } from './start-settings.ts'

const ask = (part: Partial<StartupMessage>) =>
  startSettings({
    kind: 'startup',
    minor: 0,
    negotiate: false,
    unknownOptions: [],
    user: 'a',
    database: 'a',
    options: '',
    replication: undefined,
    settings: [],
    ...part,
  })
const refuses = (part: Partial<StartupMessage>, sqlState: string): void => {
  assert.throws(
    () => ask(part),
    (error) => error instanceof AllwriteError && error.sqlState === sqlState,
    JSON.stringify(part),
  )
}

test('options are split as PostgreSQL splits them', () => {
  assert.deepEqual(parseOptions(String.raw`-c a=1 -cb=2  --c-d=x\ y -c e=\\z --f==`), [
    ['a', '1'],
    ['b', '2'],
    ['c_d', 'x y'],
    ['e', String.raw`\z`],
    ['f', '='],
  ])
  assert.deepEqual(parseOptions('  '), [])
  for (const text of ['-c', '-c a', '--a', '-c =1']) assert.throws(() => parseOptions(text), { sqlState: '42601' })
  for (const text of ['-O', 'a=1', '-W 5', '-']) assert.throws(() => parseOptions(text), { sqlState: '0A000' })
})

test('the wish to be read-only is remembered, never passed on; the last one counts', () => {
  const wished = ask({
    options: '-c default_transaction_read_only=off -c work_mem=1MB',
    settings: [
      ['Default_Transaction_Read_Only', 'ON'],
      ['TimeZone', 'UTC'],
    ],
  })
  assert.deepEqual(wished, {
    settings: [
      ['work_mem', '1MB'],
      ['timezone', 'UTC'],
    ],
    readOnlyWish: true,
    pooled: undefined,
    replication: false,
  })
  assert.equal(ask({}).readOnlyWish, false)
  refuses({ settings: [['default_transaction_read_only', 'perhaps']] }, '22023')
})

test('what would go past the node is refused, however it is spelled', () => {
  for (const name of [
    'session_replication_role',
    'EVENT_TRIGGERS',
    'transaction_read_only',
    'allow_system_table_mods',
  ]) {
    refuses({ settings: [[name, 'x']] }, '0A000')
    refuses({ options: `--${name.replaceAll('_', '-')}=x` }, '0A000')
  }
  assert.equal(ask({ settings: [['default_transaction_isolation', 'serializable']] }).settings.length, 1)
})

test('a setting cannot become a field of the start-up packet, nor an odd name pass', () => {
  for (const name of ['replication', 'user', 'database', 'options']) refuses({ options: `-c ${name}=x` }, '42704')
  refuses({ settings: [['Replication', 'database']] }, '42704')
  refuses({ options: '-c _pq_.x=1' }, '42704')
  for (const name of ['a b', 'a;b', '1a', '', 'a.', 'é']) refuses({ settings: [[name, 'x']] }, '42602')
  assert.deepEqual(ask({ settings: [['my.setting', 'x']] }).settings, [['my.setting', 'x']])
})

test('replication of a database is asked of the server, physical replication is refused, an explicit false is neither', () => {
  for (const value of ['true', '1', 'on']) refuses({ replication: value }, '0A000')
  refuses({ replication: 'maybe' }, '22023')
  const wanted = ask({ replication: 'database' })
  assert.deepEqual([wanted.replication, wanted.settings], [true, [['replication', 'database']]])
  const no = ask({ replication: 'false' })
  assert.deepEqual([no.replication, no.settings.length], [false, 0])
})

test('booleans are read as PostgreSQL reads them', () => {
  for (const text of ['1', 'on', 'ON', 't', 'true', 'y', 'yes']) assert.equal(booleanOf(text), true, text)
  for (const text of ['0', 'off', 'of', 'f', 'false', 'n', 'no']) assert.equal(booleanOf(text), false, text)
  for (const text of ['', 'o', '2', 'truer', ' on']) assert.equal(booleanOf(text), undefined, text)
})

test('a pool says that it is one, under a name that the server never hears; the name is its secret, of one form', () => {
  const pooled = ask({ settings: [['allwrite.connection', '0123456789abcdef0123456789abcdef']] })
  assert.deepEqual(pooled, {
    settings: [],
    readOnlyWish: false,
    pooled: '0123456789abcdef0123456789abcdef',
    replication: false,
  })
  assert.equal(ask({ settings: [['allwrite.connection', '']] }).pooled, '')
  refuses({ settings: [['allwrite.connection', "x'"]] }, '22023')
})
