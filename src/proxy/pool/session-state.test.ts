import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { test } from 'node:test'
import {
  freshState,
  learn,
  namedStatement,
  readTexts,
  settingChanges,
  splitIdentifiers,
  stateQuery,
} from './session-state.ts'

const context = { user: 'app', readOnly: undefined, filters: [], code: true }
const role = (name: string, sessionUser = 'app'): string[] => ['role', name, sessionUser]

test('a connection gets the difference of settings, the role last', () => {
  const has = new Map([
    ['work_mem', '4MB'],
    ['DateStyle', 'ISO, MDY'],
    ['role', 'r1'],
  ])
  const wants = new Map([
    ['role', 'r"2'],
    ['work_mem', '7MB'],
    ['search_path', '"$user", Public,"a,b"'],
    ['app.user', "o'brien"],
  ])
  deepEqual(settingChanges(has, wants), [
    'RESET ROLE',
    'RESET "DateStyle"',
    `SET "work_mem" TO '7MB'`,
    'SET "search_path" TO "$user", "public", "a,b"',
    `SET "app"."user" TO 'o''brien'`,
    'SET ROLE "r""2"',
  ])
  deepEqual(settingChanges(wants, wants), [])
})

test('lists of names are read as PostgreSQL reads them', () => {
  deepEqual(splitIdentifiers('"$user", public'), ['$user', 'public'])
  deepEqual(splitIdentifiers('A ,"A""b" , c'), ['a', 'A"b', 'c'])
  deepEqual(splitIdentifiers('""'), [''])
  deepEqual(splitIdentifiers(''), [])
})

test('what the server tells becomes the state: settings, the role, and pins with their reasons', () => {
  const state = freshState()
  learn(state, [['s', 'work_mem', '7MB'], ['p', 'LISTEN', null], role('none')], context)
  deepEqual([...state.settings], [['work_mem', '7MB']])
  deepEqual([...state.pins], ['LISTEN'])
  learn(state, [role('none')], context)
  deepEqual([...state.settings, ...state.pins], [])
  learn(state, [role('other')], context)
  deepEqual([...state.settings], [['role', 'other']])
  deepEqual([...state.pins], [])
  // Under another role: to be made again it might have to be that role.
  learn(state, [['s', 'work_mem', '7MB'], role('other')], context)
  deepEqual([...state.pins], ['a setting made under SET ROLE'])
  learn(state, [['s', 'work_mem', '7MB'], role('none')], context)
  deepEqual([...state.pins], ['a setting made under SET ROLE'], 'it may still be of that role')
})

test('another session user pins', () => {
  const state = freshState()
  learn(state, [role('none', 'else')], context)
  deepEqual([...state.pins], ['SET SESSION AUTHORIZATION'])
})

test('custom settings are followed by the names in the text, and pin where there is none', () => {
  const named = freshState()
  readTexts(named, ["select set_config('App.User', 'x', false), set_config ( 'work_mem', '1MB', FALSE )"])
  deepEqual([...named.customNames], ['app.user'])
  equal(named.lostTrack, false)
  const local = freshState()
  readTexts(local, ['select set_config($1, $2, true)'])
  equal(local.lostTrack, false)
  for (const text of ['select set_config($1, $2, false)', "select set_config('a' || b(), 'x', false)"]) {
    const unnamed = freshState()
    readTexts(unnamed, [text])
    equal(unnamed.lostTrack, true, text)
    learn(unnamed, [role('none')], context)
    deepEqual([...unnamed.pins], ['a setting whose name is not known'])
    learn(unnamed, [role('none')], { ...context, filters: ['EXCLUDE_VARIABLE_SETS'] })
    deepEqual([...unnamed.pins], [])
  }
})

test('a function that hides a setting pins only where code ran', () => {
  const state = freshState()
  learn(state, [['hidden', 'a function', null], role('none')], { ...context, code: false })
  deepEqual([...state.pins], [])
  learn(state, [['hidden', 'a function', null], role('none')], context)
  deepEqual([...state.pins], ['a setting whose name is not known'])
})

test('equal statements share a name under equal settings only', () => {
  const state = freshState()
  const other = freshState()
  const body = Buffer.from('select 1\0\0\0')
  equal(namedStatement(state, body).serverName, namedStatement(other, body).serverName)
  other.settings.set('search_path', 's')
  notEqual(namedStatement(state, body).serverName, namedStatement(other, body).serverName)
})

test('names of custom settings can not break out of the question', () => {
  equal(stateQuery(["a.b'c"]).includes("('a.b''c')"), true)
})
