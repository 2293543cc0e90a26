/**
 * How a cluster is, as `allwrite status` and the `ready` event tell it.
 *
 * @module
 */
import type { EndpointKind } from '../proxy/index.ts'
import { pathsOf, urlsOf, type ClusterDir } from './cluster-dir.ts'
import type { AgentState } from './ipc.ts'

/**
 * An agent's own word; or `down`: not running; `joining`: it takes a peer's data, or reads a long piece of the journal, before it
 * can serve; `silent`, later `hung`: it runs, but it or its server says nothing.
 */
export type NodeState = AgentState | 'down' | 'joining' | 'silent' | 'hung'

export interface NodeStatus {
  readonly id: string
  readonly url: string
  readonly state: NodeState
  readonly position: number
  /** Entries behind the journal. */
  readonly lag: number
  readonly agentPid: number | null
  readonly postgresPid: number | null
  readonly sessions: number
  /** Its sessions end with their transactions, and new ones go elsewhere. */
  readonly draining: boolean
  readonly dataDir: string
  readonly note?: string
}

export interface ClusterStatus {
  readonly state: 'down' | 'starting' | 'up' | 'stopping'
  readonly dir: string
  /** The supervisor's process. */
  readonly pid: number | null
  /** URL of the cluster endpoint. */
  readonly cluster: string
  /** URL of the reader endpoint. */
  readonly reader: string
  /** URL of the pinned endpoint. */
  readonly proxy: string
  /** Of the HTTP API. */
  readonly http: string
  /** The user's own endpoints. */
  readonly endpoints: readonly { readonly name: string; readonly kind: EndpointKind; readonly url: string }[]
  /** New work is held back. */
  readonly paused: boolean
  /** The pinned writer: null where there has been none, or it is not known. */
  readonly pinned: { readonly epoch: number; readonly node: string } | null
  readonly journalPosition: number
  readonly nodes: readonly NodeStatus[]
}

/** The status of a cluster that does not run: from its folder alone. */
export function downStatus(cluster: ClusterDir): ClusterStatus {
  const urls = urlsOf(cluster)
  return {
    state: 'down',
    dir: cluster.dir,
    pid: null,
    cluster: urls.cluster,
    reader: urls.reader,
    proxy: urls.proxy,
    http: urls.http,
    endpoints: [],
    paused: false,
    pinned: null,
    journalPosition: 0,
    nodes: cluster.file.members.map((node) => ({
      id: `n${node}`,
      url: urls.node(node),
      state: 'down',
      position: 0,
      lag: 0,
      agentPid: null,
      postgresPid: null,
      sessions: 0,
      draining: false,
      dataDir: pathsOf(cluster.dir).pgData(node),
    })),
  }
}
