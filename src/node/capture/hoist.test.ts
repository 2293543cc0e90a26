import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createdTable, createHoistFinder } from './hoist.ts'

const statement = (text: string) => ({ text, role: 'postgres', settings: {} })

test('the created table is read from quoted and plain names', () => {
  assert.deepEqual(createdTable('CREATE TABLE public.copied (id integer)'), { schema: 'public', name: 'copied' })
  assert.deepEqual(createdTable('CREATE TABLE "My ""s".""".(" (id integer)'), { schema: 'My "s', name: '".(' })
  assert.equal(createdTable('CREATE VIEW public.copied AS SELECT 1'), undefined)
})

test('a filled table is created before its first row, also when one of its name was dropped before', () => {
  const finder = createHoistFinder()
  finder.relation(0, { schema: 'public', name: 'copied' })
  finder.statement(statement('DROP TABLE copied'), 'drop table')
  finder.relation(1, { schema: 'public', name: 'copied' })
  finder.statement(statement('CREATE TABLE public.copied (id integer)'), 'create table as')
  assert.deepEqual([...finder.found.before.keys()], [1])
  assert.deepEqual([...finder.found.moved], [1])
})

test('an empty filled table and every other statement stay where they are', () => {
  const finder = createHoistFinder()
  finder.relation(0, { schema: 'public', name: 'other' })
  finder.statement(statement('CREATE TABLE public.copied (id integer)'), 'create table as')
  finder.statement(statement('CREATE TABLE public.other (id integer)'), 'create table')
  assert.equal(finder.found.before.size, 0)
  assert.equal(finder.found.moved.size, 0)
})
