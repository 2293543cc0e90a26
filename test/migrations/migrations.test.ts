/**
 * Histories of migrations as applications have them, by the tools that they use: Django's `migrate`, Rails' migrator, Prisma's schema engine.
 * Each is applied at one node while the others write to the tables that it changes, and to another one.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import { dump18 } from '../suites/dumps.ts'
import { hotWriters } from '../system/hot-writers.ts'
import { deploy } from './prisma.ts'

/** The sources' folder: this file is dist/test/migrations/migrations.test.js. */
const folder = fileURLToPath(new URL('../../../test/migrations/', import.meta.url))

let cluster: Cluster
before(async () => {
  if (needsCluster === false) cluster = await startCluster({ nodes: 4 })
})
after(() => cluster?.[Symbol.asyncDispose]())

interface History {
  readonly tool: string
  /** A path, and the Debian package that has it. */
  readonly needs: Readonly<Record<string, string>>
  /** Its table that all others write: id, node, times. */
  readonly table: string
  /** Applies the first migration, or all that are missing. */
  readonly apply: (url: string, part: 'first' | 'all') => Promise<void>
  /** Counts what is applied. */
  readonly applied: string
  readonly migrations: number
}

/** @throws Error with what it printed, where it fails */
const runTool = async (url: string, program: string, args: readonly string[], env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await run(program, args, {
    env: { ...env, SUITE_URL: url, PYTHONDONTWRITEBYTECODE: '1' },
    msMax: 120_000,
  })
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`)
}

const python = '/usr/lib/python3/dist-packages/'
const histories: readonly History[] = [
  {
    tool: 'Django',
    needs: { [`${python}django`]: 'python3-django', [`${python}psycopg2`]: 'python3-psycopg2' },
    table: 'shop_book',
    apply: (url, part) =>
      runTool(url, '/usr/bin/python3', [`${folder}django/migrate.py`, ...(part === 'first' ? ['shop', '0001'] : [])]),
    applied: `select count(*) from django_migrations where app = 'shop'`,
    migrations: 6,
  },
  {
    tool: 'Rails',
    needs: {
      '/usr/share/doc/ruby-activerecord/copyright': 'ruby-activerecord',
      '/usr/lib/ruby/vendor_ruby/pg.rb': 'ruby-pg',
    },
    table: 'accounts',
    apply: (url, part) =>
      runTool(
        url,
        '/usr/bin/ruby',
        [`${folder}rails/migrate.rb`],
        part === 'first' ? { VERSION: '20240101000001' } : {},
      ),
    applied: 'select count(*) from schema_migrations',
    migrations: 6,
  },
  {
    tool: 'Prisma',
    needs: {},
    table: '"Ticket"',
    apply: (url, part) => deploy(url, part === 'first' ? 1 : undefined),
    applied: 'select count(*) from _prisma_migrations where finished_at is not null and rolled_back_at is null',
    migrations: 7,
  },
]

/** A deployment that fails is begun again by whoever watches it, this often at most. */
const triesMax = 10

for (const { tool, needs, table, apply, applied, migrations } of histories) {
  const lacking = Object.entries(needs).flatMap(([path, debian]) => (existsSync(path) ? [] : [debian]))
  const skip =
    needsCluster === false && lacking.length > 0 ? `missing Debian packages: ${lacking.join(' ')}` : needsCluster

  test(
    `a history of migrations by ${tool} is applied at one node while the others write`,
    { skip },
    async (context) => {
      // Prisma wants one that is empty.
      const database = tool.toLowerCase()
      const admin = await cluster.connect(1)
      await admin.query(`create database ${database}`)
      await admin.end()
      const url = new URL(cluster.urlOf(1))
      url.pathname = database
      await apply(url.href, 'first')
      const client = await cluster.connect(1, database)
      await client.query('create table beside (id bigint primary key, node int, times int not null default 0)')
      await assertAllEqual(cluster)

      const here = await hotWriters(cluster, table, [2, 3, 4], database)
      const elsewhere = await hotWriters(cluster, 'beside', [2, 3, 4], database)
      await Promise.all([here.allWritten(), elsewhere.allWritten()])
      const lost: string[] = []
      const began = performance.now()
      try {
        for (let done = false; !done;) {
          done = await apply(url.href, 'all').then(
            () => true,
            (error: unknown) => {
              lost.push(String(error))
              assert(lost.length < triesMax, lost.join('\n\n'))
              return false
            },
          )
        }
      } finally {
        const ms = Math.round(performance.now() - began)
        await Promise.all([here.stop(), elsewhere.stop()])
        context.diagnostic(
          `${migrations - 1} migrations in ${ms} ms, begun again ${lost.length} times; ${here.inserted} and ${elsewhere.inserted} rows beside; ` +
            `longest pause of a writer ${here.pauseMs} ms there, ${elsewhere.pauseMs} ms elsewhere`,
        )
      }
      for (const failure of lost) {
        context.diagnostic(failure.split('\n').findLast((line) => line.trim() !== '') ?? '')
        assert.match(failure, /40001|serializ|Serializ/, 'it lost to a writer, and was told so')
      }
      assert.deepEqual([here.refused, elsewhere.refused], [[], []])
      const { rows } = await client.query<{ applied: string; written: string }>(
        `select (${applied}) as applied, (select count(*) from ${table}) as written`,
      )
      assert.deepEqual(rows, [{ applied: String(migrations), written: String(here.inserted) }])
      await client.end()
      await assertAllEqual(cluster)
      await assertSameCatalogs(cluster)
    },
  )
}

test(
  'a dump of pg_dump 18 is loaded with psql at one node while the others write',
  { skip: needsCluster === false ? missing('psql') : needsCluster },
  async (context) => {
    const admin = await cluster.connect(1)
    await admin.query('create database shop')
    await admin.end()
    const client = await cluster.connect(1, 'shop')
    await client.query('create table beside (id bigint primary key, node int, times int not null default 0)')
    await assertAllEqual(cluster)
    const writers = await hotWriters(cluster, 'beside', [2, 3, 4], 'shop')
    const began = performance.now()
    try {
      const url = new URL(cluster.urlOf(1))
      url.pathname = 'shop'
      const { code, stderr } = await run('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-f', dump18], {
        env: libpqEnv(url.href),
      })
      assert.equal(code, 0, stderr)
    } finally {
      await writers.stop()
      const ms = Math.round(performance.now() - began)
      context.diagnostic(
        `${ms} ms; ${writers.inserted} rows beside, ${writers.refused.length} times 40001, longest pause of a writer ${writers.pauseMs} ms`,
      )
    }
    // Hundreds of schema changes in a row, and each excludes what began before it: a writer may lose all of its attempts.
    assert(
      writers.refused.every((code) => code === '40001'),
      writers.refused.join(' '),
    )
    const { rows } = await client.query(
      'select (select count(*) from shop.customers) as customers, (select count(*) from shop.order_lines) as lines, (select sum(people) from shop.towns) as people',
    )
    assert.deepEqual(rows, [{ customers: '500', lines: '409', people: '500' }])
    await client.end()
    await assertAllEqual(cluster)
    await assertSameCatalogs(cluster)
  },
)
