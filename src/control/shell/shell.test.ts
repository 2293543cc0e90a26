import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { parseMeta } from './describe.ts'
import { messageText } from './errors.ts'
import { isBlank, splitStatements } from './split.ts'
import { alignedTable } from './table.ts'

test('statements end at semicolons that are not quoted, commented, bracketed or in a body', () => {
  const whole = [
    `select ';' , E'a\\';b', "c;d", $$e;f$$, $x$g;$$h$x$;`,
    `select 1 -- no; end\n + 2;`,
    `select /* a; /* nested; */ b; */ 3;`,
    `create rule r as on insert to t do (select 1; select 2);`,
    `create function f() returns int begin atomic select case when true then 1 end; select 2; end;`,
  ]
  for (const statement of whole) deepEqual(splitStatements(statement), { statements: [statement], rest: '' })
  deepEqual(splitStatements('select 1; select 2; sel'), { statements: ['select 1;', 'select 2;'], rest: 'sel' })
  deepEqual(splitStatements(`select 'open;`), { statements: [], rest: `select 'open;` })
  deepEqual(splitStatements(';;'), { statements: [], rest: '' })
  equal(isBlank(' -- only words\n'), true)
})

test('results look as in psql', () => {
  const columns = [
    { name: 'id', numeric: true },
    { name: 'text', numeric: false },
  ]
  const rows = [
    ['1', 'one\ntwo'],
    ['10', null],
  ]
  equal(
    alignedTable(columns, rows),
    [' id | text ', '----+------', '  1 | one +', '    | two', ' 10 | ', '(2 rows)', ''].join('\n'),
  )
})

test('errors look as in psql, with the line and a caret below the place', () => {
  const error = Object.assign(new Error('column "x" does not exist'), {
    severity: 'ERROR',
    position: '12',
    hint: 'Look.',
  })
  equal(
    messageText(error, 'select 1,\n x;'),
    'ERROR:  column "x" does not exist\nLINE 2:  x;\n         ^\nHINT:  Look.\n',
  )
})

test('backslash commands are told apart', () => {
  equal(parseMeta('\\q').kind, 'quit')
  equal(parseMeta('\\d').kind, 'query')
  const described = parseMeta('\\d public.t;')
  deepEqual(described.kind === 'query' && described.values, ['public.t'])
  equal(parseMeta('\\x').kind, 'unknown')
})
