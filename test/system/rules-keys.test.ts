/** RULES 6: certification keys are complete and as coarse as the index's equality: never two winners, never a stuck node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { assertOneWon, overlap, useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

interface Case {
  readonly name: string
  readonly setUp: readonly string[]
  readonly left: string
  readonly right: string
  /** By default exactly one may win; `both`: neither may fail. `any`: all is well that ends equal. */
  readonly wins?: 'both' | 'any'
  /** [query, answer] that must hold everywhere afterwards. */
  readonly then?: readonly [query: string, answer: string]
}

const cases: readonly Case[] = [
  {
    name: 'a secondary unique value given up and taken back differently',
    setUp: ['create table k1 (id int primary key, slot int unique)', 'insert into k1 values (1, 1), (2, 2)'],
    left: 'update k1 set slot = 3 where id = 1',
    right: 'update k1 set slot = 3 where id = 2',
  },
  {
    name: 'swap through a unique value that only the old row held',
    setUp: ['create table k2 (id int primary key, slot int unique)', 'insert into k2 values (1, 1)'],
    left: 'delete from k2 where slot = 1',
    right: 'update k2 set slot = 5 where id = 1',
  },
  {
    name: 'no primary key: the same row deleted and updated',
    setUp: ['create table k3 (a int, b text)', `insert into k3 values (1, 'x'), (2, 'y')`],
    left: 'delete from k3 where a = 1',
    right: `update k3 set b = 'z' where a = 1`,
  },
  {
    name: 'no primary key, identical rows: each node deletes one of two',
    setUp: ['create table k4 (a int)', 'insert into k4 values (1), (1), (1)'],
    left: 'delete from k4 where ctid = (select min(ctid) from k4)',
    right: 'delete from k4 where ctid = (select max(ctid) from k4)',
    wins: 'any',
  },
  {
    name: 'no primary key: equal rows inserted',
    setUp: ['create table k5 (a int)'],
    left: 'insert into k5 values (1)',
    right: 'insert into k5 values (1)',
    wins: 'both',
    then: ['select count(*) from k5', '2'],
  },
  {
    name: 'DEFERRABLE INITIALLY DEFERRED unique',
    setUp: ['create table k6 (id int primary key, u int unique deferrable initially deferred)'],
    left: 'insert into k6 values (1, 7)',
    right: 'insert into k6 values (2, 7)',
    then: ['select count(*) from k6', '1'],
  },
  {
    name: 'DEFERRABLE primary key',
    setUp: ['create table k7 (id int primary key deferrable, v int)', 'insert into k7 values (1, 1), (2, 2)'],
    left: 'update k7 set id = id + 10',
    right: 'update k7 set v = 5 where id = 1',
  },
  {
    name: 'exclusion constraint',
    setUp: ['create table k8 (id int primary key, r int4range, exclude using gist (r with &&))'],
    left: `insert into k8 values (1, '[1,10)')`,
    right: `insert into k8 values (2, '[5,6)')`,
    then: ['select count(*) from k8', '1'],
  },
  {
    name: 'WITHOUT OVERLAPS',
    setUp: [
      'create extension if not exists btree_gist',
      'create table k9 (room int, during int4range, primary key (room, during without overlaps))',
    ],
    left: `insert into k9 values (1, '[1,10)')`,
    right: `insert into k9 values (1, '[9,12)')`,
    then: ['select count(*) from k9', '1'],
  },
  {
    name: 'foreign key to a partitioned table, its leaf written',
    setUp: [
      'create table k10 (id int primary key) partition by range (id)',
      'create table k10_a partition of k10 for values from (0) to (100)',
      'create table k10_child (id int primary key, p int references k10)',
      'insert into k10 values (1)',
    ],
    left: 'insert into k10_child values (1, 1)',
    right: 'delete from k10_a where id = 1',
    then: ['select count(*) from k10_child c where not exists (select from k10 where id = c.p)', '0'],
  },
  {
    name: 'child in a partitioned table, parent deleted',
    setUp: [
      'create table k11 (id int primary key)',
      'create table k11_child (id int, p int references k11, primary key (id)) partition by hash (id)',
      'create table k11_c0 partition of k11_child for values with (modulus 2, remainder 0)',
      'create table k11_c1 partition of k11_child for values with (modulus 2, remainder 1)',
      'insert into k11 values (1)',
    ],
    left: 'insert into k11_child values (1, 1)',
    right: 'delete from k11',
    then: ['select count(*) from k11_child c where not exists (select from k11 where id = c.p)', '0'],
  },
  {
    name: 'unique across partitions, one insert through the root, one through the leaf',
    setUp: [
      'create table k12 (a int, b int, unique (a, b)) partition by list (a)',
      'create table k12_1 partition of k12 for values in (1)',
    ],
    left: 'insert into k12 values (1, 5)',
    right: 'insert into k12_1 values (1, 5)',
  },
  {
    name: "a leaf's own unique index",
    setUp: [
      'create table k13 (a int, b int) partition by list (a)',
      'create table k13_1 partition of k13 for values in (1)',
      'create unique index on k13_1 (b)',
    ],
    left: 'insert into k13 values (1, 5)',
    right: 'insert into k13 values (1, 5)',
  },
  {
    name: 'unique index on an expression',
    setUp: ['create table k14 (id int primary key, mail text)', 'create unique index on k14 (lower(mail))'],
    left: `insert into k14 values (1, 'A@x')`,
    right: `insert into k14 values (2, 'a@X')`,
  },
  {
    name: 'NULLS NOT DISTINCT',
    setUp: ['create table k15 (id int primary key, u int, unique nulls not distinct (u))'],
    left: 'insert into k15 values (1, null)',
    right: 'insert into k15 values (2, null)',
  },
  {
    name: 'NULLs are distinct otherwise',
    setUp: ['create table k16 (id int primary key, u int unique)'],
    left: 'insert into k16 values (1, null)',
    right: 'insert into k16 values (2, null)',
    wins: 'both',
  },
  {
    name: 'partial unique index: a row moves into it',
    setUp: [
      'create table k17 (id int primary key, mail text, active bool)',
      'create unique index on k17 (mail) where active',
      `insert into k17 values (1, 'm', false), (2, 'm', false)`,
    ],
    left: 'update k17 set active = true where id = 1',
    right: 'update k17 set active = true where id = 2',
  },
  {
    name: 'unique with INCLUDE',
    setUp: ['create table k18 (id int primary key, u int, x int, unique (u) include (x))'],
    left: 'insert into k18 values (1, 1, 10)',
    right: 'insert into k18 values (2, 1, 20)',
  },
  {
    name: 'ON UPDATE CASCADE against a new child',
    setUp: [
      'create table k19 (id int primary key)',
      'create table k19_child (id int primary key, p int references k19 on update cascade)',
      'insert into k19 values (1)',
    ],
    left: 'update k19 set id = 2 where id = 1',
    right: 'insert into k19_child values (1, 1)',
    then: ['select count(*) from k19_child c where not exists (select from k19 where id = c.p)', '0'],
  },
  {
    name: 'a referenced unique value that is not the primary key',
    setUp: [
      'create table k20 (id int primary key, code text unique)',
      'create table k20_child (id int primary key, code text references k20 (code))',
      `insert into k20 values (1, 'a')`,
    ],
    left: `insert into k20_child values (1, 'a')`,
    right: `update k20 set code = 'b' where id = 1`,
    then: ['select count(*) from k20_child c where not exists (select from k20 where code = c.code)', '0'],
  },
  {
    name: 'composite foreign key, column order unlike the index',
    setUp: [
      'create table k21 (a int, b int, primary key (a, b))',
      'create table k21_child (id int primary key, x int, y int, foreign key (y, x) references k21 (b, a))',
      'insert into k21 values (1, 2)',
    ],
    left: 'insert into k21_child values (1, 1, 2)',
    right: 'delete from k21',
    then: ['select count(*) from k21_child c where not exists (select from k21 where a = c.x and b = c.y)', '0'],
  },
  {
    name: 'foreign key across types: int4 child, numeric parent',
    setUp: [
      'create table k22 (id numeric primary key)',
      'create table k22_child (id int primary key, p int references k22)',
      'insert into k22 values (1.00)',
    ],
    left: 'insert into k22_child values (1, 1)',
    right: 'delete from k22',
    then: ['select count(*) from k22_child c where not exists (select from k22 where id = c.p)', '0'],
  },
  {
    name: 'self-referencing foreign key',
    setUp: ['create table k23 (id int primary key, up int references k23)', 'insert into k23 values (1, null)'],
    left: 'insert into k23 values (2, 1)',
    right: 'delete from k23 where id = 1',
  },
  {
    name: 'a generated column in a unique index',
    setUp: ['create table k24 (id int primary key, a int, g int generated always as (a / 10) stored unique)'],
    left: 'insert into k24 (id, a) values (1, 11)',
    right: 'insert into k24 (id, a) values (2, 12)',
  },
  {
    name: 'json without a primary key: updated and deleted',
    setUp: ['create table k25 (a int, j json)', `insert into k25 values (1, '{"a":1}'), (1, '{"a": 1}'), (2, '{}')`],
    left: `update k25 set j = '[]' where a = 1`,
    right: 'delete from k25 where a = 2',
    wins: 'any',
  },
  {
    name: 'json beside a secondary unique column',
    setUp: [
      'create table k26 (id int primary key, u int unique, j json, p point, x xml)',
      `insert into k26 values (1, 1, '{}', '(1,2)', '<a/>'), (2, 2, '{}', '(1,2)', '<a/>')`,
    ],
    left: `update k26 set j = '[1]', u = 11 where id = 1`,
    right: `update k26 set j = '[2]', p = '(3,4)' where id = 2`,
    wins: 'any',
  },
  {
    name: 'inheritance: rows of a child table without a key of its own',
    setUp: [
      'create table k27 (id int primary key, v int)',
      'create table k27_child () inherits (k27)',
      'insert into k27_child values (1, 1)',
    ],
    left: 'update k27 set v = 2 where id = 1',
    right: 'update k27 set v = 3 where id = 1',
  },
  {
    name: 'a primary key changed onto one inserted elsewhere',
    setUp: ['create table k28 (id int primary key)', 'insert into k28 values (1)'],
    left: 'update k28 set id = 2',
    right: 'insert into k28 values (2)',
  },
  {
    name: 'TRUNCATE of a table written elsewhere',
    setUp: ['create table k29 (id int primary key)', 'insert into k29 values (1)'],
    left: 'truncate k29',
    right: 'insert into k29 values (2)',
    wins: 'any',
  },
  {
    name: 'TRUNCATE CASCADE against a child of a child',
    setUp: [
      'create table k30 (id int primary key)',
      'create table k30_a (id int primary key references k30)',
      'insert into k30 values (1), (2)',
      'insert into k30_a values (1)',
    ],
    left: 'truncate k30 cascade',
    right: 'insert into k30_a values (2)',
    then: ['select count(*) from k30_a a where not exists (select from k30 where id = a.id)', '0'],
    wins: 'any',
  },
  {
    name: 'a cascade that deletes children written elsewhere',
    setUp: [
      'create table k31 (id int primary key)',
      'create table k31_child (id int primary key, p int references k31 on delete cascade, v int)',
      'insert into k31 values (1)',
      'insert into k31_child values (1, 1, 0)',
    ],
    left: 'delete from k31',
    right: 'update k31_child set v = 1 where id = 1',
  },
  {
    name: 'two rows of one unique value under a savepoint that was released',
    setUp: ['create table k32 (id int primary key, u int unique)'],
    left: `do $$ begin begin insert into k32 values (1, 1); exception when others then null; end; end $$`,
    right: `do $$ begin begin insert into k32 values (2, 1); exception when others then null; end; end $$`,
  },
  {
    name: 'a row taken back by a savepoint is no conflict',
    setUp: ['create table k33 (id int primary key)'],
    left: `do $$ begin begin insert into k33 values (1); raise 'back'; exception when others then null; end; insert into k33 values (2); end $$`,
    right: 'insert into k33 values (1)',
    wins: 'any',
    then: ['select count(*) from k33', '2'],
  },
]

/** Values that are equal although their texts differ, as [type, one, other]. Both nodes insert them as primary key. */
const equals: readonly (readonly [type: string, one: string, other: string])[] = [
  ['numeric', '1.0', '1.00'],
  ['numeric', '0', '-0.000'],
  ['float8', '0', '-0'],
  ['float4', 'NaN', 'nan'],
  ['interval', '1 day', '24:00:00'],
  ['interval', '1 mon', '30 days'],
  ['char(5)', 'a', 'a  '],
  ['jsonb', '{"a":1,"b":2.0}', '{"b":2,"a":1.00}'],
  ['numeric[]', '{1.0}', '{1.00}'],
  ['numrange', '[1.0,2)', '[1,2.0)'],
  ['int4range', '[1,5)', '[1,4]'],
  ['timestamptz', '2026-01-01 00:00+00', '2026-01-01 02:00+02'],
  ['citext', 'Mail', 'MAIL'],
  ['text collate ci', 'Mail', 'MAIL'],
  ['amount', '1.0', '1.00'],
  ['pair', '(1,1.0)', '(1,1.00)'],
  ['inet', '10.0.0.1', '10.0.0.1/32'],
  ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'],
  ['tsvector', 'a b', 'b a'],
  ['money', '$1,000.00', '1000'],
]

/** Sets all cases up at once, overlaps each, compares the nodes once: a case that stops a node fails the last step. */
const runCases = async (context: TestContext, all: readonly Case[]): Promise<void> => {
  await bench.setUp(...all.flatMap(({ setUp }) => setUp))
  const [left, right] = [await bench.on(1), await bench.on(2)]
  for (const each of all) {
    await context.test(each.name, async (inner) => {
      const outcome = await overlap(left, each.left, right, each.right)
      inner.diagnostic(outcome.join(' and '))
      if (each.wins === 'both') assert.deepEqual(outcome, ['commit', 'commit'])
      else if (each.wins === undefined) assertOneWon(outcome, each.name)
    })
  }
  await assertAllEqual(bench.cluster())
  for (const { name, then } of all) if (then) assert.equal(await bench.everywhere(then[0]), then[1], name)
}

test(
  'overlapping transactions at two nodes: never two winners, whatever protects the rows (RULES 6)',
  { skip },
  (context) => runCases(context, cases),
)

test(
  'values that are equal for the index conflict although their texts differ (RULES 6)',
  { skip },
  async (context) => {
    await bench.setUp(
      'create extension if not exists citext',
      `create collation if not exists ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      'create domain amount as numeric',
      'create type pair as (a int, b numeric)',
    )
    const inserts = equals.map(([type, one, other], index) => ({
      name: `${type}: ${one} = ${other}`,
      setUp: [`create table e${index} (v ${type} primary key)`],
      left: `insert into e${index} values ('${one}')`,
      right: `insert into e${index} values ('${other}')`,
      then: [`select count(*) from e${index}`, '1'] as const,
    }))
    await runCases(context, inserts)
  },
)

test('settings that change how values are written do not change keys (RULES 6)', { skip }, async () => {
  await bench.setUp('create table written (at timestamptz primary key, f float8, i interval, d date unique, b bytea)')
  const [left, right] = [await bench.on(1), await bench.on(2)]
  const settings = `set datestyle = 'German'; set timezone = 'Asia/Tokyo'; set intervalstyle = 'iso_8601'; set extra_float_digits = -10; set bytea_output = 'escape'`
  await left.query(settings)
  const row = `insert into written values (timestamptz 'epoch', pi(), interval '36:00', date '1970-02-01', '\\x00ff')`
  const outcome = await overlap(left, row, right, row)
  assertOneWon(outcome, 'the same row')
  await left.query('reset all')
  await left.query(settings)
  assert.equal(await outcomeOf(left.query('update written set f = f + 1')), 'ok')
  await assertAllEqual(bench.cluster())
  assert.equal(await bench.everywhere('select f = pi() + 1 from written'), 'true', 'no digit of a float is lost')
  await left.query('reset all')
})

test(
  'REPLICA IDENTITY can not be weakened by a user: the next UPDATE still protects and travels (RULES 6)',
  { skip },
  async (context) => {
    for (const identity of ['nothing', 'default', 'using index weak_u_key']) {
      await context.test(identity, async () => {
        await bench.setUp(
          'drop table if exists weak',
          'create table weak (id int primary key, u int not null unique, v int)',
          'insert into weak values (1, 1, 0), (2, 2, 0)',
        )
        const [left, right] = [await bench.on(1), await bench.on(2)]
        const code = await outcomeOf(left.query(`alter table weak replica identity ${identity}`))
        context.diagnostic(`${identity}: ${code}`)
        await assertAllEqual(bench.cluster())
        const outcome = await overlap(
          left,
          'update weak set u = 3 where id = 1',
          right,
          'update weak set u = 3 where id = 2',
        )
        await assertAllEqual(bench.cluster())
        assertOneWon(outcome, identity)
      })
    }
  },
)

test(
  'a unique index made at one node while another inserts duplicates: never an index that lies (RULES 6, 7)',
  { skip },
  async () => {
    await bench.setUp('create table late (id int primary key, u int)', 'insert into late values (1, 1)')
    const [left, right] = [await bench.on(1), await bench.on(2)]
    const outcome = await overlap(
      left,
      'create unique index late_u on late (u)',
      right,
      'insert into late values (2, 1)',
    )
    assert(outcome.includes('commit'), outcome.join(' and '))
    await assertAllEqual(bench.cluster())
    await assertSameCatalogs(bench.cluster())
    const made = await bench.everywhere(`select to_regclass('late_u') is not null`)
    assert.equal(await bench.everywhere('select count(*) from late'), made === 'true' ? '1' : '2')
  },
)
