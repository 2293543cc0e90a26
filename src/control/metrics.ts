/**
 * Metrics in Prometheus' text format (version 0.0.4): names as its conventions have them, `_total` for what only grows. Pure.
 *
 * @module
 */
import type { ProxyStatus } from '../proxy/index.ts'
import { isReady } from './health.ts'
import type { DatabaseCounts } from './ipc.ts'
import type { NodeState } from './status.ts'

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

export interface NodeSample {
  /** `n1`. */
  readonly name: string
  readonly state: NodeState
  readonly draining: boolean
  readonly position: number
  readonly lag: number
  readonly sessions: number
  readonly counts: readonly DatabaseCounts[]
}

type Labels = Readonly<Record<string, string | number>>
type Sample = readonly [labels: Labels, value: number]

/** The text of metrics that describe nodes. */
export function nodeMetrics(nodes: readonly NodeSample[]): string {
  const each = (value: (node: NodeSample) => number): Sample[] =>
    nodes.map((node) => [{ node: node.name }, value(node)])
  return [
    family(
      'allwrite_node_up',
      'gauge',
      'The node runs and answers.',
      each((node) => flag(isUp(node.state))),
    ),
    family(
      'allwrite_node_ready',
      'gauge',
      'The node takes new sessions.',
      each((node) => flag(isReady(node))),
    ),
    family(
      'allwrite_node_draining',
      'gauge',
      'The node is being left.',
      each((node) => flag(node.draining)),
    ),
    family(
      'allwrite_node_state',
      'gauge',
      'The state of the node, as a label; always 1.',
      nodes.map(({ name, state }) => [{ node: name, state }, 1]),
    ),
    family(
      'allwrite_node_position',
      'gauge',
      'Position of the journal up to which it is applied.',
      each((node) => node.position),
    ),
    family(
      'allwrite_node_lag_entries',
      'gauge',
      'Entries of the journal that are not applied yet.',
      each((node) => node.lag),
    ),
    family(
      'allwrite_node_sessions',
      'gauge',
      'Client sessions.',
      each((node) => node.sessions),
    ),
    family(
      'allwrite_transactions_committed_total',
      'counter',
      'Write transactions of clients of this node that committed, since its agent began.',
      nodes.flatMap(({ name, counts }) =>
        counts.map(({ database, committed }): Sample => [{ node: name, database }, committed]),
      ),
    ),
    family(
      'allwrite_conflicts_total',
      'counter',
      'Transactions that lost to others, by the table that decided and by reason.',
      nodes.flatMap(({ name, counts }) =>
        counts.flatMap(({ database, conflicts }) =>
          conflicts.map(({ table, reason, count }): Sample => [{ node: name, database, table, reason }, count]),
        ),
      ),
    ),
  ].join('')
}

export interface ClusterSample {
  readonly journalPosition: number
  readonly paused: boolean
  readonly pinned: { readonly epoch: number; readonly node: number }
}

/** The text of metrics that describe the cluster as a whole. */
export function clusterMetrics({ journalPosition, paused, pinned }: ClusterSample): string {
  return [
    family('allwrite_journal_position', 'gauge', 'Last position of the journal.', [[{}, journalPosition]]),
    family('allwrite_paused', 'gauge', 'New work is held back.', [[{}, flag(paused)]]),
    // It rises with each change of the writer: a failover, a drain of it, the first one.
    family('allwrite_pinned_epoch', 'gauge', 'Epoch of the pinned writer.', [[{}, pinned.epoch]]),
    family(
      'allwrite_pinned_writer',
      'gauge',
      'The pinned writer, as a label; always 1.',
      pinned.epoch === 0 ? [] : [[{ node: `n${pinned.node}` }, 1]],
    ),
  ].join('')
}

/** The text of metrics that describe one proxy. */
export function proxyMetrics({ endpoints, pinnedMoves }: ProxyStatus): string {
  return [
    family(
      'allwrite_proxy_clients',
      'gauge',
      'Clients that are connected.',
      endpoints.map(({ name, clients }) => [{ endpoint: name }, clients]),
    ),
    family(
      'allwrite_proxy_clients_waiting',
      'gauge',
      'Clients that wait for a node.',
      endpoints.map(({ name, waiting }) => [{ endpoint: name }, waiting]),
    ),
    family(
      'allwrite_proxy_server_connections',
      'gauge',
      'Connections to nodes.',
      endpoints.flatMap(({ name, connections }) =>
        connections.map(([node, count]): Sample => [{ endpoint: name, node: `n${node}` }, count]),
      ),
    ),
    family(
      'allwrite_proxy_pinned_sessions',
      'gauge',
      'Sessions that keep their connection to a node, by reason.',
      pooled(endpoints).flatMap(({ name, pool }) =>
        pool.pins.map(([reason, count]): Sample => [{ endpoint: name, reason }, count]),
      ),
    ),
    family(
      'allwrite_proxy_connections_lost_total',
      'counter',
      'Connections to nodes that were lost under a session.',
      pooled(endpoints).map(({ name, pool }) => [{ endpoint: name }, pool.failovers.lost]),
    ),
    family(
      'allwrite_proxy_masked_conflicts_total',
      'counter',
      'Conflicts whose transactions ran again, their clients unaware.',
      pooled(endpoints).map(({ name, pool }) => [{ endpoint: name }, pool.failovers.masked]),
    ),
    family(
      'allwrite_proxy_replays_total',
      'counter',
      'Transactions whose connection was lost, by what became of them.',
      pooled(endpoints).flatMap(({ name, pool: { failovers } }) =>
        (['replayed', 'differed', 'committed', 'unknown'] as const).map((outcome): Sample => [
          { endpoint: name, outcome },
          failovers[outcome],
        ]),
      ),
    ),
    family('allwrite_proxy_failovers_total', 'counter', 'Changes of the pinned writer that this proxy brought about.', [
      [{}, pinnedMoves],
    ]),
  ].join('')
}

const pooled = (endpoints: ProxyStatus['endpoints']) =>
  endpoints.flatMap((endpoint) => (endpoint.pool === undefined ? [] : [{ ...endpoint, pool: endpoint.pool }]))

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

/** Names of tables are the users'. */
const escaped = (text: string): string =>
  text
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)

const flag = (is: boolean): number => (is ? 1 : 0)

const isUp = (state: NodeState): boolean => !['down', 'hung', 'silent'].includes(state)
