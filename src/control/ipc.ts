/**
 * Messages between the supervisor and its processes, over Node's IPC channel. A process whose channel closes has lost its
 * supervisor: it ends itself, an agent with its server.
 *
 * @module
 */
import { fieldsOf } from './json.ts'

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
  /** For how long its PostgreSQL has not answered it, ms. */
  readonly serverSilentMs: number
  readonly note?: string
}

/** Child → supervisor. The journal and the endpoint send `ready` only, without `postgresPid`. */
export type ChildMessage =
  /** `joining`: its start takes as long as its data, or the journal, are large. */
  | { readonly type: 'progress'; readonly text: string; readonly joining: boolean }
  | { readonly type: 'ready'; readonly postgresPid: number | null }
  /** Every {@link statusEveryMs} and on every change. */
  | AgentStatus
  /** It can't go on, for a reason that the user must see. It ends afterwards. */
  | { readonly type: 'fatal'; readonly message: string }

/** Supervisor → agent. */
export interface StopMessage {
  readonly type: 'stop'
  /** How long open transactions may still take to end, ms; 0: they are rolled back at once. A second message may say less. */
  readonly drainMs: number
}

/** Supervisor → endpoint: all nodes, at every change. */
export interface NodesMessage {
  readonly type: 'nodes'
  readonly nodes: readonly {
    readonly id: number
    readonly host: string
    readonly port: number
    /** Takes new connections. */
    readonly serving: boolean
    /** False: its agent is gone or silent; its connections are dead. */
    readonly alive: boolean
  }[]
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
        serverSilentMs: wholeNumber(fields['serverSilentMs']) ?? 0,
        ...(typeof fields['note'] === 'string' ? { note: fields['note'] } : {}),
      }
    }
    default:
      return undefined
  }
}

/** The agent's view of a message; undefined for what is none. */
export function parseStopMessage(value: unknown): StopMessage | undefined {
  const { type, drainMs } = fieldsOf(value)
  return type === 'stop' ? { type, drainMs: wholeNumber(drainMs) ?? 0 } : undefined
}

/** The endpoint's view of a message; undefined for what is none. */
export function parseNodesMessage(value: unknown): NodesMessage | undefined {
  const { type, nodes } = fieldsOf(value)
  if (type !== 'nodes' || !Array.isArray(nodes)) return undefined
  return {
    type,
    nodes: nodes.map((node: unknown) => {
      const fields = fieldsOf(node)
      return {
        id: wholeNumber(fields['id']) ?? 0,
        host: String(fields['host']),
        port: wholeNumber(fields['port']) ?? 0,
        serving: fields['serving'] === true,
        alive: fields['alive'] === true,
      }
    }),
  }
}

function wholeNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
