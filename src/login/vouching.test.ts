import { equal, notDeepEqual, notEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { isVouched, proxyKeys, vouch, type Vouched } from './vouching.ts'

const { vouchKey } = proxyKeys('secret')
const what: Vouched = { user: 'ann', database: 'shop', connection: '00ff' }
const nowMs = 1_800_000_000_000

test('a proxy’s word is good for what it was given for, and for a minute', () => {
  const word = vouch(vouchKey, what, nowMs)
  equal(isVouched(vouchKey, what, word, nowMs), true)
  equal(isVouched(vouchKey, what, word, nowMs + 59_000), true)
  equal(isVouched(vouchKey, what, word, nowMs - 59_000), true)
  equal(isVouched(vouchKey, what, word, nowMs + 61_000), false)
  for (const other of [{ user: 'bob' }, { database: 'bank' }, { connection: '00fe' }])
    equal(isVouched(vouchKey, { ...what, ...other }, word, nowMs), false)
})

test('a word that is none, was changed, or is another cluster’s is worth nothing', () => {
  const word = vouch(vouchKey, what, nowMs)
  const [time = '', hex = ''] = word.split('.')
  const later = `${Number(time) + 1}.${hex}`
  for (const text of ['', '.', time, `${time}.`, `${time}.${'0'.repeat(64)}`, later, `${word}0`, `1e3.${hex}`])
    equal(isVouched(vouchKey, what, text, nowMs), false, text)
  equal(isVouched(proxyKeys('another').vouchKey, what, word, nowMs), false)
})

test('what a proxy is given does not lead back to the agents’ secret, nor from one key to another', () => {
  const keys = proxyKeys('secret')
  notEqual(keys.password, 'secret')
  notDeepEqual(keys.vouchKey, keys.mockSecret)
  notEqual(keys.password, keys.vouchKey.toString('hex'))
})
