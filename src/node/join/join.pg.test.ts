import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { incarnation, nodeId, position, xid as toXid, type Xid } from '../../core/ids.ts'
import { MemoryJournal } from '../../journal/memory/memory.ts'
import { runtimeDir } from '../../postgres/index.ts'
import { continueLineage } from '../recovery/lineage.ts'
import { transactionCommitted } from '../recovery/progress.ts'
import { queryOf, startServer, type ServerOptions } from '../server.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import { adoptCopy } from './adopt.ts'
import { copyDonor, type CopyOptions } from './copy.ts'
import { readCopyMark } from './copy-mark.ts'
import { connectDonor, createVoucher, type Donor, type Voucher } from './donor.ts'
import { createJournalHold } from './journal-hold.ts'

const [n1, n3] = [nodeId(1), nodeId(3)]
const password = 'not a secret'
const database = 'postgres'
const folder = mkdtempSync(join(tmpdir(), 'join-'))
chmodSync(folder, 0o711)
const runtime = runtimeDir(folder)
let home: TestServer
let admin: pg.Client
let voucher: Voucher

before(async () => {
  home = await startTestServer()
  admin = await home.connect()
  await admin.query('SET session_replication_role = replica')
  await admin.query('CREATE TABLE t (id int PRIMARY KEY)')
  voucher = createVoucher()
})

after(async () => {
  await home?.[Symbol.asyncDispose]()
  for (const path of [folder, runtime]) rmSync(path, { recursive: true, force: true })
})

const donorFolder = join(folder, 'n1')
mkdirSync(donorFolder)
writeFileSync(join(donorFolder, 'verdicts'), 'what the donor remembers')

const connect = (): Promise<Donor | undefined> =>
  connectDonor(
    { node: n1, runtimeDir: dirname(home.server.socketPath), nodeDir: donorFolder },
    { database, agentSecret: password },
  )

const newHome = (): { nodeDir: string; dataDir: string } => {
  const nodeDir = mkdtempSync(join(folder, 'n'))
  chmodSync(nodeDir, 0o711)
  return { nodeDir, dataDir: join(nodeDir, 'pgdata') }
}

const copying = (paths: { nodeDir: string; dataDir: string }, journal = new MemoryJournal()): CopyOptions => ({
  ...paths,
  node: n3,
  fsync: false,
  copyRate: 1e9,
  journal,
  hold: createJournalHold(journal, n3),
  onProgress: () => undefined,
  now: () => performance.now(),
  signal: new AbortController().signal,
})

const serverOf = ({ dataDir, nodeDir }: { nodeDir: string; dataDir: string }): Omit<ServerOptions, 'onExit'> => ({
  pgBin: undefined,
  dataDir,
  templateDir: 'unused',
  socketDir: mkdtempSync(join(runtime, 's')),
  logFile: join(nodeDir, 'log'),
  fsync: false,
  sessionsMax: 20,
  database,
  agentPassword: password,
})

const xidOf = async (client: pg.Client): Promise<Xid> => {
  const { rows } = await client.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid')
  return toXid(BigInt(rows[0]?.xid ?? 0))
}

/** Inserts a row in a transaction; leaves it open. */
const begin = async (client: pg.Client, id: number): Promise<Xid> => {
  await client.query('BEGIN')
  await client.query('INSERT INTO t VALUES ($1)', [id])
  return xidOf(client)
}

test('no agent vouches: no donor', async () => {
  equal(await connect(), undefined)
})

test("a copy knows which of its donor's transactions it holds, by xid, and takes none of later ones for them (RULES 3)", async () => {
  const query = queryOf(admin)
  await voucher.begin(query)
  const five = incarnation(5)
  await continueLineage(query, { node: n1, incarnation: five }, new Map(), position(0))
  const committed = await begin(admin, 1)
  await admin.query('COMMIT')
  const running = await home.connect()
  const open = await begin(running, 2)

  const paths = newHome()
  const options = copying(paths)
  await using donor = await connect()
  ok(donor)
  await copyDonor(options, donor)
  options.hold[Symbol.dispose]()
  equal(readFileSync(join(paths.nodeDir, 'verdicts'), 'utf8'), 'what the donor remembers')
  equal(readCopyMark(paths.dataDir)?.donor, n1)
  await running.query('COMMIT')
  const later: Xid[] = []
  for (let id = 1000; id < 1050; id++) {
    later.push(await begin(admin, id))
    await admin.query('COMMIT')
  }

  const subscription = { publisherDir: join(folder, 'publisher'), publisherPort: 5433, publisherUser: 'n3' }
  const server = serverOf(paths)
  const adopt = (): Promise<void> => adoptCopy({ node: n3, server, subscription, onProgress: () => undefined })
  await adopt()
  equal(readCopyMark(paths.dataDir), undefined)
  // A crash before the mark was removed: all of it again.
  writeFileSync(join(paths.dataDir, 'allwrite.copy'), JSON.stringify({ donor: 1, verdictsAt: 0 }))
  await adopt()

  const copy = await startServer({ ...server, onExit: () => undefined })
  try {
    const client = await copy.connect('test')
    await client.query('SET session_replication_role = replica')
    const asked = queryOf(client)
    const lineage = await continueLineage(asked, { node: n3, incarnation: 1 }, new Map(), position(0))
    deepEqual((await client.query('SELECT id FROM t ORDER BY id')).rows, [{ id: 1 }])
    const here = async (of: Xid, by = five): Promise<boolean> =>
      lineage.holds(n1, by, of) && (await transactionCommitted(asked, of))
    equal(await here(committed), true)
    equal(lineage.holds(n1, five, open), true, 'it was given out before the copy ended')
    equal(await here(open), false)
    for (const one of later) equal(lineage.holds(n1, five, one), false)
    equal(await here(committed, incarnation(4)), false)
    equal(await here(committed, incarnation(6)), false)

    // The copy gives out the numbers that its donor has given out after it: asking the server alone would be wrong.
    const own = await begin(client, 10)
    await client.query('COMMIT')
    ok(later.includes(own), `${own} is none of ${later.join()}`)
    equal(await transactionCommitted(asked, own), true)
    equal(await here(own), false)
    equal(lineage.holds(n3, incarnation(1), own), true)

    const { rows } = await client.query<{ enabled: boolean; to: string }>(
      'SELECT subenabled AS enabled, subconninfo AS to FROM pg_subscription',
    )
    equal(rows[0]?.enabled, false)
    match(rows[0]?.to ?? '', /user=n3/)
  } finally {
    await copy.postgres.stop('immediate')
  }
})

test('the journal is told what the copy needs before it begins', async () => {
  const journal = new MemoryJournal()
  const paths = newHome()
  const options = copying(paths, journal)
  await using donor = await connect()
  ok(donor)
  const replication = donor.replication.bind(donor)
  const asked: unknown[] = []
  const watched: Donor = {
    ...donor,
    replication: (signal) => {
      asked.push(journal.reports.get(n3))
      return replication(signal)
    },
  }
  await copyDonor(options, watched)
  options.hold[Symbol.dispose]()
  deepEqual(asked, [0])
})

test('a donor that is found inconsistent while it is copied gives no copy, and the old folder stays', async () => {
  const paths = newHome()
  mkdirSync(paths.dataDir)
  writeFileSync(join(paths.dataDir, 'old'), '')
  writeFileSync(join(paths.nodeDir, 'verdicts'), 'old')
  await using donor = await connect()
  ok(donor)
  const options = copying(paths)
  const copied = copyDonor({ ...options, onProgress: () => voucher.end() }, donor)
  await rejects(copied, { code: 'unavailable', message: /inconsistent/ })
  options.hold[Symbol.dispose]()
  deepEqual(readdirSync(paths.dataDir), ['old'])
  equal(readFileSync(join(paths.nodeDir, 'verdicts'), 'utf8'), 'old')
  equal(existsSync(`${paths.dataDir}.partial`), false)
  equal(await connect(), undefined, 'nor another one')
})
