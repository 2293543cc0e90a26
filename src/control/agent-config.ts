/**
 * What the supervisor tells an agent: the JSON file that the agent's argv[2] names, readable by us alone.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { nodeId, type NodeId } from '../core/ids.ts'
import { fieldsOf, readerOf, readJson } from './json.ts'

export interface AgentConfig {
  readonly node: NodeId
  /** The highest number of a member, as of this start: new sequences leave a block for each number up to it. */
  readonly nodes: number
  /** The agent's own folder, `DIR/n<i>`: logs, verdicts, incarnation. */
  readonly nodeDir: string
  /** The server's data folder, made from `templateDir` when absent. */
  readonly pgDataDir: string
  readonly templateDir: string
  /** For the server's socket; below the cluster's private runtime folder. */
  readonly runtimeDir: string
  readonly journalSocket: string
  /** The other nodes, each with its `runtimeDir` and its `nodeDir`. Written anew whenever the members change. */
  readonly peers: readonly PeerConfig[]
  /** What a donor may be asked for when this node copies it, bytes a second. */
  readonly copyRate: number
  readonly slotWal: number
  readonly listenHost: string
  readonly listenPort: number
  /** Folder of the user's own server; null: the npm package's. */
  readonly pgBin: string | null
  /** The clients' default role, a superuser to them. */
  readonly appUser: string
  readonly appPassword: string
  /** Password of the superuser `allwrite`, and seed of what else agents keep from clients. */
  readonly agentSecret: string
  readonly database: string
  /** False: the node is declared disposable. */
  readonly fsync: boolean
  /** PEM files; both or none. */
  readonly tlsCert: string | null
  readonly tlsKey: string | null
  readonly logLevel: string
}

export interface PeerConfig {
  readonly node: NodeId
  readonly runtimeDir: string
  readonly nodeDir: string
}

/**
 * Reads and checks an agent's configuration.
 * @throws AllwriteError configuration, naming the field that is wrong
 */
export function readAgentConfig(path: string): AgentConfig {
  const fields = readJson(path)
  if (!fields) throw new AllwriteError('configuration', `there is no agent configuration "${path}"`)
  const reader = readerOf(fields, path)
  return {
    node: nodeId(reader.number('node')),
    nodes: reader.number('nodes'),
    nodeDir: reader.text('nodeDir'),
    pgDataDir: reader.text('pgDataDir'),
    templateDir: reader.text('templateDir'),
    runtimeDir: reader.text('runtimeDir'),
    journalSocket: reader.text('journalSocket'),
    peers: reader.list('peers').map((peer) => {
      const of = readerOf(fieldsOf(peer), path)
      return { node: nodeId(of.number('node')), runtimeDir: of.text('runtimeDir'), nodeDir: of.text('nodeDir') }
    }),
    copyRate: reader.number('copyRate'),
    slotWal: reader.number('slotWal'),
    listenHost: reader.text('listenHost'),
    listenPort: reader.number('listenPort'),
    pgBin: reader.textOrNull('pgBin'),
    appUser: reader.text('appUser'),
    appPassword: reader.text('appPassword'),
    agentSecret: reader.text('agentSecret'),
    database: reader.text('database'),
    fsync: reader.flag('fsync'),
    tlsCert: reader.textOrNull('tlsCert'),
    tlsKey: reader.textOrNull('tlsKey'),
    logLevel: reader.text('logLevel'),
  }
}
