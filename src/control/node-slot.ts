/**
 * One node as the supervisor sees it: its agent process, its last word, and what that means for clients.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { nodeId } from '../core/ids.ts'
import { endLeftover } from '../postgres/index.ts'
import type { AgentConfig } from './agent-config.ts'
import { createChild, type Child } from './child.ts'
import { makeNodeFolder, pathsOf, urlsOf, type ClusterDir } from './cluster-dir.ts'
import type { Reporter } from './events.ts'
import { hungMsMax, silentMsMax, type AgentStatus, type ChildMessage } from './ipc.ts'
import { writeJson } from './json.ts'
import { appUser, database, listenHost, nodePort, type UpOptions } from './options.ts'
import { removePidFile, writePidFile } from './pid-files.ts'
import type { NodeState, NodeStatus } from './status.ts'

export interface NodeSlot {
  readonly id: number
  readonly name: string
  readonly child: Child
  /** Starts the agent; resolves when it is ready. Ends what an earlier one left first. */
  start(): Promise<void>
  /**
   * Orderly: no new sessions; those that are there end with their transaction, or when `drainMs` are over; the agent ends its
   * server. Killed after `withinMs` more; then the server is ended here.
   */
  stop(withinMs: number, drainMs?: number): Promise<void>
  /** `stop`, then `start`, with other PostgreSQL programs where they are named. @throws AllwriteError cancelled if something else stopped it too */
  restart(withinMs: number, drainMs: number, pgBin?: string): Promise<void>
  /** SIGKILL to the agent and its server, at once. */
  kill(): Promise<void>
  status(journalPosition: number): NodeStatus
  readonly state: NodeState
  /** To be left: asked to be, or it stops. */
  readonly draining: boolean
  /** Its sessions are to go elsewhere until further notice; a restart of its agent does not end that. */
  setDraining(wanted: boolean): void
  /** What its agent has said last; undefined: nothing since it began. */
  readonly word: AgentStatus | undefined
  /** Reports the state if it changed since last told. */
  look(): void
  /** The members have changed: the agent finds its peers in its configuration. */
  writeConfig(): void
  readonly journalPosition: number
}

export interface NodeSlotOptions {
  readonly id: number
  readonly cluster: ClusterDir
  readonly options: UpOptions
  readonly program: string
  readonly runtimeDir: string
  readonly journalSocket: string
  readonly report: Reporter
  /** The PostgreSQL programs; null: the npm package's. */
  readonly pgBin: string | null
  /** Whether it serves or lives has changed. */
  readonly onChange: () => void
}

/** Start-up texts of an agent that the user sees; after that they are in its log. */
type LastWord = { readonly status: AgentStatus; readonly at: number } | undefined

/** How long the proxies have to leave a node before its agent ends what is left, ms. */
const drainNoticeMs = 500

export function createNodeSlot(slot: NodeSlotOptions): NodeSlot {
  const { id, cluster, report } = slot
  const name = `n${id}`
  const paths = pathsOf(cluster.dir)
  const folder = paths.node(id)
  const configPath = `${folder}/agent.json`
  const url = urlsOf(cluster).node(id)
  let last: LastWord
  let postgresPid: number | null = null
  let told: NodeState = 'down'
  /** Why its agent could not go on, until one is ready again. */
  let failure: string | undefined
  /** Ready means serving until it says otherwise: the first status may come half a second later. */
  let ready = false
  /** The latest words of a start that takes a peer's data, or a long piece of the journal. */
  let joining: string | undefined
  /** It was asked to stop: nobody new is sent there. */
  let stopping = false
  let draining = false
  let drainTimer: NodeJS.Timeout | undefined
  let { pgBin } = slot

  const state = (): NodeState => {
    if (child.pid === undefined) return 'down'
    if (stopping) return 'stopping'
    if (!last) return ready ? 'serving' : joining === undefined ? 'starting' : 'joining'
    // A node without its server is as good as silent: it can't read, and its commits wait.
    const silentMs = Math.max(performance.now() - last.at, last.status.serverSilentMs)
    if (silentMs > hungMsMax) return 'hung'
    const { state: word } = last.status
    // Of a node that would not serve anyway, its own word says more.
    const wouldServe = word === 'serving' || word === 'catching_up'
    return silentMs > silentMsMax && wouldServe ? 'silent' : word
  }

  const noteNow = () => last?.status.note ?? (ready ? undefined : (failure ?? joining))

  const look = () => {
    const now = state()
    if (now === told) return
    told = now
    const note = noteNow()
    report({ event: 'node', id: name, state: now, ...(note === undefined ? {} : { note }) })
    slot.onChange()
  }

  const onMessage = (message: ChildMessage) => {
    if (message.type === 'progress') {
      if (message.joining || joining !== undefined) joining = message.text
      report({ event: 'progress', node: name, text: message.text })
    }
    if (message.type === 'fatal') {
      failure = message.message
      report({ event: 'progress', node: name, text: message.message })
    }
    if (message.type === 'ready') {
      ready = true
      failure = undefined
      postgresPid = message.postgresPid
      if (draining) child.send({ type: 'drain', wanted: true })
    }
    if (message.type === 'status') {
      last = { status: message, at: performance.now() }
      postgresPid = message.postgresPid ?? postgresPid
    }
    look()
  }

  /** What was known is of another process. */
  const forget = () => {
    last = undefined
    ready = false
    joining = undefined
    stopping = false
    postgresPid = null
  }

  const child = createChild({
    name,
    program: slot.program,
    configPath,
    logFile: `${folder}/agent.log`,
    stopBy: 'message',
    onLaunch: () => writeConfig(),
    onMessage,
    onStart: (pid) => {
      writePidFile(cluster.dir, name, pid, configPath)
      forget()
      look()
    },
    onEnd: (how, wanted) => {
      removePidFile(cluster.dir, name)
      forget()
      if (wanted) failure = undefined
      else {
        failure ??= how
        report({ event: 'progress', node: name, text: `agent ended unexpectedly (${how}), starting it again` })
      }
      look()
    },
  })

  let starting: Promise<void> | undefined
  /** Counts what takes the node down, so that a start in progress notices. */
  let downs = 0

  const writeConfig = () => {
    // At each launch: a user may have removed the folder to have the node made anew.
    makeNodeFolder(cluster.dir, id)
    writeJson(configPath, agentConfig(slot, folder, pgBin))
  }

  const startOnce = async () => {
    const before = downs
    await endLeftover(paths.pgData(id))
    if (downs !== before) throw new AllwriteError('cancelled', `the start of ${name} was cancelled`)
    await child.start()
  }

  const start = () => {
    starting ??= startOnce().finally(() => (starting = undefined))
    return starting
  }

  const stop = async (withinMs: number, drainMs = 0) => {
    downs++
    if (child.pid !== undefined) {
      stopping = true
      // The endpoint hears of it before the agent does.
      look()
    }
    await child.stop(withinMs, drainMs)
    // Nothing is left after an orderly end; after a SIGKILL its server is.
    await endLeftover(paths.pgData(id))
  }

  return {
    id,
    name,
    child,
    start,
    stop,
    async restart(withinMs, drainMs, wanted) {
      const stopped = stop(withinMs, drainMs)
      const mine = downs
      await stopped
      if (downs !== mine || child.wanted) {
        throw new AllwriteError('cancelled', `the restart of ${name} was cancelled by another command`)
      }
      pgBin = wanted ?? pgBin
      await start()
    },
    async kill() {
      downs++
      await child.kill()
      await endLeftover(paths.pgData(id), { kill: true })
    },
    writeConfig,
    get state() {
      return state()
    },
    get draining() {
      return draining || stopping
    },
    setDraining(wanted) {
      clearTimeout(drainTimer)
      if (draining === wanted) return
      draining = wanted
      slot.onChange()
      // Who can move its sessions has heard first, and need not see them end.
      drainTimer = setTimeout(() => child.send({ type: 'drain', wanted }), wanted ? drainNoticeMs : 0)
    },
    get word() {
      return last?.status
    },
    look,
    get journalPosition() {
      return last?.status.journalPosition ?? 0
    },
    status(journalPosition) {
      const position = last?.status.position ?? 0
      const note = noteNow()
      return {
        id: name,
        url,
        state: state(),
        position,
        lag: last ? Math.max(journalPosition - position, 0) : 0,
        agentPid: child.pid ?? null,
        postgresPid: child.pid === undefined ? null : postgresPid,
        sessions: last?.status.sessions ?? 0,
        draining,
        dataDir: paths.pgData(id),
        ...(note === undefined ? {} : { note }),
      }
    },
  }
}

function agentConfig(
  { id, cluster, options, runtimeDir, journalSocket }: NodeSlotOptions,
  nodeDir: string,
  pgBin: string | null,
): AgentConfig {
  const paths = pathsOf(cluster.dir)
  const { members } = cluster.file
  return {
    node: nodeId(id),
    nodes: members.at(-1) ?? id,
    nodeDir,
    pgDataDir: paths.pgData(id),
    templateDir: paths.template,
    runtimeDir: `${runtimeDir}/n${id}`,
    journalSocket,
    peers: members
      .filter((peer) => peer !== id)
      .map((peer) => ({ node: nodeId(peer), runtimeDir: `${runtimeDir}/n${peer}`, nodeDir: paths.node(peer) })),
    copyRate: options.copyRateBytes,
    slotWal: options.slotWalBytes,
    listenHost,
    listenPort: nodePort(cluster.file.basePort, id),
    pgBin,
    appUser,
    appPassword: cluster.secrets.appPassword,
    agentSecret: cluster.secrets.agentSecret,
    database,
    fsync: cluster.file.fsync,
    tlsCert: options.tlsCert,
    tlsKey: options.tlsKey,
    logLevel: options.logLevel,
  }
}
