import assert from 'node:assert/strict'
import test from 'node:test'
import { canonical, equalityOf } from './canonical.ts'
import type { Equality } from './canonical.ts'

const of = (form: Equality['form'], text: string): string => Buffer.from(canonical(form, Buffer.from(text))).toString()

test('numbers are equal whatever scale they were written with', () => {
  for (const text of ['1', '1.0', '1.000']) assert.equal(of('number', text), '1')
  for (const text of ['-10.50', '-10.5']) assert.equal(of('number', text), '-10.5')
  for (const text of ['0', '0.00']) assert.equal(of('number', text), '0')
  for (const text of ['100', '1000', 'NaN', 'Infinity', '-Infinity', '0.001']) assert.equal(of('number', text), text)
})

test('negative zero is zero', () => {
  assert.equal(of('float', '-0'), '0')
  for (const text of ['0', '-0.5', '1e-07', 'NaN', '-Infinity', '-1']) assert.equal(of('float', text), text)
})

test('trailing blanks do not count in char(n), and do in text', () => {
  assert.equal(of('blank_padded', 'ab   '), 'ab')
  assert.equal(of('blank_padded', '    '), '')
  assert.equal(of('blank_padded', ' ab'), ' ab')
  assert.equal(of('text', 'ab '), 'ab ')
})

test('jsonb compares numbers by value and strings by text', () => {
  assert.equal(of('jsonb', '{"a": 1.0, "b": [-2.50, 10]}'), '{"a": 1, "b": [-2.5, 10]}')
  assert.equal(
    of('jsonb', '{"1.0": "2.50", "q\\"1.0": "\\\\", "x": 1.00}'),
    '{"1.0": "2.50", "q\\"1.0": "\\\\", "x": 1}',
  )
  assert.equal(of('jsonb', '0.0'), '0')
  assert.equal(of('jsonb', '"é 1.0"'), '"é 1.0"')
  assert.equal(of('jsonb', '[true, null, 1.10]'), '[true, null, 1.1]')
})

test('only types whose equality shows in their text have one; families keep apart what a cast would compare', () => {
  const builtin = (name: string, deterministic = true): Equality =>
    equalityOf({ schema: 'pg_catalog', name, isEnum: false }, deterministic)
  assert.equal(builtin('int2').family, builtin('int8').family)
  assert.equal(builtin('int4').family, builtin('numeric').family)
  assert.equal(builtin('varchar').family, builtin('text').family)
  assert.notEqual(builtin('bpchar').family, builtin('text').family)
  assert.notEqual(builtin('float4').family, builtin('float8').family)
  for (const name of ['interval', '_int4', 'int4range', 'json', 'record', 'tsvector', 'money', 'point']) {
    assert.equal(builtin(name).form, 'none', name)
  }
  assert.equal(builtin('text', false).form, 'none')
  assert.equal(equalityOf({ schema: 'public', name: 'citext', isEnum: false }, true).form, 'none')
  assert.equal(equalityOf({ schema: 'public', name: 'text', isEnum: false }, true).form, 'none')
  assert.equal(equalityOf({ schema: 'public', name: 'color', isEnum: true }, true).family, 'enum public.color')
})
