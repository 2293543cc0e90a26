import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createStatementClassifier } from './classifier.ts'
import { fixtureContext, startClassifying } from './fixtures.ts'

const { classifier, one, write } = await startClassifying()

const examples: Readonly<Record<string, readonly string[]>> = {
  empty: ['', ' ', ';', ';;', '-- only a comment', '/* nothing /* nested */ */ ;'],
  invalid: [
    'selec 1',
    'select 1; selec 2',
    "select 'open",
    'select 1 /* open',
    'insert into',
    'create table (',
    'begin; oops; commit',
  ],
  begin: [
    'begin',
    'BEGIN;',
    'begin work',
    'start transaction',
    'begin isolation level repeatable read, read only',
    '/* x */ begin -- y',
  ],
  commit: ['commit', 'END', 'commit and chain', 'end transaction', 'commit work and no chain'],
  rollback: ['rollback', 'abort', 'ROLLBACK AND CHAIN', '/* */ rollback'],
  savepoint: ['savepoint a'],
  release: ['release a', 'release savepoint "A b"'],
  rollback_to: ['rollback to a', 'rollback work to savepoint a'],
  harmless: [
    'select 1',
    'select * from t',
    'table t',
    'values (1), (2)',
    'select count(*), max(a) from public.t where a = $1 and b like $2 group by c having count(*) > 1 order by 1 desc limit 5',
    'select t.a, (u).b from t join u using (id) left join lateral (select 1) x on true',
    'with recursive x as (select 1 as n union all select n + 1 from x where n < 5) select * from x',
    'with v as (select 1) select * from v',
    "select a::text, cast($1 as int), '1'::regclass, 'sad'::mood, array[1,2], case when a then 1 end from t",
    'select (select max(a) from t), exists (select 1 from u), a in (select b from u) from t',
    'select row_number() over (partition by a order by b) from t',
    'select current_user, current_date, now(), random()',
    'select pg_catalog.count(*) from pg_catalog.pg_class',
    'select 1 union select 2 except (select 3 order by 1)',
    'explain select * from t',
    'explain (analyze off, verbose) select 1',
    'copy t to stdout',
    'copy (select a from t) to stdout with (format csv)',
    "select e'a\\'b' from t",
  ],
  write: [
    'select f()',
    'select writes() from t',
    "select set_config('default_transaction_read_only','off',false)",
    'select * from v',
    'select * from other.t',
    'select * from unknown_table',
    'select t.f from t',
    'select t.pg_restore_relation_stats from t',
    'select (t).writes from t',
    'select (x).f.y from t x',
    'select * from f()',
    'select * from t for update',
    'select * from t for key share skip locked',
    'select * into n from t',
    'with w as (insert into t values (1) returning *) select * from w',
    'with w as (delete from t returning *) select * from w',
    'with v as (select * from v) select * from v',
    'select * from v, (with v as (select 1) select * from v) x',
    'select 1::d',
    'select 1::text::d',
    'select public.lower(a) from t',
    'select a operator(public.+) b from t',
    'select a from t order by a using operator(public.<)',
    'select * from t tablesample system (1)',
    'select nextval($1)',
    'select a from t where writes() > 1',
    'select a from t limit f()',
    'select count(*) filter (where writes() = 1) from t',
    'select max(a) over (order by f()) from t',
    'explain analyze select 1',
    'explain (analyze) insert into t values (1)',
    'explain insert into t values (1)',
    'insert into t values (1)',
    'update t set a = 1',
    'delete from t',
    'merge into t using u on t.a = u.a when matched then delete',
    'truncate t',
    'create table n (a int)',
    'create index on t (a)',
    'drop table t',
    'alter table t add column b int',
    'create function g() returns int begin atomic select 1; select 2; end',
    'do $$ begin commit; end $$',
    'call p()',
    'fetch 1 from c',
    'move c',
    'close c',
    'declare c cursor for select 1',
    'prepare p as select 1',
    'execute p',
    'deallocate p',
    'lock t',
    'copy (insert into t values (1) returning *) to stdout',
    "copy t from '/tmp/x'",
    "copy t to program 'cat'",
    "copy t to '/tmp/x'",
    'copy v to stdout',
    'grant select on t to r',
    'comment on table t is $$x$$',
    'create extension hstore',
    'drop owned by r',
    'select lo_create(0)',
    'select xmlelement(name x, f())',
  ],
  setting: [
    "set search_path = 'a', b",
    'set local x.y = 1',
    'reset all',
    'reset work_mem',
    'show all',
    'show server_version',
    'set role r',
    'set session authorization r',
    'set constraints all immediate',
    'set transaction isolation level repeatable read',
    'set transaction read write',
    'set session characteristics as transaction isolation level read committed',
    "set time zone 'UTC'",
    "set names 'utf8'",
    'set standard_conforming_strings = on',
    'reset session_replication_role',
  ],
  guard_setting: [
    'set default_transaction_read_only = off',
    'SET SESSION DEFAULT_TRANSACTION_READ_ONLY TO no',
    'set local default_transaction_read_only = on',
    'reset default_transaction_read_only',
    'set default_transaction_read_only to default',
    'show default_transaction_read_only',
    'show transaction_read_only',
    'set session characteristics as transaction read write',
  ],
  local: [
    'vacuum',
    'vacuum full t',
    'analyze t',
    'checkpoint',
    'reindex table t',
    'cluster',
    'listen a',
    'unlisten *',
    'discard all',
    'discard plans',
    'reindex (concurrently false) table t',
    'reindex (concurrently) table t',
    'reindex index concurrently i',
    "load 'x'",
  ],
  copy_in: ['copy t from stdin', 'copy t (a, b) from stdin with (format binary)'],
  journaled: [
    'create event trigger e on ddl_command_end execute function f()',
    'alter event trigger e disable',
    'alter event trigger e enable',
    'alter event trigger e rename to f',
    'alter event trigger e owner to r',
    'drop event trigger if exists e, f',
    "comment on event trigger e is 'x'",
    'create role r',
    'create user r password null',
    'alter role r nologin',
    'alter role r rename to s',
    'drop user r',
    'grant a to b',
    'revoke admin option for a from b',
    'alter role r set search_path = a',
    'alter role all reset all',
    'comment on role r is null',
    'reassign owned by a to b',
    'grant connect on database d to r',
    'alter database postgres set work_mem = 1',
    'alter database postgres reset all',
    'alter database d set work_mem = 1',
    'alter database d owner to r',
    'alter database d connection limit 5 is_template true',
    "security label on role r is 'x'",
    'grant set on parameter work_mem to r',
  ],
  concurrently: [
    'create index concurrently on t (a)',
    'create index concurrently if not exists i on s.t (lower(a)) where b',
    'drop index concurrently if exists s.i',
    'create database d',
    "create database d template e owner r encoding 'utf8' allow_connections true tablespace pg_default",
    'drop database if exists d with (force)',
    'alter database d rename to e',
  ],
  refused: [
    'create database d tablespace s',
    "create database d encoding 'LATIN1'",
    'create database d oid 20000',
    'create database d allow_connections false',
    'alter database d allow_connections false',
    'alter database d set tablespace s',
    'alter database d refresh collation version',
    'alter database postgres set role = r',
    'alter database postgres set work_mem from current',
    'alter database postgres set session_replication_role = replica',
    'alter system set work_mem = 1',
    "create tablespace s location '/x'",
    "create subscription s connection '' publication p",
    'drop subscription s',
    'create event trigger e on login execute function f()',
    'create event trigger e on ddl_command_end execute function allwrite.ddl_end()',
    'create event trigger "!e" on ddl_command_end execute function f()',
    'create event trigger "~allwrite_e" on ddl_command_end execute function f()',
    'alter event trigger e rename to é',
    'alter event trigger e enable always',
    'alter event trigger e enable replica',
    'alter event trigger "!allwrite_ddl_end" disable',
    'drop event trigger e, allwrite_login',
    'alter event trigger "~allwrite_ddl_start" owner to r',
    'import foreign schema a from server s into b',
    'create index concurrently on t (xmlserialize(content a as text))',
    'create index concurrently t_ccnew on t (a)',
    'drop index concurrently i, j',
    'drop index concurrently i cascade',
    'alter table t set unlogged',
    "prepare transaction 'x'",
    "commit prepared 'x'",
    "rollback prepared 'x'",
    'create rule r as on insert to t do also notify c',
    'do $$ begin notify c; end $$',
    "do 'begin if true then notify c, ''x''; end if; end'",
    "do $$ begin execute 'notify c'; end $$",
    "do $$ begin execute format('notify %I', 'c'); end $$",
    'create function g() returns trigger language plpgsql as $$ declare x int; begin x := 1; /* so */ notify c; return new; end $$',
    "create procedure g() language sql as 'select 1; notify c'",
    'notify u&"\\0063"',
    'set session_replication_role = replica',
    'SET LOCAL "session_replication_role" TO replica',
    'set event_triggers = off',
    'set allow_system_table_mods = on',
    'set standard_conforming_strings = off',
    "set client_encoding = 'SJIS'",
    'alter role r in database d set session_replication_role from current',
    'create function g() returns int language sql set session_replication_role = replica as $$ select 1 $$',
    'alter function g() set event_triggers = off',
    'explain analyze create materialized view m as select 1',
    'create schema s create unlogged table x (a int)',
    'declare c cursor with hold for select f()',
    'declare c cursor with hold for select * from t for update',
    'grant select on large object 1 to r',
  ],
}

for (const [kind, texts] of Object.entries(examples)) {
  describe(kind, () => {
    for (const text of texts) {
      test(`${kind}: ${text}`, () => {
        const statement = one(text)
        assert.equal(statement.kind, kind, JSON.stringify(statement))
      })
    }
  })
}

test('every refusal has 0A000 and a message in the style of PostgreSQL', () => {
  for (const text of examples['refused'] ?? []) {
    const statement = one(text)
    assert.ok(statement.kind === 'refused' && statement.sqlState === '0A000' && /support/.test(statement.message), text)
  }
})

test('BEGIN says its mode and keeps what the user said', () => {
  const cases = {
    begin: 'BEGIN READ WRITE',
    'start transaction': 'START TRANSACTION READ WRITE',
    'begin -- note': 'BEGIN READ WRITE',
    'begin read only': 'BEGIN READ ONLY',
    'begin read only read write': 'BEGIN READ WRITE',
    'begin transaction isolation level repeatable read, deferrable':
      'BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE, DEFERRABLE',
    'start transaction not deferrable read only': 'START TRANSACTION READ ONLY, NOT DEFERRABLE',
  }
  for (const [text, sent] of Object.entries(cases)) assert.equal(one(text).text, sent)
})

test('a Query with several statements is split: each piece is judged alone (RULES 4)', () => {
  const text =
    "select set_config('default_transaction_read_only','off',false); commit ;/* é😀 */ select f() ; begin read write;;"
  const { statements } = classifier.classify(text)
  const place = (piece: string): number => Array.from(text.slice(0, text.indexOf(piece))).length
  assert.deepEqual(
    statements.map(({ kind, text, offset }) => [kind, text.trim(), offset]),
    [
      ['write', "select set_config('default_transaction_read_only','off',false)", 0],
      ['commit', 'commit', place('commit')],
      ['write', 'select f()', place('select f')],
      ['begin', 'BEGIN READ WRITE', place('begin')],
    ],
  )
})

test('a semicolon inside a literal, a name, a comment, a body or a dollar quote splits nothing', () => {
  for (const text of [
    "select ';' from t",
    'select a as ";" from t',
    'select 1 /* ; /* ; */ ; */ from t',
    'select 1 -- ; x\n from t',
    'select $q$;$q$ from t',
    'select $q$;$$;$q$, $$;$$ from t',
    'create rule r as on insert to t do also (insert into u values (1); select 1)',
    'create procedure p() begin atomic insert into t values (1); insert into t values (2); end',
  ])
    one(text)
})

test('UNLOGGED is taken out and told, positions stay', () => {
  const table = write('create /* é */ unlogged table unlogged (a int)')
  assert.equal(table.text, 'create /* é */          table unlogged (a int)')
  assert.match(table.notice ?? '', /UNLOGGED/)
  assert.equal(
    write('select 1 as "unlogged" into unlogged table x').text,
    'select 1 as "unlogged" into          table x',
  )
  assert.equal(write('create unlogged table x as select 1').text, 'create          table x as select 1')
})

test('the guard: the wish is recorded, nothing is sent', () => {
  const off = one('set default_transaction_read_only = off')
  assert.ok(
    off.kind === 'guard_setting' && off.readOnly === false && off.text === '' && !off.local && off.action === 'set',
  )
  const odd = one("set default_transaction_read_only = 'maybe'")
  assert.ok(odd.kind === 'guard_setting' && odd.readOnly === undefined && odd.value === 'maybe')
  const both = one('set session characteristics as transaction isolation level repeatable read, read write')
  assert.ok(both.kind === 'guard_setting' && both.readOnly === false)
  assert.equal(both.text, 'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ')
})

test('settings carry name, value and scope', () => {
  const set = one('set local work_mem = 64')
  assert.ok(
    set.kind === 'setting' && set.name === 'work_mem' && set.value === '64' && set.local && set.scope === 'transaction',
  )
  const path = one("set search_path = a, 'B'")
  assert.ok(path.kind === 'setting' && path.value === 'a, B' && path.scope === 'session')
})

test('standard_conforming_strings off: a backslash is refused, nothing is guessed', () => {
  const facts = { standardConformingStrings: false, temporaryObjects: false }
  assert.equal(one("select 'a\\'; drop table t; --'", facts).kind, 'refused')
  assert.equal(one("select 'a' from t", facts).kind, 'harmless')
})

test('temporary objects hide plain names: only qualified names stay harmless', () => {
  const facts = { standardConformingStrings: true, temporaryObjects: true }
  assert.equal(one('select * from t', facts).kind, 'write')
  assert.equal(one('select * from public.t', facts).kind, 'harmless')
  assert.equal(one('select a::mood from public.t', facts).kind, 'write')
  assert.equal(one('copy t to stdout', facts).kind, 'write')
  assert.equal(one('select * from t').kind, 'harmless')
})

test('a new context forgets old verdicts', () => {
  const own = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 16 })
  assert.equal(own.classify('select * from t').statements[0]?.kind, 'harmless')
  own.setContext({ ...fixtureContext, isPlainRelation: () => false })
  assert.equal(own.classify('select * from t').statements[0]?.kind, 'write')
  own.setContext({ ...fixtureContext, hasUserCasts: true })
  assert.equal(own.classify('select * from t').statements[0]?.kind, 'write')
})

test('huge and deeply nested texts end in a verdict, and the parser works on', () => {
  const rows = Array.from({ length: 40_000 }, (_, i) => `(${i}, 'row ${i}')`).join(',')
  const huge = one(`insert into t values ${rows}`)
  assert.ok(huge.kind === 'write' && huge.opaque && !huge.retryable)
  const members = Array.from({ length: 60_000 }, (_, i) => i).join(',')
  const read = one(`select * from t where a in (${members})`)
  assert.ok(read.kind === 'write' && read.returnsRows && !read.ddl)
  const into = one(`select * into n from t where a in (${members})`)
  assert.ok(into.kind === 'write' && into.ddl && !into.returnsRows)
  for (const depth of [500, 5_000, 100_000]) {
    const nested = one(`select ${'('.repeat(depth)}1${')'.repeat(depth)}`)
    assert.ok(['harmless', 'write', 'refused', 'invalid'].includes(nested.kind), nested.kind)
    const sum = one(`select ${'1+'.repeat(depth)}1`)
    assert.ok(['harmless', 'write', 'refused', 'invalid'].includes(sum.kind), sum.kind)
    assert.equal(one(`select ${depth}::text`).kind, 'harmless')
  }
})

test('an index without a name is called as PostgreSQL calls it (ChooseIndexColumnNames)', () => {
  const columns = (elements: string): unknown => {
    const [only] = classifier.classify(`create index concurrently on t (${elements})`).statements
    return only?.kind === 'concurrently' && 'columns' in only.request ? only.request.columns : only
  }
  const long = 'x'.repeat(63)
  for (const [elements, names] of [
    ['a, lower(b), pg_catalog.upper(c)', ['a', 'lower', 'upper']],
    ['(a || b), (a + 1), (a is null), (a and b)', ['expr', 'expr1', 'expr2', 'expr3']],
    ['lower(a), lower(b), lower', ['lower', 'lower1', 'lower2']],
    ['(a::text), (lower(a)::text), ((a || b)::varchar(5)), (1::int)', ['a', 'lower', 'varchar', 'int4']],
    ['(case when a then b end), (case when a then b else c end)', ['case', 'c']],
    [
      '(a collate "C"), ((a || b) collate "C"), coalesce(a, b), greatest(a, b), least(a, b)',
      ['a', 'expr', 'coalesce', 'greatest', 'least'],
    ],
    ['(array[a, b]), (row(a, b)), nullif(a, b), (a[1]), ((r).f)', ['array', 'row', 'nullif', 'a', 'f']],
    [`"${long}", lower(b), "${long}"`, [long, 'lower', `${long.slice(1)}1`]],
  ] as const)
    assert.deepEqual(columns(elements), names, elements)
})

test('a partition is detached at one position: CONCURRENTLY is taken out and told', () => {
  const [detach] = classifier.classify('alter table t detach partition concurrently_made concurrently').statements
  assert(detach?.kind === 'write' && detach.ddl)
  assert.equal(detach.text, 'alter table t detach partition concurrently_made             ')
  assert.match(detach.notice ?? '', /CONCURRENTLY is ignored/)
  const [finalize] = classifier.classify('alter table t detach partition p finalize').statements
  assert(finalize?.kind === 'write' && finalize.notice === undefined)
})

test('CREATE DATABASE takes options of the cluster’s behind its own: no semicolon ends it before', () => {
  for (const [source, statement] of [
    ['create database "d;" -- ;', 'create database "d;" -- ;'],
    ['create database d ;', 'create database d '],
    ["create database ü owner 'r' /* ; */ ; -- done;", "create database ü owner 'r' /* ; */ "],
  ] as const) {
    const [only] = classifier.classify(source).statements
    assert(only?.kind === 'concurrently')
    assert.equal(only.request.statement, statement)
  }
})
