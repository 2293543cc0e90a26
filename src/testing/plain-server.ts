/**
 * One plain PostgreSQL server without Allwrite: the control in tests (what passes on a cluster must pass here) and the
 * baseline in benchmarks. Same binaries, locale and roles as a cluster's nodes.
 *
 * @module
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { superuser } from '../postgres/data-dir.ts'
import { initDatabase, locateBinaries, startPostgres } from '../postgres/index.ts'
import { freePorts } from './ports.ts'

export interface PlainServer extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly dir: string
}

/**
 * Starts a server in a temporary folder, with `trust` on loopback and fsync off.
 * @param settings more server settings
 */
export const startPlainServer = async (settings: Readonly<Record<string, string>> = {}): Promise<PlainServer> => {
  const binaries = await locateBinaries()
  const dir = mkdtempSync(join(tmpdir(), 'plain-'))
  chmodSync(dir, 0o755) // the server runs as another user when we are root
  const dataDir = join(dir, 'data')
  const remove = (): void => rmSync(dir, { recursive: true, force: true })
  try {
    await initDatabase({ binaries, dataDir, password: 'not used: trust', fsync: false })
    const port = await freePorts(1)
    const server = await startPostgres({
      binaries,
      dataDir,
      socketDir: join(dir, 's'),
      port,
      settings: {
        listen_addresses: '127.0.0.1',
        fsync: 'off',
        max_connections: '300',
        shared_buffers: '128MB',
        ...settings,
      },
      hba: ['host all all 127.0.0.1/32 trust'],
      logFile: join(dir, 'log'),
    })
    try {
      const admin = new Client({ host: '127.0.0.1', port, user: superuser, database: 'postgres' })
      await admin.connect()
      await admin.query('create role postgres login superuser createdb createrole replication bypassrls')
      await admin.end()
    } catch (error) {
      await server.stop('immediate')
      throw error
    }
    return {
      url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
      pid: server.pid,
      dir,
      [Symbol.asyncDispose]: async () => {
        await server.stop('fast')
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
