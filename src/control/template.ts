/**
 * The template: one initdb for all nodes of a cluster, so that they start from the same bytes.
 *
 * @module
 */
import { renameSync, rmSync } from 'node:fs'
import { checkDataDir, initDatabase, type PostgresBinaries } from '../postgres/index.ts'
import { pathsOf, type ClusterDir } from './cluster-dir.ts'

/** Installs into the new data folder what all nodes have in common; the server is the hook's to start and stop. */
export type PrepareTemplate = (dataDir: string, binaries: PostgresBinaries, cluster: ClusterDir) => Promise<void>

/**
 * Makes `DIR/template` unless it exists; complete under its name, or not there.
 * @returns whether it was made now
 */
export async function makeTemplate(
  cluster: ClusterDir,
  binaries: PostgresBinaries,
  prepare?: PrepareTemplate,
): Promise<boolean> {
  const { template } = pathsOf(cluster.dir)
  if (checkDataDir(template, binaries.major) === 'ours') return false
  const unfinished = `${template}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  const { agentSecret } = cluster.secrets
  await initDatabase({ binaries, dataDir: unfinished, password: agentSecret, fsync: cluster.file.fsync })
  await prepare?.(unfinished, binaries, cluster)
  rmSync(template, { recursive: true, force: true })
  renameSync(unfinished, template)
  return true
}
