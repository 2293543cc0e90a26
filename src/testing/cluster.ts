/**
 * A whole cluster for a test, driven from outside as a user would: `bin/allwrite up --json` in a temporary folder.
 *
 * Contract
 * 1. `startCluster` resolves when the cluster said `ready`; every node accepts connections.
 * 2. Disposing stops it with SIGTERM, then *fails* if a process of it is left: leaving nothing behind is a promise of the
 *    product too. What is left is killed first, so that one failure does not spoil the next test.
 * 3. With ALLWRITE_TEST_CONTROL=1 all "nodes" are one plain PostgreSQL: a test that fails there is wrong itself (TESTING 5).
 *
 * Failure cases: a start that does not get ready rejects with what the supervisor printed.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { existingRuntimeDir } from '../postgres/index.ts'
import { fieldsOf } from './errors.ts'
import type { FakeClock } from './fake-clock.ts'
import { startPlainServer } from './plain-server.ts'
import { freePorts } from './ports.ts'
import { familyOf, isAlive, processesOf, signal } from './processes.ts'
import { run } from './tools.ts'
import { mountDisk, type SmallDisk } from './small-disk.ts'
import { until } from './wait.ts'

/** `bin/allwrite` of this checkout (compiled, this file is dist/testing/cluster.js); ALLWRITE_BIN names another. */
export const allwriteBin = process.env['ALLWRITE_BIN'] ?? fileURLToPath(new URL('../../bin/allwrite', import.meta.url))

/** Whether "cluster" means one plain PostgreSQL in this run. */
export const isControl = process.env['ALLWRITE_TEST_CONTROL'] === '1'

/** For node:test's `skip`: what needs several real nodes says nothing on the control. */
export const needsCluster: string | false = isControl ? 'the control is one plain server' : false

export interface NodeInfo {
  /** `n1` … */
  readonly id: string
  readonly url: string
  /** When the cluster was ready. */
  readonly state: string
  readonly agentPid: number
  readonly postgresPid: number
  readonly dataDir: string
}

export interface NodeStatus {
  readonly id: string
  readonly state: string
  readonly position: number
  /** Entries behind the journal. */
  readonly lag: number
  readonly agentPid: number | null
  readonly postgresPid: number | null
  /** Why it is as it is, where there is something to say. */
  readonly note?: string
}

/** A node's state as the supervisor told it, at once when it changed. */
export interface StateChange {
  readonly id: string
  readonly state: string
  /** performance.now(), ms. */
  readonly at: number
}

export interface ClusterOptions {
  readonly nodes?: number
  /** Ports are kept free for as many more. */
  readonly room?: number
  /** Off by default: tests of crashes of processes do not need it, only a crash of the machine would. */
  readonly fsync?: boolean
  /** Folders below the data folder that get a file system of their own, and its size, MiB: see {@link mountDisk}. */
  readonly disks?: Readonly<Record<string, number>>
  /** The wall clock that all processes look at. */
  readonly clock?: FakeClock
  /** More arguments of `allwrite up`. */
  readonly args?: readonly string[]
  readonly readyMsMax?: number
  /** `bin/allwrite` of another checkout. */
  readonly bin?: string
  /** In a process group of its own: Ctrl-C reaches only the caller, who then ends the cluster. */
  readonly detached?: boolean
  /** Starts with copies of these parts of another cluster's folder; all of it where none are named. */
  readonly from?: { readonly dir: string; readonly parts?: readonly string[] }
}

export interface Cluster extends AsyncDisposable {
  /** The `--data` folder. */
  readonly dir: string
  /** The cluster endpoint's URL. */
  readonly url: string
  /** Ascending by number. */
  readonly nodes: readonly NodeInfo[]
  /** The supervisor's process. */
  readonly pid: number
  /** URL of `n<number>`. */
  urlOf(number: number): string
  /** A connected client of node `number`, in another database than the first if one is named; the caller ends it. */
  connect(number: number, database?: string): Promise<Client>
  /** By the HTTP API; as old as the nodes' last words, some 250 ms. */
  status(): Promise<readonly NodeStatus[]>
  /** What was told of the nodes' states so far; grows. */
  readonly changes: readonly StateChange[]
  /** Runs another command of `allwrite` on this folder, such as `['kill', 'n2']`; rejects unless it exits with 0. */
  command(args: readonly string[]): Promise<string>
  /** As in the options. */
  readonly clock: FakeClock | undefined
  /** The file systems that the options asked for, by folder. */
  readonly disks: ReadonlyMap<string, SmallDisk>
  /** Asks which nodes there are: after `add` and `remove`. */
  reload(): Promise<void>
  /** Process id of the journal. */
  journalPid(): number
  /** SIGKILL to the supervisor and every process of the cluster; resolves when all are gone. */
  killEverything(): Promise<void>
  /** `up` again on the same folder, after `killEverything` or `stop`. */
  restart(): Promise<void>
  /** SIGTERM to the supervisor; resolves when it has ended. */
  stop(): Promise<void>
}

interface ReadyEvent {
  readonly event: 'ready'
  readonly cluster: string
  readonly http: string
  readonly nodes: readonly NodeInfo[]
}

type SupervisorEvent =
  | ReadyEvent
  | { readonly event: 'node'; readonly id: string; readonly state: string }
  | { readonly event: 'progress' | 'stopped' }

interface Running {
  readonly child: ChildProcess
  readonly ready: ReadyEvent
}

/** Lines of output kept for the message of a failed start. */
const outputLinesMax = 60

interface LaunchOptions {
  readonly bin: string
  readonly dir: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly readyMsMax: number
  readonly detached: boolean
  /** Gets what is told of the nodes. */
  readonly changes: StateChange[]
}

const launch = async ({ bin, dir, args, env, readyMsMax, detached, changes }: LaunchOptions): Promise<Running> => {
  const child = spawn(bin, ['up', '--data', dir, '--json', ...args], {
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const lines: string[] = []
  const keep = (line: string): void => {
    lines.push(line)
    if (lines.length > outputLinesMax) lines.shift()
    if (process.env['ALLWRITE_TEST_VERBOSE'] === '1') process.stderr.write(`  | ${line}\n`)
  }
  let ready: ReadyEvent | undefined
  let ended: string | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    keep(line)
    const event: SupervisorEvent = JSON.parse(line)
    if (event.event === 'ready') ready = event
    if (event.event === 'node') changes.push({ id: event.id, state: event.state, at: performance.now() })
  })
  createInterface({ input: child.stderr }).on('line', keep)
  child.once('error', (error) => (ended = error.message))
  child.once('exit', (code, name) => (ended = `exit ${code ?? name}`))
  try {
    const event = await until('allwrite up is ready', () => ready ?? (ended !== undefined && ('ended' as const)), {
      msMax: readyMsMax,
    })
    if (event === 'ended') throw new Error(`allwrite up ended: ${ended}`)
    return { child, ready: event }
  } catch (error) {
    await killAll(dir, child.pid)
    throw new Error(`${fieldsOf(error).message}\n${lines.join('\n')}`, { cause: error })
  }
}

/** Owners and modes stay as they are: the servers' files are not the agents'. */
const copyParts = (dir: string, { dir: from, parts }: NonNullable<ClusterOptions['from']>): void => {
  if (parts === undefined) {
    execFileSync('cp', ['-a', from, dir])
    return
  }
  // By its `run` the folder is known as a cluster's.
  mkdirSync(join(dir, 'run'), { recursive: true, mode: 0o711 })
  chmodSync(dir, 0o711)
  execFileSync('cp', ['-a', ...parts.map((part) => join(from, part)), dir])
  // Of a cluster that runs: the lock is the other journal's.
  rmSync(join(dir, 'journal', 'lock'), { force: true })
}

const killAll = async (dir: string, supervisor: number | undefined): Promise<void> => {
  const roots = supervisor === undefined ? [] : [supervisor]
  // The first look finds the family while its parents live; the second catches a child started in between.
  for (const { pid } of processesOf(dir, roots)) signal(pid, 'SIGKILL')
  await until('all processes of the cluster are gone', () => {
    const left = processesOf(dir, roots)
    for (const { pid } of left) signal(pid, 'SIGKILL')
    return left.length === 0
  })
}

const connectTo = async (connectionString: string, database?: string): Promise<Client> => {
  const url = new URL(connectionString)
  if (database !== undefined) url.pathname = encodeURIComponent(database)
  const client = new Client({ connectionString: url.href })
  // A node that dies closes its clients' connections; the test sees that in its next query.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** A connection of its own for each question: none may outlive a supervisor that is killed. */
const readStatus = (api: string): Promise<readonly NodeStatus[]> =>
  new Promise((resolve, reject) => {
    const request = get(`${api}/status`, { agent: false, timeout: 60_000 }, (response) => {
      text(response)
        .then((body) => {
          const { nodes }: { readonly nodes: readonly NodeStatus[] } = JSON.parse(body)
          resolve(nodes)
        })
        .catch(reject)
    })
    request.once('timeout', () => request.destroy(new Error('the supervisor does not answer')))
    request.once('error', reject)
  })

/**
 * Starts a cluster in a temporary folder on free ports.
 * @throws Error with the supervisor's output when it does not get ready
 */
export const startCluster = async (options: ClusterOptions = {}): Promise<Cluster> => {
  const nodeCount = options.nodes ?? 4
  if (isControl) return startControl(nodeCount)
  const root = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
  chmodSync(root, 0o755) // the servers run as another user when we are root
  const dir = join(root, 'data')
  // The endpoint is at the base, nodes at base + 11 …; all between belong to the cluster.
  const basePort = await freePorts(11 + nodeCount + (options.room ?? 0))
  const fixed = ['--nodes', String(nodeCount), '--base-port', String(basePort)]
  const args = [
    ...fixed,
    '--fsync',
    options.fsync === true ? 'on' : 'off',
    ...(options.clock?.args ?? []),
    ...(options.args ?? []),
  ]
  const readyMsMax = options.readyMsMax ?? 120_000
  const bin = options.bin ?? allwriteBin
  const changes: StateChange[] = []
  const launching: LaunchOptions = {
    bin,
    dir,
    args,
    env: options.clock?.env ?? {},
    readyMsMax,
    detached: options.detached === true,
    changes,
  }
  const disks = new Map<string, SmallDisk>()
  let running: Running
  try {
    // A folder that holds other things than a cluster's is refused.
    if (options.disks) mkdirSync(join(dir, 'run'), { recursive: true, mode: 0o711 })
    for (const [folder, mebibytes] of Object.entries(options.disks ?? {})) {
      disks.set(folder, mountDisk(join(dir, folder), mebibytes))
    }
    if (options.from !== undefined) copyParts(dir, options.from)
    running = await launch(launching)
  } catch (error) {
    for (const disk of disks.values()) disk.unmount()
    rmSync(root, { recursive: true, force: true })
    throw error
  }

  const command = async (words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(bin, [...words, '--data', dir], { msMax: 60_000 })
    if (code !== 0) throw new Error(`allwrite ${words.join(' ')}: exit ${code}\n${stderr}`)
    return stdout
  }
  const nodeOf = (number: number): NodeInfo => {
    const node = running.ready.nodes.find(({ id }) => id === `n${number}`)
    if (node === undefined) throw new Error(`the cluster has no node n${number}`)
    return node
  }
  const stop = async (): Promise<void> => {
    const pid = running.child.pid ?? 0
    signal(pid, 'SIGTERM')
    await until('allwrite up has ended after SIGTERM', () => !isAlive(pid), { msMax: 60_000 })
  }
  return {
    dir,
    get url() {
      return running.ready.cluster
    },
    get nodes() {
      return running.ready.nodes
    },
    get pid() {
      return running.child.pid ?? 0
    },
    urlOf: (number) => nodeOf(number).url,
    connect: (number, database) => connectTo(nodeOf(number).url, database),
    status: () => readStatus(running.ready.http),
    changes,
    clock: options.clock,
    disks,
    command,
    reload: async () => {
      const { nodes }: ReadyEvent = JSON.parse(await command(['status', '--json']))
      running = { ...running, ready: { ...running.ready, nodes } }
    },
    journalPid: () => {
      const journal = familyOf([running.child.pid ?? 0]).find(({ command }) => /main\/journal\.(js|ts)\b/.test(command))
      if (journal === undefined) throw new Error('no journal process is running')
      return journal.pid
    },
    killEverything: () => killAll(dir, running.child.pid),
    restart: async () => {
      running = await launch(launching)
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      let left: string[] = []
      try {
        if (isAlive(running.child.pid ?? 0)) await stop()
        left = processesOf(dir).map(({ pid, command }) => `${pid} ${command}`)
      } finally {
        await killAll(dir, running.child.pid)
        for (const disk of disks.values()) disk.unmount()
        // A cluster that was killed has not removed it.
        const sockets = existingRuntimeDir(dir)
        if (sockets !== undefined) rmSync(sockets, { recursive: true, force: true })
        rmSync(root, { recursive: true, force: true })
      }
      if (left.length > 0) throw new Error(`allwrite left processes behind:\n${left.join('\n')}`)
    },
  }
}

const startControl = async (nodeCount: number): Promise<Cluster> => {
  const server = await startPlainServer()
  const info = { url: server.url, state: 'serving', agentPid: server.pid, postgresPid: server.pid, dataDir: server.dir }
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({ id: `n${index + 1}`, ...info }))
  const notHere = (): never => {
    throw new Error('not on the control: skip the test with needsCluster')
  }
  return {
    dir: server.dir,
    url: server.url,
    nodes,
    pid: server.pid,
    urlOf: () => server.url,
    connect: (_number, database) => connectTo(server.url, database),
    status: () =>
      Promise.resolve(
        nodes.map(({ id, agentPid, postgresPid }) => ({
          id,
          state: 'serving',
          position: 0,
          lag: 0,
          agentPid,
          postgresPid,
        })),
      ),
    changes: [],
    clock: undefined,
    disks: new Map(),
    command: notHere,
    reload: notHere,
    journalPid: notHere,
    killEverything: notHere,
    restart: notHere,
    stop: notHere,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
