/** Drizzle on a pg pool: SQL that drizzle-kit generates from the schema, applied by drizzle's migrator; relations; streams. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { and, asc, desc, eq, relations, sql } from 'drizzle-orm'
import { drizzle as open } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import {
  bigint,
  bigserial,
  check,
  date,
  index,
  integer,
  jsonb,
  numeric,
  pgEnum,
  pgTable,
  primaryKey,
  serial,
  text,
  timestamp,
  unique,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import pg from 'pg'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

const status = pgEnum('status', ['draft', 'live'])
const users = pgTable('users', {
  id: serial().primaryKey(),
  email: varchar({ length: 50 }).notNull().unique(),
  meta: jsonb().$type<object>(),
})
const first = {
  status,
  users,
  posts: pgTable('posts', {
    id: bigserial({ mode: 'bigint' }).primaryKey(),
    author: integer().references(() => users.id, { onDelete: 'cascade' }),
    title: text().notNull(),
    status: status().default('draft').notNull(),
  }),
}
const posts = pgTable(
  'posts',
  {
    id: bigserial({ mode: 'bigint' }).primaryKey(),
    author: integer().references(() => users.id, { onDelete: 'cascade' }),
    title: text().notNull(),
    status: status().default('draft').notNull(),
    words: integer().default(0).notNull(),
    slug: text().generatedAlwaysAs(sql`lower(title)`),
    tags: text()
      .array()
      .notNull()
      .default(sql`'{}'`),
    price: numeric({ precision: 8, scale: 2 }),
    day: date(),
    at: timestamp({ withTimezone: true, mode: 'string' }),
    size: bigint({ mode: 'bigint' }),
    ref: uuid(),
  },
  (table) => [
    unique('posts_author_title').on(table.author, table.title),
    index('posts_day').on(table.day.desc()),
    check('posts_words', sql`${table.words} >= 0`),
  ],
)
const tags = pgTable(
  'post_tags',
  { post: bigint({ mode: 'bigint' }).references(() => posts.id), tag: text() },
  (table) => [primaryKey({ columns: [table.post, table.tag] })],
)
const second = { status, users, posts, tags }
const schema = {
  ...second,
  usersRelations: relations(users, ({ many }) => ({ posts: many(posts) })),
  postsRelations: relations(posts, ({ one }) => ({
    author: one(users, { fields: [posts.author], references: [users.id] }),
  })),
}

/** As `drizzle-kit generate` leaves it in the repository. */
const writeMigrations = async (folder: string): Promise<readonly string[]> => {
  const before = generateDrizzleJson({})
  const one = generateDrizzleJson(first, before.id)
  const two = generateDrizzleJson(second, one.id)
  const files = [await generateMigration(before, one), await generateMigration(one, two)]
  mkdirSync(join(folder, 'meta'))
  const entries = files.map((statements, idx) => {
    const tag = `000${idx}_step`
    writeFileSync(join(folder, `${tag}.sql`), statements.join('\n--> statement-breakpoint\n'))
    return { idx, version: '7', when: 1_700_000_000_000 + idx, tag, breakpoints: true }
  })
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
  return files.flat()
}

export const drizzle: Scenario = async ({ url }: Place, t) => {
  const folder = mkdtempSync(join(tmpdir(), 'drizzle-'))
  const pool = new pg.Pool({ connectionString: url, max: 3 })
  const db = open(pool, { schema })
  try {
    t.say('generated', await writeMigrations(folder))
    await migrate(db, { migrationsFolder: folder })
    await migrate(db, { migrationsFolder: folder })
    t.say('migrations', (await db.execute(sql`select count(*) from drizzle.__drizzle_migrations`)).rows)
    await use(db, t)
  } finally {
    await pool.end()
    rmSync(folder, { recursive: true })
  }
}

const use = async (db: ReturnType<typeof open<typeof schema>>, t: Transcript): Promise<void> => {
  const made = await db
    .insert(users)
    .values([{ email: 'a@x', meta: { a: 1 } }, { email: 'b@x' }])
    .returning()
  t.say(
    'insert',
    made.map((user) => ({ ...user, id: t.named('user', user.id) })),
  )
  const author = made[0]?.id ?? 0
  await db.insert(posts).values([
    {
      author,
      title: 'Hello World',
      tags: ['x', 'y"z'],
      price: '3.20',
      day: '2026-02-03',
      at: '2026-02-03T04:05:06Z',
      size: 9007199254740993n,
    },
    { author, title: 'Second', words: 10 },
  ])
  const columns = {
    title: posts.title,
    status: posts.status,
    words: posts.words,
    slug: posts.slug,
    tags: posts.tags,
    price: posts.price,
    day: posts.day,
    at: posts.at,
    size: posts.size,
  }
  t.say('select', await db.select(columns).from(posts).orderBy(asc(posts.title)))
  t.say(
    'upsert',
    await db
      .insert(posts)
      .values({ author, title: 'Second', words: 5 })
      .onConflictDoUpdate({ target: [posts.author, posts.title], set: { words: sql`${posts.words} + excluded.words` } })
      .returning({ words: posts.words }),
  )
  t.say('nothing', await db.insert(users).values({ email: 'a@x' }).onConflictDoNothing().returning())
  t.say(
    'relations',
    await db.query.users.findMany({
      columns: { email: true, meta: true },
      with: {
        posts: {
          columns: { title: true, words: true, slug: true },
          orderBy: [desc(posts.title)],
          extras: { loud: sql<string>`upper(${posts.title})`.as('loud') },
        },
      },
      orderBy: [asc(users.email)],
    }),
  )
  t.say(
    'join',
    await db
      .select({ email: users.email, count: sql<number>`count(*)::int` })
      .from(users)
      .leftJoin(posts, eq(posts.author, users.id))
      .groupBy(users.email)
      .orderBy(users.email),
  )
  const prepared = db
    .select({ title: posts.title })
    .from(posts)
    .where(and(eq(posts.title, sql.placeholder('title'))))
    .prepare('by_title')
  t.say('prepared', [await prepared.execute({ title: 'Second' }), await prepared.execute({ title: 'None' })])
  t.say(
    'update',
    await db
      .update(posts)
      .set({ title: 'Hello Again', status: 'live' })
      .where(eq(posts.title, 'Hello World'))
      .returning({ title: posts.title, slug: posts.slug, status: posts.status }),
  )
  t.say(
    'update from',
    (
      await db
        .update(posts)
        .set({ words: 99 })
        .from(users)
        .where(and(eq(users.id, posts.author), eq(users.email, 'a@x')))
    ).rowCount,
  )
  await db.transaction(
    async (tx) => {
      await tx.delete(posts).where(eq(posts.title, 'Second'))
      await tx
        .transaction(async (inner) => {
          await inner.delete(users)
          inner.rollback()
        })
        .catch((error: unknown) => t.say('nested', String(error)))
      t.say('inside', await tx.select({ email: users.email }).from(users).orderBy(users.email).for('update'))
    },
    { isolationLevel: 'repeatable read', accessMode: 'read write' },
  )
  await t.fails(
    'rolled back',
    db.transaction(async (tx) => {
      await tx.delete(posts)
      await tx.insert(users).values({ email: 'a@x' })
    }),
  )
  t.say('count', [await db.$count(posts), await db.$count(users)])
  await t.fails('check', db.insert(posts).values({ title: 'x', words: -1 }))
  await t.fails('enum', db.insert(posts).values({ title: 'x', status: 'odd' as 'live' }))
  await t.fails('foreign key', db.insert(posts).values({ title: 'x', author: -1 }))
  await t.fails('raw', db.execute(sql`select * from ${sql.identifier('nowhere')}`))
  t.say(
    'with',
    await db
      .with(db.$with('w').as(db.delete(users).where(eq(users.email, 'b@x')).returning({ email: users.email })))
      .select({ n: sql<number>`1` })
      .from(sql`w`),
  )
}
