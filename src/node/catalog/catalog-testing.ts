/**
 * Two servers for the tests of this folder. What the product does with the capture stream and the apply worker, the test
 * does by hand: it reads what a transaction left in `allwrite.ddl` and `allwrite.sequence` and runs it on the other server.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import {
  copyDataDir,
  ensureOwned,
  initDatabase,
  locateBinaries,
  runtimeDir,
  serverIdentity,
  startPostgres,
} from '../../postgres/index.ts'
import { applyEpilogue, applyPreamble, literal, parseDdlRow, statementsFor } from './ddl.ts'
import { installSchema } from './install.ts'

const password = 'not a secret'
export const agentSecret = 'sesame'

export type Rows = readonly Readonly<Record<string, unknown>>[]

export interface TestNode {
  /** Superuser `allwrite`, silent for triggers, as the agent's control connection. */
  readonly agent: Client
  /** Superuser `postgres`, as most clients. */
  readonly user: Client
  /** Ordinary role `bob`. */
  readonly bob: Client
}

export interface TestPair {
  readonly nodes: readonly [TestNode, TestNode]
  close(): Promise<void>
}

/** Starts two servers that are copies of one template with schema `allwrite`. */
export const startPair = async (): Promise<TestPair> => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-'))
  const runtime = runtimeDir(folder)
  const binaries = await locateBinaries()
  ensureOwned(folder, serverIdentity())
  const template = join(folder, 'template')
  await initDatabase({ binaries, dataDir: template, password, fsync: false })
  const settings = { fsync: 'off', max_connections: '20', wal_level: 'logical', shared_buffers: '32MB' }
  const start = (name: string, port: number) =>
    startPostgres({
      binaries,
      dataDir: join(folder, name),
      socketDir: runtime,
      port,
      settings,
      logFile: join(folder, `${name}.log`),
    })
  const connect = async (port: number, user: string): Promise<Client> => {
    const client = new Client({ host: runtime, port, user, password, database: 'postgres' })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const first = await start('template', 5430)
  const setup = await connect(5430, 'allwrite')
  await setup.query(
    `CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '${password}'; CREATE ROLE bob LOGIN PASSWORD '${password}'`,
  )
  await installSchema(setup, { agentSecret })
  await installSchema(setup, { agentSecret })
  await setup.query('GRANT ALL ON SCHEMA public TO bob')
  await setup.query('DELETE FROM allwrite.ddl')
  // No agent gives tickets here.
  await setup.query('ALTER EVENT TRIGGER allwrite_login DISABLE')
  await setup.end()
  await first.stop('fast')
  const servers = await Promise.all(
    ['n1', 'n2'].map(async (name, index) => {
      await copyDataDir(template, join(folder, name), { fsync: false })
      return start(name, 5431 + index)
    }),
  )
  const open = async (port: number): Promise<TestNode> => {
    const [agent, user, bob] = await Promise.all([
      connect(port, 'allwrite'),
      connect(port, 'postgres'),
      connect(port, 'bob'),
    ])
    await agent.query('SET session_replication_role = replica; SET search_path = pg_catalog')
    return { agent, user, bob }
  }
  const nodes: [TestNode, TestNode] = [await open(5431), await open(5432)]
  return {
    nodes,
    close: async () => {
      await Promise.all(nodes.flatMap((node) => [node.agent.end(), node.user.end(), node.bob.end()]))
      await Promise.all(servers.map((server) => server.stop('immediate')))
      rmSync(folder, { recursive: true, force: true })
      rmSync(runtime, { recursive: true, force: true })
    },
  }
}

/** Runs statements in one captured transaction, as a session does; resolves with its xid (null: nothing written). */
export const transact = async (client: Client, statements: readonly string[]): Promise<string | null> => {
  await client.query('BEGIN')
  try {
    for (const statement of statements) await client.query(statement)
    const unseen = await client.query<{ name: string | null }>('SELECT allwrite.unseen_writes() AS name')
    assert.equal(unseen.rows[0]?.name, null)
    const captured = await client.query<{ xid: string | null }>(`SELECT allwrite.capture('nonce') AS xid`)
    await client.query('COMMIT')
    return captured.rows[0]?.xid ?? null
  } catch (thrown) {
    await client.query('ROLLBACK')
    throw thrown
  }
}

/** The statements that a transaction journaled, in order. */
export const journaled = async (node: TestNode, xid: string | null): Promise<Rows> => {
  const { rows } = await node.agent.query<Record<string, unknown>>(
    `SELECT statement, role, settings::text, tables::text, kind FROM allwrite.ddl WHERE xid = ${literal(xid ?? '0')}::xid8 ORDER BY cmin::text::bigint`,
  )
  return rows
}

/** Brings a home transaction's statements, and the rows of `allwrite.sequence`, to the other node. */
export const carry = async (from: TestNode, xid: string | null, to: TestNode): Promise<void> => {
  const rows = await journaled(from, xid)
  await to.agent.query('BEGIN')
  try {
    for (const sql of applyPreamble) await to.agent.query(sql)
    for (const row of rows) {
      const columns = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)]))
      for (const sql of statementsFor(parseDdlRow(columns).statement)) await to.agent.query(sql)
    }
    await carrySequenceRows(from, to)
    for (const sql of applyEpilogue) await to.agent.query(sql)
    await to.agent.query('COMMIT')
  } catch (thrown) {
    await to.agent.query('ROLLBACK')
    throw thrown
  }
}

export const carrySequenceRows = async (from: TestNode, to: TestNode): Promise<void> => {
  const { rows } = await from.agent.query<{ all: string | null }>(
    'SELECT json_agg(s)::text AS all FROM allwrite.sequence s',
  )
  await to.agent.query(
    `DELETE FROM allwrite.sequence; INSERT INTO allwrite.sequence SELECT * FROM json_populate_recordset(NULL::allwrite.sequence, ${literal(rows[0]?.all ?? '[]')})`,
  )
}
