/**
 * The cluster's folder: what is in it, and what it remembers between runs.
 *
 *     DIR/cluster.json   nodes, ports (version 1)      DIR/secret      passwords, 0600, made once
 *     DIR/template/      initdb's result               DIR/journal/    the journal's segments
 *     DIR/n1/ …          agent.json, logs, pgdata/     DIR/run/        who runs now, for a successor
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { serverIdentity, systemCode, wordsOf } from '../postgres/index.ts'
import { fieldsOf, readJson, writeJson } from './json.ts'
import { appUser, database, defaults, listenHost, nodePort } from './options.ts'

export interface ClusterFile {
  readonly version: 1
  /** Fixed when the cluster is made. */
  readonly nodes: number
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

export interface Wishes {
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
 * @throws AllwriteError configuration: other number of nodes than it was made with, damaged files
 */
export function openClusterDir(dir: string, wishes: Wishes): ClusterDir {
  const paths = pathsOf(dir)
  const stored = readClusterFile(dir)
  if (stored && wishes.nodes !== undefined && wishes.nodes !== stored.nodes) {
    throw new AllwriteError('configuration', `the cluster in "${dir}" has ${stored.nodes} nodes, not ${wishes.nodes}`, {
      hint: 'Leave --nodes out, or make a new cluster with another --data folder.',
    })
  }
  const file: ClusterFile = {
    version: 1,
    nodes: stored?.nodes ?? wishes.nodes ?? defaults.nodes,
    basePort: wishes.basePort ?? stored?.basePort ?? defaults.basePort,
    fsync: wishes.fsync ?? stored?.fsync ?? defaults.fsync,
  }
  const secrets = readSecrets(dir) ?? makeSecrets(dir, stored !== undefined)
  if (JSON.stringify(stored) !== JSON.stringify(file)) writeJson(paths.cluster, file)
  mkdirSync(paths.journal, { recursive: true, mode: 0o700 })
  for (const node of nodeNumbers(file.nodes)) makeNodeFolder(dir, node)
  return { dir, file, secrets }
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
  const { version, nodes, basePort, fsync } = fields
  if (version !== 1) {
    throw new AllwriteError('configuration', `"${path}" has version ${String(version)}; this Allwrite knows version 1`)
  }
  if (typeof nodes !== 'number' || typeof basePort !== 'number' || typeof fsync !== 'boolean') {
    throw new AllwriteError('configuration', `"${path}" is damaged`)
  }
  return { version, nodes, basePort, fsync }
}

/** The cluster's passwords; undefined where none were made yet. */
export function readSecrets(dir: string): Secrets | undefined {
  const path = pathsOf(dir).secret
  const fields = readJson(path)
  if (!fields) return undefined
  const { appPassword, agentSecret } = fieldsOf(fields)
  if (typeof appPassword === 'string' && typeof agentSecret === 'string') return { appPassword, agentSecret }
  throw new AllwriteError('configuration', `"${path}" is damaged`)
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
export const nodeNumbers = (nodes: number): readonly number[] => Array.from({ length: nodes }, (_, index) => index + 1)

/** Connection strings, with the password: only for their owner's eyes. */
export const urlsOf = ({ file, secrets }: Pick<ClusterDir, 'file' | 'secrets'>) => {
  const url = (port: number) => `postgresql://${appUser}:${secrets.appPassword}@${listenHost}:${port}/${database}`
  return { cluster: url(file.basePort), node: (node: number) => url(nodePort(file.basePort, node)) }
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
