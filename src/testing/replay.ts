/**
 * The journal alone is the database: replayed from its first entry into a fresh server, without a base backup, it gives what
 * the nodes hold. What a node holds and the journal does not tell (a row that was written past it, a change that was skipped at every
 * node in the same way) is seen by this comparison only.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { startCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { catalogs, checksums, inEveryDatabase, whenQuiescent } from './equality.ts'

/** As `allwrite up` keeps them: `<first position>.seg`. */
const firstPosition = (dir: string): number =>
  Math.min(
    ...readdirSync(join(dir, 'journal'))
      .flatMap((name) => /^(\d+)\.seg$/.exec(name)?.[1] ?? [])
      .map(Number),
  )

/** How far the replay of a minute's load may take, ms. */
const replayMsMax = 120_000

export interface Replay {
  /** Entries of the journal that were read. */
  readonly entries: number
  /** From the start of the fresh node until it had applied all of it. */
  readonly ms: number
}

/**
 * Compares every table and the catalogs of a node with those of a fresh one that has read the whole journal. Nobody may write
 * meanwhile, and the nodes are equal already.
 * @throws AssertionError with the difference
 * @throws Error when the journal does not begin at its first entry any more
 */
export const assertReplayEqual = async (cluster: Cluster): Promise<Replay> => {
  await whenQuiescent(cluster)
  const first = firstPosition(cluster.dir)
  if (first !== 1) throw new Error(`the journal begins at position ${first}: it can't be replayed from its first entry`)
  const [{ position: entries } = { position: 0 }] = await cluster.status()
  const node = await cluster.connect(1)
  const begun = performance.now()
  // A cluster of one has no peer that it could copy: an empty node there reads the journal.
  await using fresh = await startCluster({
    nodes: 1,
    from: { dir: cluster.dir, parts: ['journal', 'secret', 'template'] },
    readyMsMax: replayMsMax,
  })
  const ms = Math.round(performance.now() - begun)
  const replayed = await fresh.connect(1)
  try {
    const again = (database: string): Promise<pg.Client> => fresh.connect(1, database)
    const before = (database: string): Promise<pg.Client> => cluster.connect(1, database)
    assert.deepEqual(
      await inEveryDatabase(replayed, again, checksums),
      await inEveryDatabase(node, before, checksums),
      'the replayed journal differs from the nodes',
    )
    assert.deepEqual(
      await inEveryDatabase(replayed, again, catalogs),
      await inEveryDatabase(node, before, catalogs),
      'the replayed schema differs from that of the nodes',
    )
  } finally {
    await Promise.all([replayed.end(), node.end()])
  }
  return { entries, ms }
}
