/** Knex: its schema builder and migrations in transactions, its queries, its streams. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import createKnex from 'knex'
import type { Knex } from 'knex'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

const files: Readonly<Record<string, string>> = {
  '01_tables.cjs': `
    exports.up = async (knex) => {
      await knex.schema.createTable('customer', (table) => {
        table.increments('id'); table.string('email', 80).notNullable().unique(); table.jsonb('settings').defaultTo('{}');
        table.enu('state', ['new', 'gone'], { useNative: true, enumName: 'customer_state' }).defaultTo('new');
        table.timestamps(true, true); table.comment('who buys');
      })
      await knex.schema.createTable('purchase', (table) => {
        table.bigIncrements('id'); table.integer('customer_id').unsigned().references('id').inTable('customer').onDelete('SET NULL').index();
        table.decimal('total', 10, 2).checkPositive(); table.specificType('items', 'int[]'); table.date('day'); table.uuid('ref').unique();
      })
    }
    exports.down = async (knex) => { await knex.schema.dropTable('purchase').dropTable('customer'); await knex.raw('drop type customer_state') }`,
  '02_changes.cjs': `
    exports.up = async (knex) => {
      await knex.schema.alterTable('customer', (table) => { table.renameColumn('email', 'mail'); table.text('note') })
      await knex.schema.alterTable('purchase', (table) => { table.decimal('total', 14, 4).notNullable().alter(); table.index(['day', 'total'], 'by_day') })
      await knex('customer').insert([{ mail: 'seed@x', note: 'seeded' }, { mail: 'other@x' }])
      await knex.raw("create function total_of(int) returns numeric language sql stable as 'select sum(total) from purchase where customer_id = $1'")
    }
    exports.down = async (knex) => {
      await knex.raw('drop function total_of(int)')
      await knex('customer').del()
      await knex.schema.alterTable('purchase', (table) => { table.dropIndex(['day', 'total'], 'by_day'); table.decimal('total', 10, 2).nullable().alter() })
      await knex.schema.alterTable('customer', (table) => { table.dropColumn('note'); table.renameColumn('mail', 'email') })
    }`,
  '03_no_transaction.cjs': `
    exports.config = { transaction: false }
    exports.up = (knex) => knex.raw('create index concurrently customer_note on customer (note)')
    exports.down = (knex) => knex.raw('drop index concurrently customer_note')`,
}

export const knex: Scenario = async ({ url, instances }: Place, t) => {
  const directory = mkdtempSync(join(tmpdir(), 'knex-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const open = (connection: string): Knex =>
    createKnex({
      client: 'pg',
      connection,
      pool: { min: 0, max: 3 },
      migrations: { directory, loadExtensions: ['.cjs'] },
    })
  const db = open(url)
  try {
    t.say('migrate', withoutBatch(await db.migrate.latest()))
    t.say(
      'list',
      (await db.migrate.list()).map((list: { name?: string; file?: string }[]) =>
        list.map(({ name, file }) => name ?? file),
      ),
    )
    t.say('rollback', withoutBatch(await db.migrate.rollback(undefined, true)))
    // Instances that are deployed together: the migrations table is their lock.
    const ups = await Promise.allSettled(
      instances.map(async (one) => {
        const other = open(one)
        try {
          return (await other.migrate.latest())[1].length as number
        } finally {
          await other.destroy()
        }
      }),
    )
    const applied = ups.reduce((sum, up) => sum + (up.status === 'fulfilled' ? up.value : 0), 0)
    t.say('applied once', applied)
    t.say('version', await db.migrate.currentVersion())
    await use(db, t)
  } finally {
    await db.destroy()
    rmSync(directory, { recursive: true })
  }
}

const withoutBatch = ([, names]: [number, string[]]): string[] => names

const use = async (db: Knex, t: Transcript): Promise<void> => {
  t.say('seeded', await db('customer').select('mail', 'note', 'state', 'settings').orderBy('mail'))
  const [customer] = await db('customer').insert({ mail: 'a@x', settings: { theme: 'dark' } }, [
    'id',
    'mail',
    'settings',
  ])
  t.say('insert', { ...customer, id: t.named('customer', customer.id) })
  t.say(
    'upsert',
    await db('customer')
      .insert({ mail: 'a@x', note: 'again' })
      .onConflict('mail')
      .merge(['note'])
      .returning(['mail', 'note']),
  )
  t.say('ignore', await db('customer').insert({ mail: 'a@x' }).onConflict().ignore())
  await db.batchInsert(
    'purchase',
    Array.from({ length: 250 }, (_, n) => ({
      customer_id: customer.id,
      total: n + 1,
      items: [n, n + 1],
      day: '2026-01-01',
    })),
    100,
  )
  t.say('aggregate', await db('purchase').sum('total as sum').count('* as n').first())
  t.say(
    'join',
    await db('customer')
      .join('purchase', 'customer.id', 'purchase.customer_id')
      .where('total', '>', 248)
      .select('mail', 'total', 'items')
      .orderBy('total'),
  )
  t.say('function', await db.raw('select total_of(?) as total', [customer.id]).then(({ rows }) => rows))
  t.say(
    'json',
    await db('customer').jsonExtract('settings', '$.theme', 'theme').whereJsonSupersetOf('settings', { theme: 'dark' }),
  )
  t.say(
    'increment',
    await db('purchase')
      .where('total', 1)
      .increment('total', 0.5)
      .returning('total')
      .then((rows) => rows),
  )
  const streamed: unknown[] = []
  await db('purchase')
    .select('total')
    .where('total', '<', 4)
    .orderBy('total')
    .stream()
    .forEach((row: unknown) => void streamed.push(row))
  t.say('stream', streamed)
  await db.transaction(
    async (trx) => {
      await trx('purchase').where('total', '<', 10).del()
      await trx
        .transaction(async (inner) => {
          await inner('purchase').del()
          throw new Error('inner')
        })
        .catch((error: unknown) => t.say('nested', String(error)))
      t.say('locked', await trx('customer').where({ mail: 'a@x' }).forUpdate().select('mail'))
      t.say('skip locked', await trx('customer').where({ mail: 'a@x' }).forUpdate().skipLocked().select('mail'))
    },
    { isolationLevel: 'repeatable read' },
  )
  t.say('left', await db('purchase').count())
  await t.fails(
    'rolled back',
    db.transaction(async (trx) => {
      await trx('purchase').del()
      await trx('customer').insert({ mail: 'a@x' })
    }),
  )
  t.say('still left', await db('purchase').count())
  await t.fails('check', db('purchase').insert({ total: -1 }))
  await t.fails('not null', db('purchase').insert({ day: '2026-01-01' }))
  await t.fails('enum', db('customer').insert({ mail: 'b@x', state: 'odd' }))
  await t.fails('foreign key', db('purchase').insert({ total: 1, customer_id: -1 }))
  await t.fails('raw', db.raw('select * from nowhere'))
  await t.fails('timeout', db.raw('select pg_sleep(5)').timeout(100, { cancel: true }))
  t.say('columns', await db('purchase').columnInfo())
  t.say('has', [await db.schema.hasTable('purchase'), await db.schema.hasColumn('customer', 'email')])
  t.say('truncate', await db('purchase').truncate())
  // Times that the server made: nothing to compare.
  await db('customer')
    .update({ created_at: null as never, updated_at: null as never })
    .catch((error: unknown) => t.fails('times', Promise.reject(error as Error)))
  await db('customer').update({ created_at: '2026-01-01', updated_at: '2026-01-01' })
  await db('knex_migrations').update({ migration_time: '2026-01-01' })
}
