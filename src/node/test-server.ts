/**
 * One server as a node has it, for tests that need PostgreSQL: schema `allwrite`, publication, and a disabled subscription.
 *
 * @module
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { ensureOwned, initDatabase, locateBinaries, runtimeDir, serverIdentity } from '../postgres/index.ts'
import { installSchema } from './catalog/install.ts'
import { startCapture, type Capture, type CaptureOptions } from './capture/capture.ts'
import { agentRole, captureSettings, prepareSubscription, startServer, type LocalServer } from './server.ts'
import { connectBackend } from './session/backend.ts'

const password = 'not a secret'
const database = 'postgres'

export interface TestServer extends AsyncDisposable {
  readonly server: LocalServer
  /** Where the publisher's socket belongs: as PublisherOptions wants it. */
  readonly publisherSocket: string
  readonly spoolDir: string
  /** A connection like a session's: superuser, writing allowed. */
  connect(): Promise<pg.Client>
  capture(events?: Partial<CaptureOptions>): Promise<Capture>
  /** Ends the server as a power cut would, and starts it again on the same data; all connections are gone. */
  crash(): Promise<void>
}

export const startTestServer = async (): Promise<TestServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'node-'))
  chmodSync(folder, 0o711)
  const runtime = runtimeDir(folder)
  const publisherDir = `${runtime}p`
  mkdirSync(publisherDir, { recursive: true, mode: 0o700 })
  ensureOwned(publisherDir, serverIdentity())
  const spoolDir = join(folder, 'spool')
  mkdirSync(spoolDir)
  const home = join(folder, 'home')
  mkdirSync(home)
  chmodSync(home, 0o711)
  const templateDir = join(folder, 'template')
  const binaries = await locateBinaries()
  await initDatabase({ binaries, dataDir: templateDir, password, fsync: false })
  const start = (): Promise<LocalServer> =>
    startServer({
      pgBin: undefined,
      dataDir: join(home, 'data'),
      templateDir,
      socketDir: runtime,
      logFile: join(home, 'log'),
      fsync: false,
      sessionsMax: 20,
      database,
      agentPassword: password,
      onExit: () => undefined,
    })
  let server = await start()
  const clients: pg.Client[] = []
  const captures: Capture[] = []
  const connect = async (): Promise<pg.Client> => {
    const client = await server.connect('test')
    clients.push(client)
    // "$user" would be schema allwrite.
    await client.query('SET search_path = public')
    return client
  }
  const admin = await connect()
  await admin.query('SET session_replication_role = replica')
  await installSchema(admin, { agentSecret: 'sesame' })
  await prepareSubscription(admin, { publisherDir, publisherPort: 5433, publisherUser: 'n1' })
  await admin.query('INSERT INTO allwrite.heartbeat VALUES (1, 0) ON CONFLICT DO NOTHING')
  await admin.query('SELECT allwrite.settle()')

  const closeAll = async (): Promise<void> => {
    for (const capture of captures.splice(0)) capture.close()
    await Promise.allSettled(clients.splice(0).map((client) => client.end()))
  }

  return {
    get server() {
      return server
    },
    publisherSocket: join(publisherDir, '.s.PGSQL.5433'),
    spoolDir,
    connect,
    async capture(events = {}) {
      const backend = await connectBackend({
        socketPath: server.socketPath,
        user: agentRole,
        database,
        credentials: { kind: 'password', password },
        settings: captureSettings,
      })
      const capture = await startCapture({
        socket: backend.socket,
        slot: 'allwrite',
        publication: 'allwrite',
        spoolDir,
        wallClock: Date.now,
        onLost: () => undefined,
        onTripwire: () => undefined,
        onCommit: () => undefined,
        ...events,
      })
      captures.push(capture)
      return capture
    },
    async crash() {
      process.kill(server.postgres.pid, 'SIGKILL')
      await server.postgres.exited
      await closeAll()
      server = await start()
    },
    async [Symbol.asyncDispose]() {
      await closeAll()
      await server.postgres.stop('immediate')
      for (const dir of [folder, runtime, publisherDir]) rmSync(dir, { recursive: true, force: true })
    },
  }
}
