/** `allwrite.consistency`: what a read at another node must include, and that the setting behaves like any of PostgreSQL's. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { errorOf } from '#testing/errors.ts'

import { testSeconds } from '#testing/wait.ts'
import { whileStopped } from './rules-cluster.ts'

const skip = needsCluster

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query('create table seen (id int primary key, n int not null); insert into seen values (1, 0)')
  await client.end()
})
after(() => cluster?.[Symbol.asyncDispose]())

const levelOf = async (client: Client): Promise<string> =>
  (await client.query<{ level: string }>(`select current_setting('allwrite.consistency', true) as level`)).rows[0]
    ?.level ?? ''

/** Writes at n1 and reads at n2 right after the acknowledgement; how many reads missed the write. */
const staleReads = async (prepare: (reader: Client) => Promise<unknown>): Promise<[number, number]> => {
  const [writer, reader] = await Promise.all([cluster.connect(1), cluster.connect(2)])
  await prepare(reader)
  let stale = 0
  let reads = 0
  const deadline = performance.now() + testSeconds(3) * 1000
  for (; performance.now() < deadline; reads++) {
    const written = await writer.query<{ n: number }>('update seen set n = n + 1 where id = 1 returning n')
    const read = await reader.query<{ n: number }>('select n from seen where id = 1')
    if ((read.rows[0]?.n ?? -1) < (written.rows[0]?.n ?? 0)) stale += 1
  }
  await Promise.all([writer.end(), reader.end()])
  return [stale, reads]
}

test("'cluster': a read includes all that was acknowledged anywhere before it began", { skip }, async (context) => {
  const [stale, reads] = await staleReads((reader) => reader.query(`set allwrite.consistency = 'cluster'`))
  context.diagnostic(`${reads} reads at 'cluster', none stale`)
  assert(reads > 0)
  assert.equal(stale, 0)
  // What it saves; not asserted, since a quick node may have applied all in time.
  const [without, of] = await staleReads(() => Promise.resolve())
  context.diagnostic(`at 'session' ${without} of ${of} reads at n2 missed what n1 had just committed`)
})

test(
  'it comes with the role, the connection, SET LOCAL and set_config, and goes with ROLLBACK and RESET',
  { skip },
  async () => {
    const admin = await cluster.connect(1)
    await admin.query(
      `create role strict login superuser password 'strict-strict' ; alter role strict set allwrite.consistency = 'cluster'`,
    )
    await admin.end()
    const url = new URL(cluster.urlOf(2))
    url.username = 'strict'
    url.password = 'strict-strict'
    const asRole = async (): Promise<Client> => {
      for (;;) {
        const client = new Client({ connectionString: url.href })
        try {
          await client.connect()
          return client
        } catch (thrown) {
          // The role may still be on its way to n2.
          if ((thrown as { code?: string }).code !== '28P01') throw thrown
          await client.end().catch(() => undefined)
        }
      }
    }
    const strict = await asRole()
    const plain = await cluster.connect(2)
    const optioned = new Client({ connectionString: `${cluster.urlOf(2)}?options=-c%20allwrite.consistency%3Dcluster` })
    await optioned.connect()
    // Whether a session waits shows while the journal can't be asked.
    const waits = async (client: Client): Promise<boolean> =>
      whileStopped(cluster.journalPid(), async () => {
        const read = client.query('select n from seen where id = 1').then(() => 'read' as const)
        const first = await Promise.race([read, new Promise<'waits'>((resolve) => setTimeout(resolve, 700, 'waits'))])
        if (first === 'waits') void read.catch(() => undefined)
        return first === 'waits'
      })
    const check = async (what: string, client: Client, expected: boolean): Promise<void> => {
      assert.equal(await waits(client), expected, `${what}: ${await levelOf(client)}`)
    }
    await check('role', strict, true)
    await check('connection', optioned, true)
    await check('default', plain, false)
    await plain.query(`begin; set local allwrite.consistency = 'cluster'`)
    await check('SET LOCAL', plain, true)
    await plain.query('commit')
    await check('behind SET LOCAL', plain, false)
    await plain.query(`begin; set allwrite.consistency = 'cluster'; rollback`)
    await check('behind ROLLBACK', plain, false)
    await plain.query(`select set_config('allwrite.consistency', 'cluster', false)`)
    await check('set_config', plain, true)
    await plain.query('reset all')
    await check('RESET ALL', plain, false)
    await Promise.all([strict, optioned, plain].map((client) => client.end()))
  },
)

test('a value that is none is refused as PostgreSQL refuses it', { skip }, async () => {
  const client = await cluster.connect(3)
  const error = await errorOf(client.query(`set allwrite.consistency = 'strong'`))
  assert.equal(error.code, '22023')
  assert.match(error.message, /invalid value for parameter "allwrite.consistency": "strong"/)
  assert.match(error.hint, /session, cluster, eventual/)
  await client.end()
})

test('who waits in vain is told so, and can be cancelled', { skip }, async () => {
  const [client, other] = await Promise.all([cluster.connect(2), cluster.connect(2)])
  await client.query(`set allwrite.consistency = 'cluster'`)
  await client.query('select 1')
  await other.query(`set allwrite.consistency = 'cluster'`)
  // By both protocols.
  const errors = await whileStopped(cluster.journalPid(), () =>
    Promise.all([
      errorOf(client.query('select n from seen')),
      errorOf(other.query('select n from seen where id = $1', [1])),
    ]),
  )
  for (const error of errors) {
    assert.equal(error.code, '40001')
    assert.match(error.detail, /10 s/)
  }
  assert.equal((await other.query('select $1::int as one', [1])).rows[0]?.one, 1)
  assert.equal((await client.query('select 1 as one')).rows[0]?.one, 1)
  await Promise.all([client.end(), other.end()])
})
