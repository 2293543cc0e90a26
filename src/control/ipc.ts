/**
 * Messages between the supervisor and its processes, over Node's IPC channel. A process whose channel closes has lost its
 * supervisor: it ends itself, an agent with its server.
 *
 * @module
 */
import type { Pin, PoolStatus, ProxyStatus } from '../proxy/index.ts'
import { fieldsOf, type Fields } from './json.ts'

const agentStates = ['starting', 'catching_up', 'serving', 'inconsistent', 'stopping'] as const

/** How a node is, as its agent says. */
export type AgentState = (typeof agentStates)[number]

export interface AgentStatus {
  readonly type: 'status'
  readonly state: AgentState
  /** Applied locally, contiguously. */
  readonly position: number
  /** The journal's last position that the agent knows of. */
  readonly journalPosition: number
  readonly postgresPid: number | null
  /** Client sessions. */
  readonly sessions: number
  /** Its sessions are to go elsewhere. */
  readonly draining: boolean
  /** For how long its PostgreSQL has not answered it, ms. */
  readonly serverSilentMs: number
  readonly note?: string
  /** The writer of pinned endpoints, as of `position`; epoch 0: none. */
  readonly pinned: Pin
  readonly counts: readonly DatabaseCounts[]
}

/** Since the agent began. */
export interface DatabaseCounts {
  readonly database: string
  readonly committed: number
  readonly conflicts: readonly { readonly table: string; readonly reason: string; readonly count: number }[]
}

/** Child → supervisor. The journal and the proxy send `ready` only, without `postgresPid`. */
export type ChildMessage =
  /** `joining`: its start takes as long as its data, or the journal, are large. */
  | { readonly type: 'progress'; readonly text: string; readonly joining: boolean }
  | { readonly type: 'ready'; readonly postgresPid: number | null }
  /** Every {@link statusEveryMs} and on every change. */
  | AgentStatus
  /** The proxy's, each second. */
  | { readonly type: 'proxy'; readonly status: ProxyStatus }
  /** It can't go on, for a reason that the user must see. It ends afterwards. */
  | { readonly type: 'fatal'; readonly message: string }

/** Supervisor → agent. */
export interface StopMessage {
  readonly type: 'stop'
  /** How long open transactions may still take to end, ms; 0: they are rolled back at once. A second message may say less. */
  readonly drainMs: number
}

/** Supervisor → agent: its sessions are to go elsewhere, or may come again. */
export interface DrainMessage {
  readonly type: 'drain'
  readonly wanted: boolean
}

export const statusEveryMs = 250

/** An agent that says nothing, or whose server does not answer it, for this long gets no new connections where another node serves, ms: five reports. */
export const silentMsMax = 1_250

/** After this its connections are closed as well, ms: so long a pause is none of a busy machine. */
export const hungMsMax = 5_000

/** A child's message, checked; undefined for what is none. */
export function parseChildMessage(value: unknown): ChildMessage | undefined {
  const fields = fieldsOf(value)
  switch (fields['type']) {
    case 'progress':
      return { type: 'progress', text: String(fields['text']), joining: fields['joining'] === true }
    case 'ready':
      return { type: 'ready', postgresPid: wholeNumber(fields['postgresPid']) ?? null }
    case 'fatal':
      return { type: 'fatal', message: String(fields['message']) }
    case 'status': {
      const state = agentStates.find((name) => name === fields['state'])
      const position = wholeNumber(fields['position'])
      if (state === undefined || position === undefined) return undefined
      return {
        type: 'status',
        state,
        position,
        journalPosition: wholeNumber(fields['journalPosition']) ?? position,
        postgresPid: wholeNumber(fields['postgresPid']) ?? null,
        sessions: wholeNumber(fields['sessions']) ?? 0,
        draining: fields['draining'] === true,
        serverSilentMs: wholeNumber(fields['serverSilentMs']) ?? 0,
        ...(typeof fields['note'] === 'string' ? { note: fields['note'] } : {}),
        pinned: parsePin(fields['pinned']),
        counts: list(fields['counts']).map(parseCounts),
      }
    }
    case 'proxy':
      return { type: 'proxy', status: parseProxyStatus(fieldsOf(fields['status'])) }
    default:
      return undefined
  }
}

/** The agent's view of a message; undefined for what is none. */
export function parseStopMessage(value: unknown): StopMessage | undefined {
  const { type, drainMs } = fieldsOf(value)
  return type === 'stop' ? { type, drainMs: wholeNumber(drainMs) ?? 0 } : undefined
}

export function parseDrainMessage(value: unknown): DrainMessage | undefined {
  const { type, wanted } = fieldsOf(value)
  return type === 'drain' ? { type, wanted: wanted === true } : undefined
}

function parseProxyStatus({ endpoints, pinnedMoves, pin }: Fields): ProxyStatus {
  return {
    endpoints: list(endpoints).map((endpoint) => {
      const { name, kind, port, clients, waiting, connections, pool } = fieldsOf(endpoint)
      return {
        name: String(name),
        kind: kind === 'reader' || kind === 'pinned' || kind === 'any' ? kind : 'cluster',
        port: wholeNumber(port) ?? 0,
        clients: wholeNumber(clients) ?? 0,
        waiting: wholeNumber(waiting) ?? 0,
        connections: list(connections).map((pair) => {
          const [node, count] = list(pair)
          return [wholeNumber(node) ?? 0, wholeNumber(count) ?? 0] as const
        }),
        ...(pool === undefined ? {} : { pool: parsePoolStatus(fieldsOf(pool)) }),
      }
    }),
    pinnedMoves: wholeNumber(pinnedMoves) ?? 0,
    pin: parsePin(pin),
  }
}

function parsePoolStatus({ failovers, pins }: Fields): PoolStatus {
  const { lost, replayed, differed, committed, masked, unknown } = fieldsOf(failovers)
  return {
    failovers: {
      lost: wholeNumber(lost) ?? 0,
      replayed: wholeNumber(replayed) ?? 0,
      differed: wholeNumber(differed) ?? 0,
      committed: wholeNumber(committed) ?? 0,
      masked: wholeNumber(masked) ?? 0,
      unknown: wholeNumber(unknown) ?? 0,
    },
    pins: list(pins).map((pair) => {
      const [reason, sessions] = list(pair)
      return [String(reason), wholeNumber(sessions) ?? 0] as const
    }),
  }
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function parsePin(value: unknown): Pin {
  const fields = fieldsOf(value)
  return { epoch: wholeNumber(fields['epoch']) ?? 0, node: wholeNumber(fields['node']) ?? 0 }
}

function parseCounts(value: unknown): DatabaseCounts {
  const { database, committed, conflicts } = fieldsOf(value)
  return {
    database: String(database),
    committed: wholeNumber(committed) ?? 0,
    conflicts: list(conflicts).map((conflict) => {
      const { table, reason, count } = fieldsOf(conflict)
      return { table: String(table), reason: String(reason), count: wholeNumber(count) ?? 0 }
    }),
  }
}

function wholeNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
