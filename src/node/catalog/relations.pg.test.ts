import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import {
  ensureOwned,
  initDatabase,
  locateBinaries,
  runtimeDir,
  serverIdentity,
  startPostgres,
} from '../../postgres/index.ts'
import type { PostgresServer } from '../../postgres/index.ts'
import { canonical } from '../capture/canonical.ts'
import { loadRelations } from './relations.ts'
import type { Relation, RelationCatalog, UniqueIndex } from './relations.ts'

const password = 'not a secret'
const folder = mkdtempSync(join(tmpdir(), 'relations-'))
const runtime = runtimeDir(folder)
let server: PostgresServer | undefined
let client: Client

before(async () => {
  const binaries = await locateBinaries()
  ensureOwned(folder, serverIdentity())
  const dataDir = join(folder, 'data')
  await initDatabase({ binaries, dataDir, password, fsync: false })
  const settings = { fsync: 'off', max_connections: '10' }
  server = await startPostgres({
    binaries,
    dataDir,
    socketDir: runtime,
    port: 5432,
    settings,
    logFile: join(folder, 'log'),
  })
  client = new Client({ host: runtime, port: 5432, user: 'allwrite', password, database: 'postgres' })
  await client.connect()
  await client.query(schema)
})

after(async () => {
  await client?.end()
  await server?.stop('immediate')
  rmSync(folder, { recursive: true, force: true })
  rmSync(runtime, { recursive: true, force: true })
})

const schema = `
  create extension citext;
  create extension btree_gist;
  create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  create type color as enum ('red', 'green');
  create domain positive as int check (value > 0);
  create domain more_positive as positive;
  create domain tag as citext;
  create table parent (id int primary key, code text not null unique, born date);
  create table child (
    id bigserial primary key, parent more_positive references parent, code varchar(20) references parent (code) match full,
    twice int generated always as (parent * 2) stored unique, c color unique, t tag unique, deferred int unique deferrable,
    folded text collate nocase unique, nn int unique nulls not distinct);
  create unique index child_partial on child (code) include (id) where c = 'red';
  create unique index child_lower on child (lower(code));
  create table room (id int, during tstzrange, exclude using gist (id with =, during with &&));
  create table period (id int, during tstzrange, primary key (id, during without overlaps));
  create table part (id int, region text, a int references parent, primary key (region, id)) partition by list (region);
  create table part_eu partition of part for values in ('eu') partition by range (id);
  create table part_eu_1 (region text not null, a int, id int not null);
  alter table part_eu attach partition part_eu_1 for values from (1) to (1000);
  create table part_ref (x int, r text, foreign key (x, r) references part (id, region));
  create table bare (j json);
  create table idx (a int not null, b int not null unique);
  alter table idx replica identity using index idx_b_key;
  alter table bare replica identity full;
  create temp table hidden (id int primary key);
`

const load = (): Promise<RelationCatalog> => loadRelations(async (sql) => (await client.query<object>(sql)).rows)
const find = (catalog: RelationCatalog, name: string): Relation => {
  const relation = catalog.find('public', name)
  assert.ok(relation, name)
  return relation
}
const indexNamed = (relation: Relation, name: string): UniqueIndex => {
  const index = relation.indexes.find((one) => one.name === name)
  assert.ok(index, name)
  return index
}

test('lists ordinary and partitioned tables, no temporary ones and none of the system', async () => {
  const names = (await load()).relations.map(({ schema, name }) => `${schema}.${name}`)
  assert.deepEqual(
    names,
    ['bare', 'child', 'idx', 'parent', 'part', 'part_eu', 'part_eu_1', 'part_ref', 'period', 'room'].map(
      (n) => `public.${n}`,
    ),
  )
})

test('knows of each unique index what certification needs', async () => {
  const child = find(await load(), 'child')
  const coarse = child.indexes.filter((index) => index.coarse).map(({ name }) => name)
  // Expression, nondeterministic collation, domain over citext, generated column.
  assert.deepEqual(coarse.sort(), ['child_folded_key', 'child_lower', 'child_t_key', 'child_twice_key'])
  assert.ok(indexNamed(child, 'child_pkey').primary)
  assert.deepEqual(indexNamed(child, 'child_partial').columns, ['code'], 'INCLUDE columns are no key')
  assert.ok(indexNamed(child, 'child_partial').partial)
  assert.equal(indexNamed(child, 'child_lower').columns, undefined)
  assert.ok(indexNamed(child, 'child_deferred_key').deferrable)
  assert.ok(indexNamed(child, 'child_nn_key').nullsNotDistinct)
  assert.equal(indexNamed(child, 'child_c_key').equalities[0]!.family, 'enum public.color')
  // As RelationGetIndexAttrBitmap has it: not partial, no expressions, no INCLUDE.
  assert.deepEqual([...child.keyColumns].sort(), ['c', 'deferred', 'folded', 'id', 'nn', 't', 'twice'])
})

test('foreign keys name the referenced index, through domains and types of one family', async () => {
  const catalog = await load()
  const keys = find(catalog, 'child').foreignKeys.map(({ columns, table, index }) => [columns, table.name, index.name])
  assert.deepEqual(keys, [
    [['code'], 'parent', 'parent_code_key'],
    [['parent'], 'parent', 'parent_pkey'],
  ])
  assert.ok(find(catalog, 'parent').indexes.every((index) => !index.coarse))
})

test('partitions share the identity of the topmost table and index, and references to them name it once', async () => {
  const catalog = await load()
  for (const name of ['part', 'part_eu', 'part_eu_1']) {
    const relation = find(catalog, name)
    assert.deepEqual(relation.root, { schema: 'public', name: 'part' })
    assert.deepEqual(
      relation.indexes.map((index) => [index.name, index.columns]),
      [['part_pkey', ['region', 'id']]],
    )
    assert.deepEqual(
      relation.foreignKeys.map(({ index }) => index.name),
      ['parent_pkey'],
    )
  }
  assert.deepEqual(
    find(catalog, 'part_eu_1').columns.map(({ name }) => name),
    ['region', 'a', 'id'],
  )
  const [reference, ...others] = find(catalog, 'part_ref').foreignKeys
  assert.deepEqual(others, [])
  assert.deepEqual(
    [reference!.table.name, reference!.index.name, reference!.columns],
    ['part', 'part_pkey', ['r', 'x']],
  )
})

test('exclusion and temporal constraints are coarse', async () => {
  const catalog = await load()
  assert.deepEqual(
    find(catalog, 'room').indexes.map(({ coarse, columns }) => ({ coarse, columns })),
    [{ coarse: true, columns: ['id', 'during'] }],
  )
  assert.ok(find(catalog, 'period').indexes[0]!.coarse)
})

test('knows the replica identity', async () => {
  const catalog = await load()
  assert.equal(find(catalog, 'parent').replicaIdentity, 'default')
  assert.equal(find(catalog, 'bare').replicaIdentity, 'full')
  assert.deepEqual([find(catalog, 'idx').replicaIdentity, find(catalog, 'idx').identityColumns], ['index', ['b']])
})

test('a computed equality agrees with the server: same bytes exactly where the values are equal', async () => {
  const samples: Readonly<Record<string, readonly string[]>> = {
    numeric: [
      '1',
      '1.0',
      '1.00',
      '10',
      '-1.50',
      '-1.5',
      '0',
      '0.000',
      'NaN',
      'Infinity',
      '1e3',
      '1000',
      '0.0010',
      '0.001',
    ],
    float8: ['0', '-0', '1e300', '0.1', '0.10000000000000001', 'NaN', '-Infinity', '1e-320'],
    float4: ['0', '-0', '0.1', '0.10000000149', '16777217', '16777216'],
    'char(5)': ['a', 'a  ', ' a', '', '  ', 'b'],
    text: ['a', 'a ', '', 'é', 'e\u0301'],
    jsonb: [
      '1',
      '1.0',
      '{"a":1.0,"b":"1.0"}',
      '{"b":"1.0","a":1}',
      '{"a":1,"b":"1.00"}',
      '[1]',
      '"1.0"',
      '"1"',
      '-0.0',
      '0',
      '1e2',
      '100.0',
    ],
    bytea: ['\\x00', '\\x0000', '', '\\x41', 'A'],
    uuid: [
      'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
      '{a0eebc999c0b4ef8bb6d6bb9bd380a11}',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12',
    ],
    timestamptz: [
      '2024-01-01 12:00+02',
      '2024-01-01 10:00+00',
      'infinity',
      '2024-01-01 10:00:00.000001+00',
      '0001-01-01 BC',
    ],
    timetz: ['12:00+02', '10:00+00', '24:00+00', '00:00+00'],
    inet: ['10.0.0.1', '10.0.0.1/32', '10.0.0.1/24', '::1', '0:0:0:0:0:0:0:1', '::ffff:10.0.0.1'],
    cidr: ['10.0.0.0/8', '10/8', '10.0.0.0/9'],
    macaddr: ['08:00:2b:01:02:03', '08002b010203', '08:00:2b:01:02:04'],
    varbit: ['101', '1010', '', '0101'],
    bool: ['t', 'true', 'f', 'off'],
    color: ['red', 'green'],
  }
  await client.query(
    `set datestyle = 'ISO'; set timezone = 'UTC'; set extra_float_digits = 3; set bytea_output = 'hex'`,
  )
  for (const [type, texts] of Object.entries(samples)) {
    await client.query(`create table sample (v ${type}, unique (v))`)
    try {
      const equality = find(await load(), 'sample').indexes[0]!.equalities[0]!
      assert.notEqual(equality.form, 'none', type)
      const { rows } = await client.query<{ a: string; b: string; equal: boolean }>(
        // format() calls the type's output function, as pgoutput does; a cast of char(n) to text would strip its blanks.
        `select format('%s', a::${type}) as a, format('%s', b::${type}) as b, a::${type} = b::${type} as equal
         from unnest($1::text[]) a, unnest($1::text[]) b`,
        [texts],
      )
      for (const { a, b, equal } of rows) {
        const same =
          Buffer.compare(canonical(equality.form, Buffer.from(a)), canonical(equality.form, Buffer.from(b))) === 0
        assert.equal(same, equal, `${type}: ${a} and ${b}`)
      }
    } finally {
      await client.query('drop table sample')
    }
  }
})
