/**
 * The supervisor of a cluster on one machine: what `allwrite up` runs.
 *
 * Contract
 * 1. Start: lock, leftovers of a killed predecessor ended, ports free, template, journal, agents side by side, proxy.
 *    Resolves when the cluster is up (start-nodes.ts). A failure on the way stops what was started, and says why.
 * 2. A process that dies is started again, with growing pauses; a node taken down by `kill` or `stop` stays down.
 * 3. The proxies hear at once (cluster-api.ts) which nodes serve and which are dead; an agent that says nothing for 1.25 s gets no new connection where
 *    another serves, and after 5 s counts as dead.
 * 4. Nodes come, go and are restarted one operation at a time (operations.ts), while the others serve.
 * 5. Stop: proxy, agents, journal, each with a bound, then SIGKILL. No process and no socket stays behind.
 *
 * The supervisor holds no state that data depends on: killed at any moment, its successor goes on from the folder.
 *
 * @module
 */
import { existsSync, rmSync } from 'node:fs'
import { AllwriteError } from '../core/errors.ts'
import { locateBinaries, runtimeDir } from '../postgres/index.ts'
import { newerPin, type ClusterView, type Pin, type ProxyStatus } from '../proxy/index.ts'
import { createChild, type Child } from './child.ts'
import { makeClusterDir, openClusterDir, pathsOf, urlsOf, type ClusterDir } from './cluster-dir.ts'
import { serveClusterApi, type ClusterApi } from './cluster-api.ts'
import { clusterView } from './cluster-view.ts'
import { serveControl, type Tell } from './control-server.ts'
import type { Reporter } from './events.ts'
import type { ChildMessage } from './ipc.ts'
import { writeJson } from './json.ts'
import { lockCluster } from './lock.ts'
import { clusterMetrics, nodeMetrics, proxyMetrics } from './metrics.ts'
import { createNodeSlot, type NodeSlot } from './node-slot.ts'
import { createOperations, drainMs, slotOf, type Operations } from './operations.ts'
import { endpointPorts, listenHost, nodePort, type UpOptions } from './options.ts'
import { endOrphans, removePidFile, writePidFile } from './pid-files.ts'
import { requireFreePorts } from './ports.ts'
import { proxyConfig, proxyJson } from './proxy-config.ts'
import { startNodes } from './start-nodes.ts'
import type { ClusterStatus } from './status.ts'
import { makeTemplate, type PrepareTemplate } from './template.ts'

/** Compiled entry points of the processes. */
export interface Programs {
  readonly journal: string
  readonly agent: string
  readonly proxy: string
  readonly prepareTemplate?: PrepareTemplate
}

export interface Supervisor {
  status(): ClusterStatus
  /** Orderly and complete; the second call waits for the first. */
  stop(): Promise<void>
  /** SIGKILL to the proxy's, agents', servers' and journal's processes: for the impatient. */
  kill(): Promise<void>
  /** SIGKILL to a node's agent and server; it stays down. */
  killNode(id: number): Promise<void>
  stopNode(id: number): Promise<void>
  /** Resolves when it is ready again; at once if it runs. */
  startNode(id: number): Promise<void>
  /** One after the other; resolves when all serve. */
  addNodes(count: number, tell: Tell): Promise<void>
  /** For good: see {@link Operations}. */
  removeNode(id: number, tell: Tell): Promise<void>
  /** One after the other; those named, or all that run. */
  restartNodes(ids: readonly number[] | undefined, pgBin: string | undefined, tell: Tell): Promise<void>
  /** New sessions go elsewhere, and those that are there end with their transactions; resolves when all have, or after a while. */
  drainNode(id: number, tell: Tell): Promise<void>
  undrainNode(id: number): void
  /** Proxies hold new work back, or let it go. */
  setPaused(wanted: boolean): void
  /** Resolves when it was stopped, by whomever. */
  readonly stopped: Promise<void>
}

/** Bounds of an orderly stop, ms: an agent waits for its server's checkpoint (20 s at most), the journal for one sync. */
const stopWithinMs = { proxy: 2_000, agent: 25_000, journal: 5_000 } as const

/** How often silence is looked for, ms. */
const lookEveryMs = 250

/**
 * Starts a cluster.
 * @param signal gives the start up; what was started is stopped
 * @throws AllwriteError configuration | postgres | unavailable | cancelled
 */
export async function startSupervisor(
  options: UpOptions,
  programs: Programs,
  report: Reporter,
  signal?: AbortSignal,
): Promise<Supervisor> {
  const dir = makeClusterDir(options.dir)
  const lock = await lockCluster(dir)
  try {
    writePidFile(dir, 'supervisor', process.pid, process.argv[1] ?? 'allwrite')
    return await startLocked(dir, lock, options, programs, report, signal)
  } catch (thrown) {
    removePidFile(dir, 'supervisor')
    await lock[Symbol.asyncDispose]()
    throw thrown
  }
}

/** The kernel clears the sockets of processes that were just ended, ms. */
const orphanPortsMsMax = 3_000

async function startLocked(
  dir: string,
  lock: AsyncDisposable,
  options: UpOptions,
  programs: Programs,
  report: Reporter,
  signal: AbortSignal | undefined,
): Promise<Supervisor> {
  const orphans = await endOrphans(dir)
  if (orphans.length > 0) report({ event: 'progress', text: `ended what an earlier run left: ${orphans.join(', ')}` })
  const cluster = openClusterDir(dir, options)
  const { basePort, members } = cluster.file
  if (options.nodes !== undefined && options.nodes !== members.length) {
    const text = `the cluster has ${members.length} nodes: --nodes is for a new one, "allwrite add" and "allwrite remove" change it`
    report({ event: 'progress', text })
  }
  const ports = [
    ...Object.values(endpointPorts(basePort)),
    ...options.endpoints.map(({ port }) => port),
    ...members.map((node) => nodePort(basePort, node)),
  ]
  await requireFreePorts(listenHost, ports, orphans.length > 0 ? orphanPortsMsMax : 0)
  for (const path of [options.tlsCert, options.tlsKey]) {
    if (path !== null && !existsSync(path)) throw new AllwriteError('configuration', `there is no file "${path}"`)
  }
  const binaries = await locateBinaries(options.pgBin)
  if (!existsSync(pathsOf(dir).template))
    report({ event: 'progress', text: `PostgreSQL ${binaries.version}: making the database` })
  await makeTemplate(cluster, binaries, programs.prepareTemplate)
  const runtime = runtimeDir(dir)
  const sockets = { journal: `${runtime}/journal.sock`, control: `${runtime}/control.sock` }

  const journal = helperProcess(cluster, 'journal', programs.journal, report, {
    dir: pathsOf(dir).journal,
    socketPath: sockets.journal,
    ...(options.journalRetainBytes === undefined ? {} : { retainBytes: options.journalRetainBytes }),
    ...(options.journalCapBytes === undefined ? {} : { capBytes: options.journalCapBytes }),
    ...(options.journalSegmentBytes === undefined ? {} : { segmentBytes: options.journalSegmentBytes }),
  })
  const slots = new Map<number, NodeSlot>()
  const watchers = new Set<() => void>()
  let supervisor: Startable | undefined
  const listeners = new Set<Reporter>()
  const changed = () => {
    supervisor?.changed()
    for (const look of watchers) look()
  }
  let proxyStatus: ProxyStatus | undefined
  const proxy = helperProcess(
    cluster,
    'proxy',
    programs.proxy,
    report,
    proxyJson(proxyConfig(cluster, options)),
    (message) => {
      if (message.type === 'proxy') proxyStatus = message.status
    },
  )
  const makeSlot = (id: number, pgBin: string | null): NodeSlot =>
    createNodeSlot({
      id,
      cluster,
      options,
      program: programs.agent,
      runtimeDir: runtime,
      journalSocket: sockets.journal,
      report: (event) => {
        report(event)
        for (const listener of listeners) listener(event)
      },
      pgBin,
      onChange: changed,
    })
  for (const id of members) slots.set(id, makeSlot(id, options.pgBin))
  const operations = createOperations({
    cluster,
    slots,
    makeSlot,
    pgBin: options.pgBin,
    runtimeDir: runtime,
    journalSocket: sockets.journal,
    isUp: () => supervisor?.status().state === 'up',
    onMembers: changed,
    listen: (node, tell) =>
      joined(listeners, (event) => {
        if (event.event === 'progress' && event.node === node) tell(`${node}: ${event.text}`)
      }),
    stopWithinMs: stopWithinMs.agent,
  })

  supervisor = build({
    cluster,
    options,
    slots,
    operations,
    journal,
    proxy,
    proxyStatus: () => proxyStatus,
    report,
    lock,
    runtime,
  })
  const started = supervisor
  const onAbort = () => void started.stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    signal?.throwIfAborted()
    await started.serveControl(sockets.control)
    await started.serveHttp()
    report({ event: 'progress', text: 'starting the journal' })
    await journal.start()
    signal?.throwIfAborted()
    report({ event: 'progress', text: `starting ${slots.size} node${slots.size === 1 ? '' : 's'}` })
    const onChange = (look: () => void) => joined(watchers, look)
    await startNodes([...slots.values()], { isNew: cluster.isNew, report, onChange })
    signal?.throwIfAborted()
    await proxy.start()
    started.up()
    return started
  } catch (thrown) {
    await started.stop()
    throw signal?.aborted ? new AllwriteError('cancelled', 'the start was cancelled') : thrown
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

interface Parts {
  readonly cluster: ClusterDir
  readonly options: UpOptions
  readonly slots: ReadonlyMap<number, NodeSlot>
  readonly operations: Operations
  readonly journal: Child
  readonly proxy: Child
  readonly proxyStatus: () => ProxyStatus | undefined
  readonly report: Reporter
  readonly lock: AsyncDisposable
  readonly runtime: string
}

interface Startable extends Supervisor {
  serveControl(socketPath: string): Promise<void>
  serveHttp(): Promise<void>
  /** A node's state, or the members. */
  changed(): void
  up(): void
}

function build(parts: Parts): Startable {
  const { cluster, options, slots, operations, journal, proxy, report, lock, runtime } = parts
  const all = (): readonly NodeSlot[] => [...slots.values()]
  const urls = urlsOf(cluster)
  let state: ClusterStatus['state'] = 'starting'
  let stopping: Promise<void> | undefined
  let control: AsyncDisposable | undefined
  let api: ClusterApi | undefined
  let paused = false
  const timer = setInterval(() => all().forEach((slot) => slot.look()), lookEveryMs)
  let resolveStopped: () => void = () => undefined
  const stopped = new Promise<void>((resolve) => (resolveStopped = resolve))

  const pin = (): Pin => all().reduce((newest, { word }) => newerPin(newest, word?.pinned ?? newest), noPin)

  const status = (): ClusterStatus => {
    const journalPosition = Math.max(0, ...all().map((slot) => slot.journalPosition))
    const { epoch, node } = pin()
    return {
      state,
      dir: cluster.dir,
      pid: process.pid,
      cluster: urls.cluster,
      reader: urls.reader,
      proxy: urls.proxy,
      http: urls.http,
      endpoints: options.endpoints.map(({ name, kind, port }) => ({ name, kind, url: urls.at(port) })),
      paused,
      pinned: epoch === 0 ? null : { epoch, node: `n${node}` },
      journalPosition,
      nodes: all().map((slot) => slot.status(journalPosition)),
    }
  }

  const view = (): ClusterView =>
    clusterView(all(), { basePort: cluster.file.basePort, pin: pin(), paused, tls: options.tlsCert !== null })

  const metrics = (): string => {
    const { journalPosition, nodes } = status()
    const samples = all().map((slot, index) => ({
      name: slot.name,
      state: slot.state,
      draining: slot.draining,
      position: nodes[index]?.position ?? 0,
      lag: nodes[index]?.lag ?? 0,
      sessions: nodes[index]?.sessions ?? 0,
      counts: slot.word?.counts ?? [],
    }))
    const proxyStatus = parts.proxyStatus()
    return [
      clusterMetrics({ journalPosition, paused, pinned: pin() }),
      nodeMetrics(samples),
      proxyStatus === undefined ? '' : proxyMetrics(proxyStatus),
    ].join('')
  }

  const finish = async () => {
    clearInterval(timer)
    await control?.[Symbol.asyncDispose]()
    await api?.[Symbol.asyncDispose]()
    rmSync(runtime, { recursive: true, force: true })
    removePidFile(cluster.dir, 'supervisor')
    await lock[Symbol.asyncDispose]()
    report({ event: 'stopped' })
    resolveStopped()
  }

  const stopInOrder = async () => {
    state = 'stopping'
    report({ event: 'progress', text: 'stopping' })
    // Each step whatever became of the one before: what can be ended is ended.
    const failures: unknown[] = []
    const settle = async (steps: readonly Promise<void>[]) => {
      for (const result of await Promise.allSettled(steps)) {
        if (result.status === 'rejected') failures.push(result.reason)
      }
    }
    await settle([proxy.stop(stopWithinMs.proxy)])
    await settle(all().map((slot) => slot.stop(stopWithinMs.agent)))
    await settle([journal.stop(stopWithinMs.journal)])
    await finish()
    if (failures.length > 0) throw failures[0]
  }
  const stop = () => (stopping ??= stopInOrder())

  const kill = async () => {
    state = 'stopping'
    // An orderly stop that is under way goes on with processes that are gone already.
    await Promise.allSettled([proxy.kill(), ...all().map((slot) => slot.kill()), journal.kill()])
    await stop()
  }

  const supervisor: Startable = {
    status,
    stop,
    kill,
    stopped,
    killNode: async (id) => slotOf(slots, id).kill(),
    stopNode: async (id) => slotOf(slots, id).stop(stopWithinMs.agent, drainMs),
    addNodes: (count, tell) => operations.add(count, tell),
    removeNode: (id, tell) => operations.remove(id, tell),
    restartNodes: (ids, pgBin, tell) => operations.restart(ids, pgBin, tell),
    drainNode: (id, tell) => operations.drain(id, tell),
    undrainNode: (id) => operations.undrain(id),
    setPaused(wanted) {
      paused = wanted
      api?.changed()
    },
    startNode: async (id) => {
      const slot = slotOf(slots, id)
      if (state !== 'up') throw new AllwriteError('unavailable', `the cluster is ${state}`)
      if (!slot.child.wanted) await slot.start()
    },
    async serveControl(socketPath) {
      control = await serveControl(socketPath, supervisor)
    },
    async serveHttp() {
      api = await serveClusterApi({
        host: listenHost,
        port: endpointPorts(cluster.file.basePort).http,
        status,
        view,
        metrics,
        // Whoever asks over HTTP need not wait: the status tells how many sessions are left.
        setDraining: async (id, wanted) => {
          if (!wanted) return operations.undrain(id)
          slotOf(slots, id)
          await Promise.race([operations.drain(id, () => undefined), new Promise((resolve) => setImmediate(resolve))])
        },
        setPaused: (wanted) => supervisor.setPaused(wanted),
      })
    },
    changed: () => api?.changed(),
    up() {
      state = 'up'
      report({ event: 'ready', ...status() })
    },
  }
  return supervisor
}

/** The journal and the proxy: one process each, with a configuration file in DIR. */
function helperProcess(
  cluster: ClusterDir,
  name: 'journal' | 'proxy',
  program: string,
  report: Reporter,
  config: object,
  onMessage?: (message: ChildMessage) => void,
): Child {
  const configPath = `${cluster.dir}/${name}.json`
  writeJson(configPath, config)
  return createChild({
    name,
    program,
    configPath,
    logFile: `${cluster.dir}/${name}.log`,
    stopBy: 'signal',
    onStart: (pid) => writePidFile(cluster.dir, name, pid, configPath),
    onMessage: (message) => {
      onMessage?.(message)
      if (message.type === 'fatal') report({ event: 'progress', text: `${name}: ${message.message}` })
    },
    onEnd: (how, wanted) => {
      removePidFile(cluster.dir, name)
      if (!wanted) report({ event: 'progress', text: `the ${name} ended unexpectedly (${how}), starting it again` })
    },
  })
}

/** Puts a value into a set, until the result is called. */
function joined<T>(set: Set<T>, value: T): () => void {
  set.add(value)
  return () => void set.delete(value)
}

const noPin: Pin = { epoch: 0, node: 0 }
