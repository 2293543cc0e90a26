/**
 * The agent process: one node of the cluster. Contract: argv[2] names its configuration (control/agent-config.ts); it reports
 * over IPC (control/ipc.ts); it ends its server with itself on 'stop', SIGTERM, SIGINT or when the supervisor is gone, and
 * ends with 1 when the node can't go on: whoever starts it again lets it recover from the journal.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import pino from 'pino'
import { readAgentConfig, type AgentConfig } from '../control/agent-config.ts'
import {
  parseDrainMessage,
  parseStopMessage,
  statusEveryMs,
  type AgentStatus,
  type ChildMessage,
} from '../control/ipc.ts'
import { createNodeApi } from '../control/node-api.ts'
import { AllwriteError } from '../core/errors.ts'
import { nodeName } from '../core/ids.ts'
import { connectFileJournal } from '../journal/file/client.ts'
import type { Pin } from '../proxy/index.ts'
import type { RunningNode } from '../node/node.ts'
import type { NodeStatus } from '../node/told.ts'
import { flushUnsynced } from '../node/join/unsynced.ts'
import { startNode } from '../node/start-node.ts'
import { openSessions, type Sessions } from '../node/sessions.ts'
import { verifierOfPassword } from '../wire/pgwire/scram-client.ts'
import { defaultIterations } from '../wire/pgwire/scram.ts'

/** Client sessions of one node; PostgreSQL's max_connections is above it. */
const sessionsMax = 200
/** What the log may keep of lines that could not be written. */
const unwrittenLogBytesMax = 1024 * 1024
/** A clean stop that takes longer is a hang: the journal has everything. */
const stopMsMax = 20_000

const say = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message)
}

/** The same at every node, so that a role's verifier is: its salt comes from what all nodes share. */
const appVerifier = (config: AgentConfig): string => {
  const salt = createHash('sha256').update(`salt ${config.agentSecret} ${config.appUser}`).digest().subarray(0, 16)
  return verifierOfPassword(config.appPassword, salt, defaultIterations)
}

const run = async (): Promise<void> => {
  const path = process.argv[2]
  if (path === undefined) throw new AllwriteError('configuration', 'usage: agent CONFIG.json')
  const config = readAgentConfig(path)
  const clusterDir = dirname(config.nodeDir)
  const logFile = pino.destination({
    dest: join(config.nodeDir, 'agent.log'),
    mkdir: true,
    mode: 0o600,
    sync: true,
    maxLength: unwrittenLogBytesMax,
  })
  // A log that can't be written, on a full disk, is no reason to end; its lines are dropped.
  logFile.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  const log = pino({ base: { node: nodeName(config.node) }, level: config.logLevel }, logFile)
  let running: RunningNode | undefined
  let sessions: Sessions | undefined
  let ending = false

  const fail = (error: unknown): void => {
    if (ending) return
    ending = true
    log.error({ err: error }, 'the agent ends')
    const { message, detail, hint } = AllwriteError.from(error)
    process.stderr.write(`${nodeName(config.node)}: ${[message, detail, hint].filter(Boolean).join(' ')}\n`)
    say({ type: 'fatal', message: [message, detail, hint].filter(Boolean).join(' ') })
    // The server is ended by the next agent, or now where it can be: nothing may go on without an agent.
    const end = (): void => process.exit(1)
    if (running === undefined) setImmediate(end)
    else {
      running.server.postgres.stop('immediate').then(end, end)
      setTimeout(end, stopMsMax).unref()
    }
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  let hurry: () => void = () => undefined
  const stop = async (drainMs: number): Promise<void> => {
    if (drainMs === 0) hurry()
    if (ending) return
    ending = true
    status()
    const hurried = new Promise<void>((resolve) => (hurry = resolve))
    if (drainMs > 0) await Promise.race([sessions?.drain(drainMs), hurried])
    setTimeout(() => process.exit(1), stopMsMax).unref()
    await sessions?.close()
    await running?.stop()
    if (running) await flushUnsynced(config.nodeDir)
    process.exit(0)
  }
  const onStop = (drainMs: number): void => {
    stop(drainMs).catch((error: unknown) => {
      log.error({ err: error }, 'the stop failed')
      process.exit(1)
    })
  }
  for (const name of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(name, () => onStop(0))
  process.on('message', (value) => {
    const message = parseStopMessage(value)
    if (message) onStop(message.drainMs)
    const drain = parseDrainMessage(value)
    if (drain) {
      sessions?.setDraining(drain.wanted)
      status()
    }
  })

  process.on('SIGHUP', () => {
    sessions?.reload().then(
      () => log.info({}, 'pg_hba.conf reloaded'),
      (error: unknown) => log.error({ err: error }, 'pg_hba.conf was not reloaded'),
    )
  })

  const statusNow = (): AgentStatus => {
    const now: NodeStatus | undefined = running?.status()
    return {
      type: 'status',
      state: ending ? 'stopping' : (now?.state ?? 'starting'),
      position: now?.position ?? 0,
      journalPosition: now?.journalPosition ?? 0,
      postgresPid: now?.postgresPid ?? null,
      sessions: sessions?.count ?? 0,
      serverSilentMs: now?.serverSilentMs ?? 0,
      draining: sessions?.draining ?? false,
      pinned: sessions?.pinned.current ?? { epoch: 0, node: 0 },
      counts: sessions?.counts ?? [],
      ...(now?.note === undefined ? {} : { note: now.note }),
    }
  }
  const status = (): void => say(statusNow())

  running = await startNode({
    node: config.node,
    nodes: config.nodes,
    nodeDir: config.nodeDir,
    runtimeDir: config.runtimeDir,
    server: {
      pgBin: config.pgBin ?? undefined,
      dataDir: config.pgDataDir,
      templateDir: config.templateDir,
      fsync: config.fsync,
      sessionsMax,
      database: config.database,
    },
    agentSecret: config.agentSecret,
    appRole: { name: config.appUser, verifier: appVerifier(config) },
    journal: connectFileJournal({
      socketPath: config.journalSocket,
      random: Math.random,
      log: (level, message) => log[level]({}, message),
    }),
    // The supervisor writes the file anew when members come or go.
    peers: () => readAgentConfig(path).peers,
    copyRate: config.copyRate,
    slotWalBytesMax: config.slotWal,
    log,
    onFatal: fail,
    onProgress: (text, joining = false) => say({ type: 'progress', text, joining }),
    now: () => performance.now(),
    wallClock: Date.now,
  })
  const take = async (epoch: number): Promise<Pin> => {
    if (sessions === undefined || ending || sessions.draining)
      throw new AllwriteError('unavailable', 'the node does not serve')
    const pin = await sessions.pinned.take(epoch)
    // The other proxies hear of it by the supervisor.
    status()
    return pin
  }
  sessions = await openSessions({
    node: config.node,
    running,
    host: config.listenHost,
    port: config.listenPort,
    database: config.database,
    sessionsMax,
    agentSecret: config.agentSecret,
    tls:
      config.tlsCert === null || config.tlsKey === null
        ? undefined
        : { certFile: config.tlsCert, keyFile: config.tlsKey, caFile: join(clusterDir, 'root.crt') },
    hbaFile: join(clusterDir, 'pg_hba.conf'),
    log,
    now: () => performance.now(),
    onFatal: fail,
    onHttp: createNodeApi({ name: nodeName(config.node), status: statusNow, take }),
  })
  running.open()
  setInterval(status, statusEveryMs)
  say({ type: 'ready', postgresPid: running.status().postgresPid })
  status()
}

run().catch((error: unknown) => {
  const { message, detail, hint } = AllwriteError.from(error)
  const words = [message, detail, hint].filter(Boolean).join(' ')
  process.stderr.write(`agent: ${words}\n`)
  say({ type: 'fatal', message: words })
  process.exit(1)
})
