/** RULES 8: no record stops a node. */
import { test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { outcomeOf } from '#testing/errors.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

/** [statements at n1, statement at n2]: neither may stop another node's apply; both may be refused. */
const poison: readonly (readonly [name: string, setUp: readonly string[], use: readonly string[]])[] = [
  [
    'functions that need a search_path of their own, in CHECK, generated column and index',
    [
      'create schema hidden',
      'create function hidden.only_here(int) returns int immutable language sql as $$ select $1 $$',
      'create function hidden.valid(int) returns bool immutable language plpgsql as $$ begin return only_here($1) = $1; end $$',
      'create function hidden.twice(int) returns int immutable language plpgsql as $$ begin return 2 * only_here($1); end $$',
      'create table hidden.t (id int primary key check (hidden.valid(id)), g int generated always as (hidden.twice(id)) stored)',
      'create index on hidden.t (hidden.twice(id))',
    ],
    [
      'set search_path = hidden',
      'insert into t values (1), (2)',
      'update t set id = 3 where id = 1',
      'delete from t where id = 2',
    ],
  ],
  [
    'CHECKs, of a table and of a domain, that ask the session: setting, role, time zone',
    [
      `create domain switched as int check (current_setting('my.mode', true) is not distinct from 'on')`,
      `create table p21 (id switched primary key, who text check (who = current_user), zone text check (zone = current_setting('TimeZone')))`,
    ],
    [
      `set my.mode = 'on'`,
      `set timezone = 'Asia/Tokyo'`,
      `insert into p21 values (1, current_user, 'Asia/Tokyo')`,
      `update p21 set id = 2`,
    ],
  ],
  [
    'a CHECK that is true for a moment',
    ['create table p22 (id int primary key, ends timestamptz check (ends > clock_timestamp()))'],
    [`do $$ begin insert into p22 values (1, clock_timestamp() + interval '50 ms'); perform pg_sleep(0.1); end $$`],
  ],
  [
    'a CHECK that reads another table',
    [
      'create table p23_limit (most int)',
      'create function below(int) returns bool language plpgsql as $$ begin return $1 < (select max(most) from p23_limit); end $$',
      'create table p23 (id int primary key check (below(id)))',
    ],
    ['begin', 'insert into p23_limit values (10)', 'insert into p23 values (5)', 'delete from p23_limit', 'commit'],
  ],
  [
    'a type made, grown and used in one transaction',
    [],
    [
      'begin',
      `create type p24_mood as enum ('ok')`,
      `create table p24 (id int primary key, m p24_mood)`,
      `alter type p24_mood add value 'new'`,
      `insert into p24 values (1, 'new')`,
      'commit',
      `alter type p24_mood add value 'later'`,
      `insert into p24 values (2, 'later')`,
    ],
  ],
  [
    'CHECK (ts <= now())',
    ['create table p1 (id int primary key, ts timestamptz check (ts <= clock_timestamp()))'],
    ['insert into p1 values (1, clock_timestamp())'],
  ],
  [
    'a CHECK that depends on a setting',
    [`create table p2 (id int primary key, v text check (current_setting('my.mode', true) = 'on'))`],
    [`set my.mode = 'on'`, `insert into p2 values (1, 'x')`],
  ],
  [
    'functions that need the usual search_path, in CHECK, domain, generated column and index',
    [
      'create function helper(int) returns bool immutable language sql as $$ select true $$',
      'create function valid(int) returns bool immutable language plpgsql as $$ begin return helper($1); end $$',
      'create function twice(int) returns int immutable language plpgsql as $$ begin if helper($1) then return $1 * 2; end if; return 0; end $$',
      'create domain valid_int as int check (valid(value))',
      'create table p3 (id int primary key check (valid(id)), v valid_int, g int generated always as (twice(id)) stored)',
      'create index on p3 (twice(v))',
    ],
    ['insert into p3 values (1, 1), (2, 2)', 'update p3 set v = 3', 'delete from p3 where id = 1'],
  ],
  [
    'FORCE ROW LEVEL SECURITY',
    [
      'create table p6 (id int primary key)',
      'alter table p6 enable row level security',
      'alter table p6 force row level security',
      'create policy none on p6 using (false) with check (false)',
    ],
    ['insert into p6 values (1)', 'delete from p6'],
  ],
  [
    'ALTER DATABASE … SET',
    [
      `alter database postgres set lock_timeout = '1ms'`,
      `alter database postgres set statement_timeout = '1ms'`,
      `alter database postgres set transaction_timeout = '1ms'`,
      `alter database postgres set idle_in_transaction_session_timeout = '1ms'`,
      `alter database postgres set default_transaction_isolation = 'serializable'`,
      `alter database postgres set default_transaction_read_only = on`,
      `alter database postgres set session_replication_role = 'replica'`,
      `alter database postgres set search_path = 'nowhere'`,
      `alter database postgres set default_transaction_deferrable = on`,
      `alter database postgres set row_security = off`,
      `alter database postgres set default_tablespace = 'nowhere'`,
      `alter database postgres set datestyle = 'German'`,
      `alter database postgres set event_triggers = off`,
      'create table public.p7 (id int primary key, at date)',
      `insert into public.p7 values (1, '2026-01-02')`,
      // Sessions that begin now, the comparison's too, would have a millisecond for each statement.
      'alter database postgres reset all',
    ],
    [`update public.p7 set at = '2026-01-03'`],
  ],
  [
    'ALTER DATABASE … RESET ALL',
    ['alter database postgres reset all'],
    ['create table p7b (id int primary key)', 'insert into p7b values (1)'],
  ],
  [
    'ALTER ROLE allwrite … SET',
    [
      `alter role allwrite set lock_timeout = '1ms'`,
      `alter role all set lock_timeout = '1ms'`,
      `alter role allwrite in database postgres set statement_timeout = 1`,
    ],
    ['create table p8 (id int primary key)', 'insert into p8 values (1)'],
  ],
  ['ALTER ROLE ALL RESET', ['alter role all reset all'], []],
  [
    'ALWAYS and REPLICA triggers',
    [
      'create table p9 (id int primary key, v int)',
      'create function p9f() returns trigger language plpgsql as $$ begin insert into p9log values (new.id); return new; end $$',
      'create table p9log (id int)',
      'create trigger t after insert on p9 for each row execute function p9f()',
      'alter table p9 enable always trigger t',
      'alter table p9 enable replica trigger t',
      'create rule r as on insert to p9 do also insert into p9log values (0)',
      'alter table p9 enable always rule r',
    ],
    ['insert into p9 values (1, 1)'],
  ],
  [
    'json beside a secondary unique',
    ['create table p10 (id int primary key, u int unique, j json)', `insert into p10 values (1, 1, '{}')`],
    [`update p10 set j = '[]'`, `update p10 set u = 2`, 'delete from p10'],
  ],
  [
    'json without a key, rows that look alike',
    ['create table p11 (a int, j json)', `insert into p11 select 1, '{"a":1}' from generate_series(1, 3)`],
    [
      `update p11 set j = '[1]' where ctid = (select min(ctid) from p11)`,
      'delete from p11 where ctid = (select max(ctid) from p11)',
    ],
  ],
  [
    'a table without columns, a row without values',
    ['create table p12 ()', 'create table p12b (g int generated always as (1) stored)'],
    ['insert into p12 default values', 'insert into p12b default values', 'delete from p12'],
  ],
  [
    'dropped columns and defaults that were not there',
    [
      'create table p13 (a int, b int, c int primary key)',
      'alter table p13 drop column b',
      'alter table p13 add column d int default 5',
    ],
    ['insert into p13 (c) values (1)', 'update p13 set d = 6'],
  ],
  [
    'names that need quotes',
    [
      'create schema "Odd ""schema"',
      `create table "Odd ""schema"."t'a b" ("Id" int primary key, "select" text, "é" int)`,
    ],
    [`insert into "Odd ""schema"."t'a b" values (1, 'x', 2)`, `update "Odd ""schema"."t'a b" set "select" = 'y'`],
  ],
  [
    'values with every oddity',
    [`create table p15 (id int primary key, t text, b bytea, a text[], f float8, c "char", n numeric, i interval)`],
    [
      `insert into p15 values (1, E'\\\\N\\t\\n\\r\\b', '\\x0001ff', array['NULL', null, '', '{"x"}'], 'NaN', '\\200', 'Infinity', '-1 year 3 days -04:05:06.7')`,
      `update p15 set t = repeat('é', 100000)`,
      'update p15 set f = -f',
    ],
  ],
  [
    'TOAST that is not touched',
    [
      'create table p16 (id int primary key, big text, v int, u int unique)',
      'alter table p16 alter big set storage external',
      `insert into p16 values (1, repeat('x', 100000), 0, 1)`,
    ],
    ['update p16 set v = 1', 'update p16 set u = 2', 'update p16 set id = 5', 'delete from p16'],
  ],
  [
    'an update that moves a row between partitions',
    [
      'create table p17 (id int, part int, j json, primary key (id, part)) partition by list (part)',
      'create table p17_1 partition of p17 for values in (1)',
      'create table p17_2 partition of p17 for values in (2)',
      `insert into p17 values (1, 1, '{}')`,
    ],
    ['update p17 set part = 2'],
  ],
  [
    'a unique value swapped in one statement',
    ['create table p18 (id int primary key, u int unique deferrable)', 'insert into p18 values (1, 1), (2, 2)'],
    ['update p18 set u = 3 - u'],
  ],
  [
    'a primary key shifted in one statement',
    ['create table p19 (id int primary key)', 'insert into p19 select generate_series(1, 100)'],
    ['update p19 set id = id + 100', 'update p19 set id = -id'],
  ],
  [
    'a function whose body names a temporary table',
    [],
    [
      'create temp table p25 (id int)',
      `create function p25_count() returns bigint language sql as 'select count(*) from p25'`,
      `create function p25_of(p25) returns int language sql as 'select 1'`,
      'create table p25_like (like p25)',
      'create temp sequence p25_seq',
      `create table p25_default (id int primary key, v int default nextval('p25_seq'))`,
    ],
  ],
  [
    'a table without a key, made, filled, updated and deleted from in one transaction',
    [],
    [
      'begin',
      'create table p26 (s text)',
      `insert into p26 values ('a'), ('b'), ('c')`,
      `update p26 set s = 'd' where s = 'a'`,
      `delete from p26 where s = 'b'`,
      'commit',
    ],
  ],
  [
    'functions that change the role, which no SECURITY DEFINER function may',
    ['create role p29'],
    [
      'create function p29_f() returns text language sql set role = p29 as $$ select current_user $$',
      'create function p29_g() returns text language sql as $$ select current_user $$',
      'alter function p29_g() set role = p29',
    ],
  ],
  [
    'a role that drops all it owns',
    ['create role p30', 'create schema p30 authorization p30'],
    [
      'set role p30',
      'create table p30.t (id int primary key)',
      'insert into p30.t values (1)',
      'drop owned by p30',
      'reset role',
    ],
  ],
  [
    'values that no server reads: copies of system catalogs',
    ['create table p27 as select * from pg_attrdef', 'create table p27_rows as select d from pg_attrdef d'],
    [
      'create table p27_made (id int primary key, tree pg_node_tree)',
      'select * into p27_into from pg_statistic_ext_data',
    ],
  ],
]

test('no record stops a node: refused at home or applied everywhere (RULES 8)', { skip }, async (context) => {
  for (const [name, setUp, use] of poison) {
    await context.test(name, async (inner) => {
      const seen: string[] = []
      await bench.withClient(1, async (client) => {
        for (const statement of setUp) seen.push(await outcomeOf(client.query(statement)))
      })
      await assertAllEqual(bench.cluster(), 20_000)
      await bench.withClient(2, async (client) => {
        for (const statement of use) seen.push(await outcomeOf(client.query(statement)))
      })
      inner.diagnostic(seen.join(' '))
      await assertAllEqual(bench.cluster(), 20_000)
    })
  }
  await assertSameCatalogs(bench.cluster())
})
