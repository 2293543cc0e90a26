import assert from 'node:assert/strict'
import test from 'node:test'
import { createCertifier } from '../../core/certifier.ts'
import { incarnation, nodeId, position, xid } from '../../core/ids.ts'
import { keyBytes, KeyFlag, LockMode } from '../../core/writeset.ts'
import type { Relation as StreamRelation, RowChange, Value } from '../../wire/pgoutput/messages.ts'
import { buildCatalog } from '../catalog/relations.ts'
import type { RawCatalog, RelationCatalog } from '../catalog/relations.ts'
import { rowKeysMax } from './key-set.ts'
import { createKeyExtractor, keyAt } from './keys.ts'
import type { RecordKeys } from './keys.ts'

/** `id int4` → a column; the tables of these tests are declared in one line each. */
interface TableSpec {
  readonly columns: string
  readonly indexes?: readonly IndexSpec[]
  readonly references?: readonly { columns: string; table: string; index: string; to: string }[]
  readonly root?: string
}
interface IndexSpec {
  readonly name: string
  readonly on: string
  readonly primary?: boolean
  readonly partial?: boolean
  readonly expressions?: boolean
  readonly exclusion?: boolean
  readonly deferrable?: boolean
  readonly nullsNotDistinct?: boolean
}

const words = (text: string): string[] => text.split(', ').filter((word) => word !== '')

const catalogOf = (tables: Readonly<Record<string, TableSpec>>): RelationCatalog => {
  const names = Object.keys(tables)
  const indexOids = new Map<string, number>()
  let oid = 1000
  const indexes: RawCatalog['indexes'][number][] = []
  names.forEach((table, relation) => {
    for (const index of tables[table]!.indexes ?? []) {
      indexOids.set(index.name, ++oid)
      indexes.push({
        relation,
        oid,
        rootOid: oid,
        schema: 'public',
        name: index.name,
        primary: index.primary ?? false,
        unique: index.exclusion !== true,
        exclusion: index.exclusion ?? false,
        btree: index.exclusion !== true,
        expressions: index.expressions ?? false,
        partial: index.partial ?? false,
        immediate: index.deferrable !== true,
        nullsNotDistinct: index.nullsNotDistinct ?? false,
        identity: false,
        columns: words(index.on).map((name) => ({ name, deterministic: true, builtin: true })),
      })
    }
  })
  return buildCatalog({
    relations: names.map((name, relation) => ({
      oid: relation,
      schema: 'public',
      name,
      rootSchema: 'public',
      rootName: tables[name]!.root ?? name,
      partitioned: false,
      identity: 'f',
      columns: words(tables[name]!.columns).map((column) => {
        const [columnName = '', typeName = ''] = column.split(' ')
        const schema = typeName === 'citext' ? 'public' : 'pg_catalog'
        return { name: columnName, typeSchema: schema, typeName, isEnum: false, deterministic: true, generated: '' }
      }),
    })),
    indexes,
    foreignKeys: names.flatMap((name, relation) =>
      (tables[name]!.references ?? []).map((reference) => ({
        relation,
        name: `${name}_fkey`,
        index: indexOids.get(reference.index) ?? -1,
        tableSchema: 'public',
        tableName: reference.table,
        columns: words(reference.columns),
        referenced: words(reference.to),
      })),
    ),
  })
}

const catalog = catalogOf({
  account: {
    columns: 'id int8, email text, balance numeric',
    indexes: [
      { name: 'account_pkey', on: 'id', primary: true },
      { name: 'account_email_key', on: 'email' },
    ],
  },
  payment: {
    columns: 'id int4, account int4, memo text',
    indexes: [{ name: 'payment_pkey', on: 'id', primary: true }],
    references: [{ columns: 'account', table: 'account', index: 'account_pkey', to: 'id' }],
  },
  // Referenced by its second unique index.
  member: {
    columns: 'id int4, nick text',
    indexes: [
      { name: 'member_pkey', on: 'id', primary: true },
      { name: 'member_nick_key', on: 'nick' },
    ],
  },
  badge: {
    columns: 'nick text',
    references: [{ columns: 'nick', table: 'member', index: 'member_nick_key', to: 'nick' }],
  },
  log: { columns: 'line text, n numeric, doc json' },
  slug: { columns: 'id int4, slug citext', indexes: [{ name: 'slug_key', on: 'slug' }] },
  job: {
    columns: 'id int4, worker text, done bool',
    indexes: [
      { name: 'job_pkey', on: 'id', primary: true },
      { name: 'job_worker', on: 'worker', partial: true },
    ],
  },
  place: { columns: 'id int4, rank int4', indexes: [{ name: 'place_rank', on: 'rank', deferrable: true }] },
  one: { columns: 'id int4, tag text', indexes: [{ name: 'one_tag', on: 'tag', nullsNotDistinct: true }] },
  booking: {
    columns: 'id int4, room int4, during tstzrange',
    indexes: [
      { name: 'booking_pkey', on: 'id', primary: true },
      { name: 'booking_excl', on: 'room, during', exclusion: true },
    ],
  },
  pair: { columns: 'a text, b text', indexes: [{ name: 'pair_pkey', on: 'a, b', primary: true }] },
  part_1: { columns: 'id int4', root: 'part', indexes: [{ name: 'part_pkey', on: 'id', primary: true }] },
  part_2: { columns: 'id int4', root: 'part' },
})
const extractor = createKeyExtractor(catalog)

const streams = new Map<string, StreamRelation>()
/** The relation as the stream would define it. @param keys names of its replica identity; all by default (FULL) */
const stream = (name: string, keys?: string): StreamRelation => {
  const id = `${name} ${keys ?? ''}`
  const columns = catalog.find('public', name)?.columns ?? [{ name: 'x' }]
  const key = (column: string): boolean => keys === undefined || words(keys).includes(column)
  const made = streams.get(id) ?? {
    schema: 'public',
    name,
    identity: keys === undefined ? 'f' : 'd',
    columns: columns.map((column) => ({ name: column.name, key: key(column.name), typeOid: 0, typeModifier: -1 })),
  }
  streams.set(id, made)
  return made
}

type Cell = string | null | undefined
const tuple = (cells: readonly Cell[]): Value[] =>
  cells.map((cell) => (typeof cell === 'string' ? Buffer.from(cell) : cell))
type Feed = (keys: RecordKeys) => void
const change =
  (name: string, made: RowChange, keys?: string): Feed =>
  (record) =>
    record.row(stream(name, keys), made)
const insert = (name: string, ...cells: Cell[]): Feed =>
  change(name, { kind: 'insert', old: undefined, oldIsKey: false, new: tuple(cells) })
const remove = (name: string, ...cells: Cell[]): Feed =>
  change(name, { kind: 'delete', old: tuple(cells), oldIsKey: false, new: undefined })
const update = (name: string, old: readonly Cell[], cells: readonly Cell[]): Feed =>
  change(name, { kind: 'update', old: tuple(old), oldIsKey: false, new: tuple(cells) })
const both =
  (...feeds: Feed[]): Feed =>
  (record) =>
    feeds.forEach((feed) => feed(record))

const pack = (feed: Feed, schemaChange = false): Uint8Array => {
  const record = extractor.begin({ schemaChange })
  feed(record)
  return record.pack()
}

/**
 * Commits `first` at node 1 and judges `second` at node 2. `seen`: node 2 had applied the first between the second's
 * first lock and its end, so that only early-flagged keys still tell them apart.
 */
const judge = (first: Feed, second: Feed, options: { seen?: boolean; ddl?: 'first' | 'second' } = {}) => {
  const certifier = createCertifier()
  let at = 0
  const give = (node: number, keys?: Uint8Array, late = 2): ReturnType<typeof certifier.judge> => {
    const id = { node: nodeId(node), incarnation: incarnation(1), number: 0 }
    const changes = { kind: 'inline' as const, bytes: new Uint8Array(0) }
    const record = { xid: xid(1n), early: position(2), late: position(late), schemaChange: false, changes }
    at++
    return certifier.judge(
      position(at),
      keys ? { ...id, kind: 'group', records: [{ ...record, keys }] } : { ...id, kind: 'fence' },
    )
  }
  give(1)
  give(2)
  give(1, pack(first, options.ddl === 'first'))
  return give(2, pack(second, options.ddl === 'second'), options.seen === true ? 3 : 2)[0]!
}
const conflict = (...given: Parameters<typeof judge>): boolean => judge(...given).kind === 'abort'

const ann = ['1', 'ann@example.org', '10.00']
const bob = ['2', 'bob@example.org', '10.00']
const richAnn = ['1', 'ann@example.org', '99.00']

test('two updates of one row conflict, of two rows do not', () => {
  assert.ok(conflict(update('account', ann, richAnn), update('account', ann, ['1', 'ann@example.org', '5'])))
  assert.ok(!conflict(update('account', ann, richAnn), update('account', bob, ['2', 'bob@example.org', '5'])))
})

test('a write that was applied before the second transaction ended does not conflict: PostgreSQL ordered them (RULES 11)', () => {
  assert.ok(!conflict(update('account', ann, richAnn), update('account', richAnn, ann), { seen: true }))
})

test('rows that claim one value of a secondary unique index conflict, by insert, update or delete', () => {
  const claims = [
    insert('account', '7', 'x@example.org', '0'),
    update('account', ann, ['1', 'x@example.org', '10.00']),
    update('account', ['3', 'x@example.org', '0'], ['3', 'free@example.org', '0']),
    remove('account', '8', 'x@example.org', '0'),
  ]
  for (const first of claims) {
    for (const second of [
      insert('account', '9', 'x@example.org', '0'),
      update('account', bob, ['2', 'x@example.org', '1']),
    ]) {
      assert.ok(conflict(first, second))
    }
  }
})

test('an update of no key column is NO KEY UPDATE, of a key column UPDATE', () => {
  assert.deepEqual(modes(update('account', ann, richAnn), 'account'), ['noKeyUpdate'])
  assert.deepEqual(modes(update('account', ann, ['1', 'new@example.org', '1']), 'account'), [
    'update',
    'update',
    'update',
  ])
})

test('a child and the deletion of its parent conflict either way, even when one was applied before the other ended', () => {
  const child = insert('payment', '5', '1', 'rent')
  assert.ok(conflict(child, remove('account', ...ann)))
  assert.ok(conflict(remove('account', ...ann), child))
  assert.ok(conflict(child, remove('account', ...ann), { seen: true }))
})

test('a child and an update of its parent do not conflict; nor do two children', () => {
  const child = insert('payment', '5', '1', 'rent')
  assert.ok(!conflict(child, update('account', ann, richAnn)))
  assert.ok(!conflict(update('account', ann, richAnn), child))
  assert.ok(!conflict(child, insert('payment', '6', '1', 'rent')))
})

test('a reference is a key only where it is set: not when NULL, not when an update leaves it', () => {
  assert.ok(!conflict(insert('payment', '5', null, 'rent'), remove('account', ...ann)))
  assert.ok(!conflict(update('payment', ['5', '1', 'a'], ['5', '1', 'b']), remove('account', ...ann)))
  assert.ok(conflict(update('payment', ['5', '2', 'a'], ['5', '1', 'a']), remove('account', ...ann)))
})

test('a row that is updated and referenced in one record stays judged by its late position (RULES 11)', () => {
  const payment = both(update('account', ann, richAnn), insert('payment', '5', '1', 'rent'))
  const earlier = both(update('account', ann, richAnn), insert('payment', '4', '1', 'rent'))
  assert.ok(conflict(earlier, payment))
  assert.ok(!conflict(earlier, payment, { seen: true }))
})

test('a row locked FOR UPDATE and then updated stays judged by its late position', () => {
  const step: Feed = both(
    (record) => record.lockRow(stream('account'), tuple(ann), LockMode.update),
    update('account', ann, richAnn),
  )
  assert.ok(conflict(step, step))
  assert.ok(!conflict(step, update('account', ann, richAnn), { seen: true }))
  assert.ok(
    !conflict(step, step, { seen: true }),
    'waiters at one node follow each other, secondary unique index or not',
  )
})

test('FOR UPDATE excludes a child that knows the row by another unique index; the weaker modes do not', () => {
  const lock =
    (mode: LockMode): Feed =>
    (record) =>
      record.lockRow(stream('member'), tuple(['1', 'ann']), mode)
  const child = insert('badge', 'ann')
  for (const [first, second] of [
    [lock(LockMode.update), child],
    [child, lock(LockMode.update)],
  ] as const)
    assert.ok(conflict(first, second, { seen: true }))
  assert.ok(!conflict(lock(LockMode.noKeyUpdate), child))
  assert.ok(!conflict(lock(LockMode.share), child))
  assert.ok(conflict(child, remove('member', '1', 'ann')))
})

test('a row locked only conflicts above the early position', () => {
  const lock: Feed = (record) => record.lockRow(stream('account'), tuple(ann), LockMode.share)
  assert.ok(conflict(lock, update('account', ann, richAnn), { seen: true }))
  assert.ok(!conflict(lock, lock))
})

test('a row without unique index is known by all its values, above the early position', () => {
  assert.ok(
    conflict(remove('log', 'a', '1.0', '{}'), update('log', ['a', '1.00', '{}'], ['b', '1', '{}']), { seen: true }),
  )
  assert.ok(
    conflict(remove('log', 'a', '1.0', '{}'), remove('log', 'a', '1.0', '{ }')),
    'json has no equality: left out',
  )
  assert.ok(!conflict(remove('log', 'a', '1', '{}'), remove('log', 'b', '1', '{}')))
  assert.ok(!conflict(insert('log', 'a', '1', '{}'), insert('log', 'a', '1', '{}')))
})

test('a NULL leaves a unique index without a key, and the row is then known by its values', () => {
  assert.ok(!conflict(insert('place', '1', null), insert('place', '2', null)))
  assert.ok(conflict(update('place', ['1', null], ['1', '5']), update('place', ['1', null], ['1', '6'])))
})

test('NULLS NOT DISTINCT makes NULL a value like others, and not the empty text', () => {
  assert.ok(conflict(insert('one', '1', null), insert('one', '2', null)))
  assert.ok(!conflict(insert('one', '1', null), insert('one', '2', '')))
})

test('a type without computable equality makes its index one key', () => {
  assert.ok(conflict(insert('slug', '1', 'Hello'), insert('slug', '2', 'other')))
})

test('an exclusion constraint is one key, and an update that leaves its columns does not take it', () => {
  assert.ok(conflict(insert('booking', '1', '10', '[1,2)'), insert('booking', '2', '11', '[5,6)')))
  const moved = update('booking', ['1', '10', '[1,2)'], ['3', '10', '[1,2)'])
  assert.ok(!conflict(moved, insert('booking', '2', '11', '[5,6)')))
})

test('a partial unique index gives a key whatever its predicate says, for any change of the row', () => {
  const activate = (id: string): Feed => update('job', [id, 'w', 't'], [id, 'w', 'f'])
  assert.ok(conflict(activate('1'), activate('2')))
  assert.ok(!conflict(activate('1'), update('job', ['2', 'v', 't'], ['2', 'v', 'f'])))
})

test('keys of a deferrable index are early-flagged', () => {
  assert.ok(conflict(insert('place', '1', '5'), insert('place', '2', '5'), { seen: true }))
})

test('columns of a key do not run together', () => {
  assert.ok(!conflict(insert('pair', 'ab', 'c'), insert('pair', 'a', 'bc')))
  assert.ok(conflict(insert('pair', 'ab', 'c'), insert('pair', 'ab', 'c')))
})

test('old values that the stream does not carry cost the whole table, never a missed conflict', () => {
  const blind = change(
    'account',
    { kind: 'update', old: undefined, oldIsKey: false, new: tuple(['1', 'new@example.org', '1']) },
    'id',
  )
  assert.ok(conflict(blind, insert('account', '9', 'whatever@example.org', '0')))
  assert.ok(conflict(insert('account', '9', 'whatever@example.org', '0'), blind))
  const blindDelete = change(
    'account',
    { kind: 'delete', old: tuple(['1', null, null]), oldIsKey: true, new: undefined },
    'id',
  )
  assert.ok(conflict(insert('account', '9', 'whatever@example.org', '0'), blindDelete))
})

test('with the primary key alone to protect, the default identity gives exact keys', () => {
  const touch = (id: string): Feed =>
    change('pair', { kind: 'update', old: undefined, oldIsKey: false, new: tuple([id, 'b']) }, 'a, b')
  assert.ok(conflict(touch('1'), touch('1')))
  assert.ok(!conflict(touch('1'), touch('2')))
  assert.deepEqual(modes(touch('1'), 'pair'), ['noKeyUpdate'])
})

test('an unchanged large value is not a change', () => {
  assert.deepEqual(modes(update('account', ann, ['1', undefined, '11']), 'account'), ['noKeyUpdate'])
})

test('TRUNCATE and LOCK TABLE exclude every writer of the table and of its partitions, not of others', () => {
  const truncate =
    (name: string): Feed =>
    (record) =>
      record.truncate({ schema: 'public', name })
  assert.ok(conflict(truncate('account'), insert('account', ...ann)))
  assert.ok(conflict(insert('account', ...ann), truncate('account')))
  assert.ok(conflict(insert('payment', '1', '1', ''), truncate('account')), 'a referenced table')
  assert.ok(conflict(truncate('part_1'), insert('part_2', '1')))
  assert.ok(!conflict(truncate('account'), insert('log', 'a', '1', '{}')))
  const lock: Feed = (record) => record.lockTable({ schema: 'public', name: 'log' })
  assert.ok(conflict(lock, insert('log', 'a', '1', '{}'), { seen: true }))
})

test('a schema change conflicts with every later record that ran beside it, even if it was applied in between', () => {
  const ddl: Feed = () => undefined
  assert.ok(conflict(ddl, insert('log', 'a', '1', '{}'), { ddl: 'first', seen: true }))
  assert.ok(!conflict(insert('log', 'a', '1', '{}'), ddl, { ddl: 'second' }))
  const lock: Feed = (record) => record.lockTable({ schema: 'public', name: 'log' })
  assert.ok(conflict(insert('log', 'a', '1', '{}'), lock, { ddl: 'second' }), 'the tables that it locks are named')
})

test('rows beyond the bound become a table key, and still conflict with any of them', () => {
  const many: Feed = (record) => {
    for (let id = 0; id < rowKeysMax; id++) insert('account', String(id), `${id}@example.org`, '0')(record)
  }
  assert.equal(pack(many).length / keyBytes, 3, 'the table, the tables, the schema')
  assert.ok(conflict(many, update('account', ['4000', 'a', '0'], ['4000', 'a', '1'])))
  assert.ok(conflict(update('account', ['1', 'a', '0'], ['1', 'a', '1']), many))
  assert.ok(conflict(many, insert('payment', '1', '3', '')), 'and with a child of any of them')
  assert.ok(!conflict(many, insert('log', 'a', '1', '{}')))
})

test('a key is named once, with its strongest mode', () => {
  const step = update('account', ann, richAnn)
  assert.equal(pack(both(step, step)).length, pack(step).length)
  assert.deepEqual(modes(both(step, remove('account', ...richAnn)), 'account').sort(), ['update', 'update'])
})

test('a conflict names table and key as PostgreSQL does', () => {
  const second = both(insert('log', 'a', '1', '{}'), insert('account', '9', 'ann@example.org', '0'))
  const verdict = judge(insert('account', ...ann), second)
  assert.ok(verdict.kind === 'abort' && verdict.conflict.keyIndex !== undefined)
  const key = keyAt(pack(second), verdict.conflict.keyIndex)
  assert.deepEqual(extractor.describe(key, second), { table: 'public.account', key: 'Key (email)=(ann@example.org)' })
  const child = insert('payment', '5', '1', 'rent')
  const described = keysOf(child).map((packed) => extractor.describe(packed, child))
  assert.deepEqual(described, [
    { table: 'public.payment', key: 'Key (id)=(5)' },
    { table: 'public.account', key: 'Key (id)=(1)' },
    { table: 'public.payment', key: undefined },
    { table: 'schema', key: undefined },
    { table: 'public.account', key: undefined },
    { table: 'schema', key: undefined },
  ])
})

test('a record that renames tables and writes rows conflicts with every writer of rows', () => {
  const renaming: Feed = (record) => record.everyTable()
  assert.ok(conflict(insert('log', 'a', '1', '{}'), renaming))
  assert.ok(conflict(renaming, update('account', ann, richAnn)))
})

test('a relation that the catalog does not have is refused; within a schema change its table key is taken', () => {
  const fresh: Feed = (record) =>
    record.row(stream('fresh'), { kind: 'insert', old: undefined, oldIsKey: false, new: tuple(['1']) })
  assert.throws(() => pack(fresh), { code: 'unavailable', sqlState: '40001' })
  assert.equal(pack(fresh, true).length / keyBytes, 3)
})

test('a foreign key of another kind of value makes the parent index one key for all', () => {
  const mixed = catalogOf({
    parent: { columns: 'id float8', indexes: [{ name: 'parent_pkey', on: 'id', primary: true }] },
    child: { columns: 'id float4', references: [{ columns: 'id', table: 'parent', index: 'parent_pkey', to: 'id' }] },
  })
  assert.ok(mixed.find('public', 'parent')!.indexes[0]!.coarse)
  assert.ok(mixed.find('public', 'child')!.foreignKeys[0]!.index.coarse)
  assert.ok(!catalog.find('public', 'account')!.indexes[0]!.coarse, 'int4 and int8 are of one kind')
})

test('the columns of a foreign key follow the order of the index', () => {
  const crossed = catalogOf({
    parent: { columns: 'a int4, b int4', indexes: [{ name: 'parent_pkey', on: 'a, b', primary: true }] },
    child: {
      columns: 'y int4, x int4',
      references: [{ columns: 'y, x', table: 'parent', index: 'parent_pkey', to: 'b, a' }],
    },
  })
  assert.deepEqual(crossed.find('public', 'child')!.foreignKeys[0]!.columns, ['x', 'y'])
})

const keysOf = (feed: Feed): Uint8Array[] => {
  const packed = pack(feed)
  return Array.from({ length: packed.length / keyBytes }, (_, i) => keyAt(packed, i))
}

/** The modes of a record's row keys of one table, in order. */
const modes = (feed: Feed, table: string): string[] => {
  const names = Object.keys(LockMode)
  return keysOf(feed).flatMap((key) => {
    const described = extractor.describe(key, feed)
    const exact = described.table === `public.${table}` && described.key !== undefined
    return exact && (key[8]! & KeyFlag.early) === 0 ? [names[key[8]! & 3]!] : []
  })
}
