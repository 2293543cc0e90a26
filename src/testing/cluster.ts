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
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { fieldsOf } from './errors.ts'
import { startPlainServer } from './plain-server.ts'
import { freePorts } from './ports.ts'
import { familyOf, isAlive, processesOf, signal } from './processes.ts'
import { run } from './tools.ts'
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
}

export interface ClusterOptions {
  readonly nodes?: number
  /** Ports are kept free for as many more. */
  readonly room?: number
  /** Off by default: tests of crashes of processes do not need it, only a crash of the machine would. */
  readonly fsync?: boolean
  /** More arguments of `allwrite up`. */
  readonly args?: readonly string[]
  readonly readyMsMax?: number
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
  /** A connected client of node `number`; the caller ends it. */
  connect(number: number): Promise<Client>
  status(): Promise<readonly NodeStatus[]>
  /** Runs another command of `allwrite` on this folder, such as `['kill', 'n2']`; rejects unless it exits with 0. */
  command(args: readonly string[]): Promise<string>
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
  readonly nodes: readonly NodeInfo[]
}

type SupervisorEvent = ReadyEvent | { readonly event: 'progress' | 'node' | 'stopped' }

interface Running {
  readonly child: ChildProcess
  readonly ready: ReadyEvent
}

/** Lines of output kept for the message of a failed start. */
const outputLinesMax = 60

const launch = async (dir: string, args: readonly string[], readyMsMax: number): Promise<Running> => {
  const child = spawn(allwriteBin, ['up', '--data', dir, '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
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

const connectTo = async (connectionString: string): Promise<Client> => {
  const client = new Client({ connectionString })
  // A node that dies closes its clients' connections; the test sees that in its next query.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

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
  const args = [...fixed, '--fsync', options.fsync === true ? 'on' : 'off', ...(options.args ?? [])]
  const readyMsMax = options.readyMsMax ?? 120_000
  let running: Running
  try {
    running = await launch(dir, args, readyMsMax)
  } catch (error) {
    rmSync(root, { recursive: true, force: true })
    throw error
  }

  const command = async (words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(allwriteBin, [...words, '--data', dir], { msMax: 60_000 })
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
    connect: (number) => connectTo(nodeOf(number).url),
    status: async () => {
      const status: { readonly nodes: readonly NodeStatus[] } = JSON.parse(await command(['status', '--json']))
      return status.nodes
    },
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
      running = await launch(dir, args, readyMsMax)
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      let left: string[] = []
      try {
        if (isAlive(running.child.pid ?? 0)) await stop()
        left = processesOf(dir).map(({ pid, command }) => `${pid} ${command}`)
      } finally {
        await killAll(dir, running.child.pid)
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
    connect: () => connectTo(server.url),
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
    command: notHere,
    reload: notHere,
    journalPid: notHere,
    killEverything: notHere,
    restart: notHere,
    stop: notHere,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
