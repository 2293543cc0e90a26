/** Kysely on a pg pool, with its own migrator up and down. */
import { Kysely, Migrator, PostgresDialect, sql } from 'kysely'
import type { ColumnType, Generated, Migration, MigrationProvider } from 'kysely'
import { jsonArrayFrom, jsonObjectFrom } from 'kysely/helpers/postgres'
import Cursor from 'pg-cursor'
import pg from 'pg'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

interface Tables {
  author: {
    id: Generated<string>
    name: string
    kind: 'human' | 'robot'
    meta: unknown
    born: ColumnType<Date, string, string> | null
  }
  book: {
    id: Generated<number>
    author_id: string
    title: string
    price: string | null
    labels: string[] | null
    search: Generated<string>
  }
}

const migrations: Record<string, Migration> = {
  '001_first': {
    async up(db) {
      await db.schema.createType('kind').asEnum(['human', 'robot']).execute()
      await db.schema
        .createTable('author')
        .addColumn('id', 'bigserial', (column) => column.primaryKey())
        .addColumn('name', 'varchar(40)', (column) => column.notNull().unique())
        .addColumn('kind', sql`kind`, (column) => column.notNull().defaultTo('human'))
        .addColumn('meta', 'jsonb')
        .execute()
      await db.schema
        .createTable('book')
        .addColumn('id', 'integer', (column) => column.primaryKey().generatedAlwaysAsIdentity())
        .addColumn('author_id', 'bigint', (column) => column.references('author.id').onDelete('cascade').notNull())
        .addColumn('title', 'text', (column) => column.notNull())
        .addColumn('price', 'numeric(8, 2)', (column) => column.check(sql`price > 0`))
        .addUniqueConstraint('book_title', ['author_id', 'title'])
        .execute()
    },
    async down(db) {
      await db.schema.dropTable('book').execute()
      await db.schema.dropTable('author').execute()
      await db.schema.dropType('kind').execute()
    },
  },
  '002_search': {
    async up(db) {
      await db.schema
        .alterTable('book')
        .addColumn('labels', sql`text[]`)
        .addColumn('search', sql`tsvector`, (column) =>
          column.generatedAlwaysAs(sql`to_tsvector('english', title)`).stored(),
        )
        .execute()
      await db.schema.createIndex('book_search').on('book').using('gin').column('search').execute()
      await db.schema.alterTable('author').addColumn('born', 'date').execute()
      await sql`insert into author (name, kind) values ('seed', 'robot')`.execute(db)
      await db.schema
        .createView('titles')
        .as(db.selectFrom('book').innerJoin('author', 'author.id', 'book.author_id').select(['name', 'title']))
        .execute()
    },
    async down(db) {
      await db.schema.dropView('titles').execute()
      await sql`delete from author where name = 'seed'`.execute(db)
      await db.schema.alterTable('author').dropColumn('born').execute()
      await db.schema.alterTable('book').dropColumn('search').dropColumn('labels').execute()
    },
  },
}

const provider: MigrationProvider = { getMigrations: () => Promise.resolve(migrations) }

export const kysely: Scenario = async ({ url, instances }: Place, t) => {
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 3 }), cursor: Cursor }),
  })
  try {
    const migrator = new Migrator({ db, provider })
    for (const step of ['migrateToLatest', 'migrateDown', 'migrateDown', 'migrateUp', 'migrateToLatest'] as const)
      t.say(step, await migrator[step]())
    // Deployments start several instances, each of which migrates.
    const others = instances.map(
      (one) =>
        new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: one, max: 1 }) }) }),
    )
    const results = await Promise.all(others.map((other) => new Migrator({ db: other, provider }).migrateToLatest()))
    t.say('migrated already', results)
    await Promise.all(others.map((other) => other.destroy()))
    t.say(
      'introspection',
      (await db.introspection.getTables())
        .filter(({ schema }) => schema === 'public')
        .map(({ name, columns }) => [
          name,
          columns.map((column) => [column.name, column.dataType, column.isNullable, column.hasDefaultValue]),
        ]),
    )
    await use(db, t)
    // The time of the run.
    await sql`update kysely_migration set timestamp = '2026-01-01'`.execute(db)
  } finally {
    await db.destroy()
  }
}

const use = async (db: Kysely<Tables>, t: Transcript): Promise<void> => {
  const authors = await db
    .insertInto('author')
    .values([
      { name: 'Ann', kind: 'human', meta: JSON.stringify({ tags: ['x'] }), born: '1980-05-06' },
      { name: 'R2', kind: 'robot', meta: null },
    ])
    .returningAll()
    .execute()
  t.say(
    'insert',
    authors.map((author) => ({ ...author, id: t.named('author', author.id) })),
  )
  const [ann, robot] = authors
  if (ann === undefined || robot === undefined) throw new Error('two rows were returned')
  const book = { title: 'Running queries', price: '9.90', labels: ['a', 'b'] }
  t.say(
    'result',
    await db
      .insertInto('book')
      .values({ ...book, author_id: ann.id })
      .executeTakeFirst(),
  )
  t.say(
    'upsert',
    await db
      .insertInto('book')
      .values({ ...book, author_id: ann.id, price: '5' })
      .onConflict((on) => on.constraint('book_title').doUpdateSet((eb) => ({ price: eb.ref('excluded.price') })))
      .returning(['title', 'price'])
      .execute(),
  )
  await db.insertInto('book').values({ title: 'Beeping', author_id: robot.id, price: null, labels: null }).execute()
  t.say(
    'relations',
    await db
      .selectFrom('author')
      .select((eb) => [
        'name',
        jsonArrayFrom(
          eb
            .selectFrom('book')
            .select(['title', 'price'])
            .whereRef('book.author_id', '=', 'author.id')
            .orderBy('title'),
        ).as('books'),
      ])
      .orderBy('name')
      .execute(),
  )
  t.say(
    'object',
    await db
      .selectFrom('book')
      .select((eb) => [
        'title',
        jsonObjectFrom(eb.selectFrom('author').select('name').whereRef('author.id', '=', 'book.author_id')).as(
          'author',
        ),
      ])
      .orderBy('title')
      .execute(),
  )
  t.say(
    'search',
    await sql`select title, search from book where search @@ to_tsquery('english', 'query & run')`.execute(db),
  )
  t.say(
    'update',
    await db
      .updateTable('book')
      .set((eb) => ({ price: eb('price', '+', '1') }))
      .where('price', 'is not', null)
      .executeTakeFirst(),
  )
  t.say(
    'update of what is generated from',
    await db
      .updateTable('book')
      .set({ title: 'Ran queries' })
      .where('title', '=', 'Running queries')
      .returning(['title', 'search'])
      .execute(),
  )
  t.say(
    'with',
    await db
      .with('cheap', (q) => q.selectFrom('book').select('title').where('price', '<', '100'))
      .selectFrom('cheap')
      .selectAll()
      .execute(),
  )
  const streamed: unknown[] = []
  for await (const row of db.selectFrom('book').select('title').orderBy('title').stream(1)) streamed.push(row)
  t.say('stream', streamed)
  t.say(
    'transaction',
    await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (trx) => {
        await trx.deleteFrom('book').where('title', '=', 'Beeping').execute()
        return trx
          .selectFrom('book')
          .select(({ fn }) => fn.countAll().as('count'))
          .execute()
      }),
  )
  const trx = await db.startTransaction().execute()
  const inner = await trx.savepoint('before').execute()
  await inner.deleteFrom('author').execute()
  const back = await inner.rollbackToSavepoint('before').execute()
  t.say('controlled', await back.selectFrom('author').select('name').orderBy('name').execute())
  await back.commit().execute()
  await t.fails('unique', db.insertInto('author').values({ name: 'Ann', kind: 'human', meta: null }).execute())
  await t.fails(
    'enum',
    db
      .insertInto('author')
      .values({ name: 'X', kind: 'cat' as 'robot', meta: null })
      .execute(),
  )
  await t.fails(
    'check',
    db.insertInto('book').values({ title: 'Free', author_id: ann.id, price: '-1', labels: null }).execute(),
  )
  await t.fails(
    'too long',
    db
      .insertInto('author')
      .values({ name: 'n'.repeat(41), kind: 'human', meta: null })
      .execute(),
  )
  t.say(
    'merge',
    await db
      .mergeInto('author')
      .using('book', 'book.author_id', 'author.id')
      .whenMatched()
      .thenUpdateSet({ kind: 'robot' })
      .executeTakeFirst(),
  )
  t.say('delete', await db.deleteFrom('author').where('name', '=', 'R2').executeTakeFirst())
}
