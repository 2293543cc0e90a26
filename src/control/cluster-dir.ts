/**
 * The cluster's folder: what is in it, and what it remembers between runs.
 *
 *     DIR/cluster.json   members, ports (version 2)    DIR/secret      passwords, 0600, made once
 *     DIR/template/      initdb's result               DIR/journal/    the journal's segments
 *     DIR/n1/ …          agent.json, logs, pgdata/     DIR/run/        who runs now, for a successor
 *     DIR/pg_hba.conf, DIR/root.crt   the user's, if any: who may come in, and whose certificates are good
 *     DIR/removed/       folders of nodes that were removed for good: never read again, the user's to delete
 *
 * A node's number is given out once: its records in the journal, and its transaction ids in the data of others, bear it for
 * ever (RULES 1, 3). cluster.json knows the next one before the node's folder is made.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { serverIdentity, systemCode, wordsOf } from '../postgres/index.ts'
import { fieldsOf, readJson, writeJson } from './json.ts'
import {
  appUser,
  database,
  defaults,
  endpointPorts,
  listenHost,
  nodeNumberMax,
  nodePort,
  nodesMax,
  portMax,
} from './options.ts'

export interface ClusterFile {
  readonly version: 2
  /** The nodes' numbers, ascending. */
  readonly members: readonly number[]
  /** The number that the next new node gets: above all that were ever given out. */
  readonly nextNode: number
  readonly basePort: number
  readonly fsync: boolean
}

export interface Secrets {
  readonly appPassword: string
  readonly agentSecret: string
}

export interface ClusterDir {
  /** Absolute, without symbolic links: as it is written in command lines. */
  readonly dir: string
  readonly file: ClusterFile
  readonly secrets: Secrets
}

/** The folder in its supervisor's hands, who alone changes it. */
export interface OpenClusterDir extends ClusterDir {
  /** It holds no cluster before this call. */
  readonly isNew: boolean
  /**
   * Makes one more member, durably, with an empty folder.
   * @returns its number
   * @throws AllwriteError configuration: the cluster is full, or there is no number or no port left
   */
  admit(): number
  /**
   * A member is none any more, durably; its folder is moved aside.
   * @returns where its folder is now; undefined if there was none, or it could not be moved: the next `openClusterDir` tries again
   */
  dismiss(node: number): string | undefined
}

export interface Wishes {
  /** Of a new cluster; one that exists has the members it has. */
  readonly nodes: number | undefined
  readonly basePort: number | undefined
  readonly fsync: boolean | undefined
}

/** Paths below the folder. */
export const pathsOf = (dir: string) => ({
  cluster: join(dir, 'cluster.json'),
  secret: join(dir, 'secret'),
  template: join(dir, 'template'),
  journal: join(dir, 'journal'),
  run: join(dir, 'run'),
  removed: join(dir, 'removed'),
  hba: join(dir, 'pg_hba.conf'),
  root: join(dir, 'root.crt'),
  node: (node: number) => join(dir, `n${node}`),
  pgData: (node: number) => join(dir, `n${node}`, 'pgdata'),
})

/** As root the server's user must be able to pass through. */
const folderMode = (): number => (serverIdentity() ? 0o711 : 0o700)

/**
 * Makes the folder or takes an existing one; its files are not touched yet, so this may precede the lock.
 * @throws AllwriteError configuration if it holds something else
 */
export function makeClusterDir(dir: string): string {
  const path = resolve(dir)
  try {
    mkdirSync(path, { recursive: true, mode: folderMode() })
    const names = readdirSync(path)
    if (names.length > 0 && !names.includes('cluster.json') && !names.includes('run')) {
      throw new AllwriteError('configuration', `"${path}" is not empty, and not a cluster's folder`, {
        hint: 'Choose another folder with --data.',
      })
    }
    mkdirSync(pathsOf(path).run, { recursive: true, mode: 0o700 })
    return realpathSync(path)
  } catch (thrown) {
    if (thrown instanceof AllwriteError) throw thrown
    throw new AllwriteError('configuration', `could not make the folder "${path}"`, {
      detail: wordsOf(thrown),
      cause: thrown,
    })
  }
}

/**
 * Reads what the folder remembers, or settles it for a new cluster. Call with the lock held.
 * @throws AllwriteError configuration: damaged files, a port beyond the last
 */
export function openClusterDir(dir: string, wishes: Wishes): OpenClusterDir {
  const paths = pathsOf(dir)
  const stored = readClusterFile(dir)
  const first = nodeNumbers(wishes.nodes ?? defaults.nodes)
  let file: ClusterFile = {
    version: 2,
    members: stored?.members ?? first,
    nextNode: stored?.nextNode ?? first.length + 1,
    basePort: wishes.basePort ?? stored?.basePort ?? defaults.basePort,
    fsync: wishes.fsync ?? stored?.fsync ?? defaults.fsync,
  }
  requirePort(file.basePort, file.members.at(-1) ?? 0)
  const secrets = readSecrets(dir) ?? makeSecrets(dir, stored !== undefined)
  const write = (next: ClusterFile): void => {
    writeJson(paths.cluster, next)
    file = next
  }
  if (JSON.stringify(stored) !== JSON.stringify(file)) write(file)
  mkdirSync(paths.journal, { recursive: true, mode: 0o700 })
  for (const node of strays(dir, file)) setAside(dir, node)
  for (const node of file.members) makeNodeFolder(dir, node)
  return {
    dir,
    secrets,
    isNew: stored === undefined,
    get file() {
      return file
    },
    admit() {
      const { members, nextNode: node } = file
      if (members.length >= nodesMax) {
        throw new AllwriteError('configuration', `the cluster has ${members.length} nodes, and can not have more`)
      }
      if (node > nodeNumberMax) {
        throw new AllwriteError('configuration', `node numbers end at ${nodeNumberMax}`, {
          detail: 'A number is given out once, also when its node was removed.',
        })
      }
      requirePort(file.basePort, node)
      write({ ...file, members: [...members, node], nextNode: node + 1 })
      setAside(dir, node)
      makeNodeFolder(dir, node)
      return node
    },
    dismiss(node) {
      write({ ...file, members: file.members.filter((member) => member !== node) })
      try {
        return setAside(dir, node)
      } catch (thrown) {
        if (systemCode(thrown) === undefined) throw thrown
        return undefined
      }
    },
  }
}

function requirePort(basePort: number, node: number): void {
  if (nodePort(basePort, node) <= portMax) return
  throw new AllwriteError('configuration', `there is no port ${nodePort(basePort, node)} for n${node}`, {
    hint: 'Start the cluster with a lower --base-port.',
  })
}

/** Folders of nodes that are no members: a crash came between the end of a membership and the move of its folder. */
const strays = (dir: string, { members, nextNode }: ClusterFile): readonly number[] =>
  readdirSync(dir)
    .map((name) => Number(/^n([1-9]\d*)$/.exec(name)?.[1] ?? 0))
    .filter((node) => node > 0 && node < nextNode && !members.includes(node))

/** Moves `DIR/n<i>` to `DIR/removed`, under a name of its own. */
function setAside(dir: string, node: number): string | undefined {
  const { node: folderOf, removed } = pathsOf(dir)
  if (!existsSync(folderOf(node))) return undefined
  mkdirSync(removed, { recursive: true, mode: 0o700 })
  const target = join(removed, `n${node}-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`)
  renameSync(folderOf(node), target)
  return target
}

/** Makes `DIR/n<i>` where it is absent: at first, and when a user has removed it to have the node made anew. */
export const makeNodeFolder = (dir: string, node: number): void => {
  mkdirSync(pathsOf(dir).node(node), { recursive: true, mode: folderMode() })
}

/** @throws AllwriteError configuration if it was made by a newer version, or is damaged */
export function readClusterFile(dir: string): ClusterFile | undefined {
  const path = pathsOf(dir).cluster
  const fields = readJson(path)
  if (!fields) return undefined
  const { version, basePort, fsync } = fields
  if (version !== 1 && version !== 2) {
    throw new AllwriteError('configuration', `"${path}" has version ${String(version)}; this Allwrite knows version 2`)
  }
  // Version 1 had n1 … nN, for good.
  const nodes = Number(fields['nodes'])
  const members = version === 1 ? nodeNumbers(nodes) : numbersOf(fields['members'])
  const nextNode = version === 1 ? nodes + 1 : fields['nextNode']
  const last = members.at(-1)
  if (typeof nextNode !== 'number' || typeof basePort !== 'number' || typeof fsync !== 'boolean') throw damaged(path)
  if (last === undefined || last >= nextNode) throw damaged(path)
  return { version: 2, members, nextNode, basePort, fsync }
}

const damaged = (path: string): AllwriteError => new AllwriteError('configuration', `"${path}" is damaged`)

/** Ascending node numbers; none where the list holds anything else. */
const numbersOf = (value: unknown): readonly number[] => {
  const list: readonly unknown[] = Array.isArray(value) ? value : []
  const numbers = list.filter((entry): entry is number => Number.isSafeInteger(entry) && Number(entry) > 0)
  return numbers.length === list.length && numbers.every((node, i) => i === 0 || node > (numbers[i - 1] ?? 0))
    ? numbers
    : []
}

/** The cluster's passwords; undefined where none were made yet. */
export function readSecrets(dir: string): Secrets | undefined {
  const path = pathsOf(dir).secret
  const fields = readJson(path)
  if (!fields) return undefined
  const { appPassword, agentSecret } = fieldsOf(fields)
  if (typeof appPassword === 'string' && typeof agentSecret === 'string') return { appPassword, agentSecret }
  throw damaged(path)
}

function makeSecrets(dir: string, isOld: boolean): Secrets {
  // New passwords would not be those in the servers: nobody could log in, the agents least of all.
  if (isOld)
    throw new AllwriteError('configuration', `"${pathsOf(dir).secret}" is missing`, { hint: 'Restore it from a copy.' })
  const random = () => randomBytes(24).toString('base64url')
  const secrets = { appPassword: random(), agentSecret: random() }
  writeJson(pathsOf(dir).secret, secrets)
  return secrets
}

/** 1 … nodes. */
const nodeNumbers = (nodes: number): readonly number[] => Array.from({ length: nodes }, (_, index) => index + 1)

/** Connection strings, with the password: only for their owner's eyes. */
export const urlsOf = ({ file, secrets }: Pick<ClusterDir, 'file' | 'secrets'>) => {
  const url = (port: number) => `postgresql://${appUser}:${secrets.appPassword}@${listenHost}:${port}/${database}`
  const ports = endpointPorts(file.basePort)
  return {
    cluster: url(ports.cluster),
    reader: url(ports.reader),
    proxy: url(ports.proxy),
    http: `http://${listenHost}:${ports.http}`,
    at: url,
    node: (node: number) => url(nodePort(file.basePort, node)),
  }
}

/** True if the folder holds a cluster. */
export function holdsCluster(dir: string): boolean {
  try {
    return readClusterFile(resolve(dir)) !== undefined
  } catch (thrown) {
    if (systemCode(thrown) === undefined) throw thrown
    return false
  }
}
