/**
 * Sees to it that a node has data to start from.
 *
 * - A data folder that is there is used, unless the node was marked for rebuilding, or its data were lost with the machine (unsynced.ts).
 * - An empty node of a young cluster starts from the template and reads the whole journal: nothing is asked of others.
 * - Else it becomes a copy of a live peer. Where none is live it waits a bounded time: after a stop of everything the peers
 *   start at the same time. Where none comes, the template will do if the journal is whole; if not, it gives up.
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { nodeName, type NodeId } from '../../core/ids.ts'
import { endLeftover } from '../../postgres/index.ts'
import { copyDonor, type CopyOptions } from './copy.ts'
import { connectDonor, verdictsFile, type Donor, type DonorOptions, type Peer } from './donor.ts'
import { forgetUnsynced, lostWithMachine, markUnsynced } from './unsynced.ts'

/** A journal this short is read sooner than a copy is made: a cluster that has just been made. */
const replayEntriesMax = 256
/** How long a node without data waits for a peer to be live, ms. */
const donorWaitMsMax = 120_000
const donorPollMs = 250
/** Copies that may fail before the start does: a donor dies, or is outrun by the journal. */
const attemptsMax = 3

export interface ProvideOptions extends CopyOptions, DonorOptions {
  /** As of now: they come and go while a donor is waited for. */
  readonly peers: () => readonly Peer[]
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const rebuildMark = (nodeDir: string): string => join(nodeDir, 'rebuild')

/**
 * `diverged`: they are kept for a person to look at. `too_old`: there is nothing to see. `unsynced`: nor here, and the journal alone will
 * do where it is whole, since all nodes may have lost theirs at once.
 */
export type RebuildKind = 'diverged' | 'too_old' | 'unsynced'

/** The node's data is not to be served again: its next start replaces it. */
export const markForRebuild = (nodeDir: string, kind: RebuildKind, why: string): void =>
  writeFileSync(rebuildMark(nodeDir), `${kind}: ${why}\n`, { mode: 0o600, flush: true })

/** @throws AllwriteError unavailable: the node needs a copy and no peer is live */
export const provideData = async (options: ProvideOptions): Promise<void> => {
  const { dataDir, nodeDir, log } = options
  mkdirSync(nodeDir, { recursive: true })
  const mark = rebuildMark(nodeDir)
  if (lostWithMachine(nodeDir) && existsSync(dataDir) && !existsSync(mark)) {
    markForRebuild(nodeDir, 'unsynced', 'the machine ended while the server ran without fsync')
  }
  // The mark above is durable with the folder, before the new boot stands in place of the old one.
  if (!options.fsync) await markUnsynced(nodeDir)
  if (existsSync(mark)) {
    const why = readFileSync(mark, 'utf8').trim()
    const kind = why.slice(0, why.indexOf(':'))
    log.warn({ why }, 'the node is rebuilt')
    if (kind === ('unsynced' satisfies RebuildKind)) await replaceUnsynced(options, why)
    else await replaceData(options, why, kind === ('diverged' satisfies RebuildKind))
    // What comes now is flushed from the beginning.
    if (options.fsync) forgetUnsynced(nodeDir)
  } else if (!existsSync(join(dataDir, 'PG_VERSION'))) await fillEmpty(options)
  rmSync(mark, { force: true })
}

/** A live peer's copy, else the template and the whole journal, else a peer that comes. */
const replaceUnsynced = async (options: ProvideOptions, why: string): Promise<void> => {
  const { dataDir, nodeDir, onProgress } = options
  const { first } = await options.journal.tail(options.signal)
  if (first !== 1) return replaceData(options, `${why}; the journal begins at position ${first}`)
  await using donor = await findDonor(options)
  if (donor !== undefined) return copyDonor(options, donor)
  onProgress('its data were lost with the machine: made anew from the whole journal')
  await endLeftover(dataDir)
  rmSync(dataDir, { recursive: true, force: true })
  rmSync(join(nodeDir, verdictsFile), { force: true })
}

const fillEmpty = async (options: ProvideOptions): Promise<void> => {
  const { first, last } = await options.journal.tail(options.signal)
  const whole = first === 1
  if (whole && last <= replayEntriesMax) return
  const why = whole ? 'it has no data' : `it has no data, and the journal begins at position ${first}`
  if (existsSync(options.dataDir) && readdirSync(options.dataDir).length > 0) {
    throw new AllwriteError('configuration', `"${options.dataDir}" is not empty, and not a PostgreSQL data folder`, {
      hint: 'Empty it, and the node is filled from another one.',
    })
  }
  if (!whole) return replaceData(options, why)
  await using donor = await findDonor(options)
  if (donor !== undefined) await copyDonor(options, donor)
}

/** Makes the data folder a copy of a peer's, whatever it holds now. @param keep as for {@link copyDonor} */
export const replaceData = async (options: ProvideOptions, why: string, keep = false): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    await using donor = await waitForDonor(options, why)
    try {
      return await copyDonor(options, donor, keep)
    } catch (error) {
      if (attempt === attemptsMax || options.signal.aborted) throw error
      options.log.warn({ err: error, donor: nodeName(donor.node) }, 'the copy failed')
    }
  }
}

/**
 * The live peer that has the least to do: a copy takes its donor's disk and CPU, and its clients feel it. Counted are the copies
 * that it gives, then its clients. Among equals the next one, counted from this node on: several joiners take several donors.
 */
const findDonor = async (options: ProvideOptions): Promise<Donor | undefined> => {
  const { node, peers } = options
  const distance = (peer: NodeId): number => (peer > node ? peer : peer + 0x1_0000) - node
  const connected = await Promise.all(peers().map((peer) => connectDonor(peer, options)))
  const ranked: { donor: Donor; rank: readonly number[] }[] = []
  for (const donor of connected) {
    if (donor === undefined) continue
    // Its death in between: it comes last, and fails by itself.
    const { copies, clients } = await donor.load().catch(() => ({ copies: Infinity, clients: Infinity }))
    ranked.push({ donor, rank: [copies, clients, distance(donor.node)] })
  }
  ranked.sort((a, b) => compareRanks(a.rank, b.rank))
  const [best, ...others] = ranked
  for (const { donor } of others) await donor[Symbol.asyncDispose]()
  return best?.donor
}

const compareRanks = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 || (a[at] ?? 0) < (b[at] ?? 0) ? -1 : 1
}

const waitForDonor = async (options: ProvideOptions, why: string): Promise<Donor> => {
  const deadline = options.now() + donorWaitMsMax
  for (let told = false; ; told = true) {
    const donor = await findDonor(options)
    if (donor !== undefined) return donor
    if (options.now() > deadline || options.signal.aborted) break
    if (!told) options.onProgress('waiting for a node that can be copied')
    await delay(donorPollMs)
  }
  throw new AllwriteError(
    'unavailable',
    `node ${nodeName(options.node)} must be copied from a peer, and none is live`,
    {
      detail: `Why: ${why}.`,
      hint: `Start another node; this one follows. To start with the data it has, remove "${rebuildMark(options.nodeDir)}".`,
    },
  )
}
