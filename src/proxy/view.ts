/**
 * The cluster as a proxy knows it: one line of JSON of `GET /watch` of the cluster's HTTP API, read without trust.
 *
 * @module
 */

/** The writer of pinned endpoints; epoch 0: no node has been it yet. */
export interface Pin {
  readonly epoch: number
  readonly node: number
}

/** A node as the cluster reports it. */
export interface NodeView {
  readonly id: number
  readonly host: string
  readonly port: number
  /** As `allwrite status` says it: `serving`, `silent`, `down` … */
  readonly state: string
  /** Takes new connections. */
  readonly serving: boolean
  /** False: its agent is gone or silent; connections to it are dead. */
  readonly alive: boolean
  /** To be left: no new connections, and sessions end with their transactions. */
  readonly draining: boolean
  /** Entries behind the journal. */
  readonly lag: number
  /** Client sessions, whoever has opened them. */
  readonly sessions: number
}

export interface ClusterView {
  readonly nodes: readonly NodeView[]
  readonly pin: Pin
  /** New work is held back. */
  readonly paused: boolean
  /** The nodes speak TLS: requests for encryption are theirs to answer. */
  readonly tls: boolean
}

export const emptyView: ClusterView = { nodes: [], pin: { epoch: 0, node: 0 }, paused: false, tls: false }

/** @throws SyntaxError for what is no JSON; what has another shape gives a view without it */
export function parseView(line: string): ClusterView {
  const { nodes, pin, paused, tls } = fieldsOf(JSON.parse(line))
  return {
    nodes: (Array.isArray(nodes) ? nodes : []).map(parseNode),
    pin: parsePin(pin),
    paused: paused === true,
    tls: tls === true,
  }
}

export function parsePin(value: unknown): Pin {
  const { epoch, node } = fieldsOf(value)
  return { epoch: wholeNumber(epoch), node: wholeNumber(node) }
}

/** The one of the later epoch. */
export const newerPin = (a: Pin, b: Pin): Pin => (b.epoch > a.epoch ? b : a)

function parseNode(value: unknown): NodeView {
  const fields = fieldsOf(value)
  return {
    id: wholeNumber(fields['id']),
    host: String(fields['host']),
    port: wholeNumber(fields['port']),
    state: String(fields['state']),
    serving: fields['serving'] === true,
    alive: fields['alive'] === true,
    draining: fields['draining'] === true,
    lag: wholeNumber(fields['lag']),
    sessions: wholeNumber(fields['sessions']),
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

const wholeNumber = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
