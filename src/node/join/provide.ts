/**
 * Sees to it that a node has data to start from.
 *
 * - A data folder that is there is used, unless the node was marked for rebuilding.
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
import { nodeName } from '../../core/ids.ts'
import { copyDonor, type CopyOptions } from './copy.ts'
import { connectDonor, type Donor, type DonorOptions, type Peer } from './donor.ts'

/** A journal this short is read sooner than a copy is made: a cluster that has just been made. */
const replayEntriesMax = 256
/** How long a node without data waits for a peer to be live, ms. */
const donorWaitMsMax = 120_000
const donorPollMs = 250
/** Copies that may fail before the start does: a donor dies, or is outrun by the journal. */
const attemptsMax = 3

export interface ProvideOptions extends CopyOptions, DonorOptions {
  readonly peers: readonly Peer[]
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const rebuildMark = (nodeDir: string): string => join(nodeDir, 'rebuild')

/** The node's data is not to be served again: its next start replaces it. */
export const markForRebuild = (nodeDir: string, why: string): void =>
  writeFileSync(rebuildMark(nodeDir), `${why}\n`, { mode: 0o600 })

/** @throws AllwriteError unavailable: the node needs a copy and no peer is live */
export const provideData = async (options: ProvideOptions): Promise<void> => {
  const { dataDir, nodeDir, log } = options
  mkdirSync(nodeDir, { recursive: true })
  const mark = rebuildMark(nodeDir)
  if (existsSync(mark)) {
    const why = readFileSync(mark, 'utf8').trim()
    log.warn({ why }, 'the node is rebuilt')
    await replaceData(options, why)
  } else if (!existsSync(join(dataDir, 'PG_VERSION'))) await fillEmpty(options)
  rmSync(mark, { force: true })
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

/** Makes the data folder a copy of a peer's, whatever it holds now. */
export const replaceData = async (options: ProvideOptions, why: string): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    await using donor = await waitForDonor(options, why)
    try {
      return await copyDonor(options, donor)
    } catch (error) {
      if (attempt === attemptsMax || options.signal.aborted) throw error
      options.log.warn({ err: error, donor: nodeName(donor.node) }, 'the copy failed')
    }
  }
}

/** The next live peer, counted from this node on: so that several joiners take several donors. */
const findDonor = async (options: ProvideOptions): Promise<Donor | undefined> => {
  const { node, peers } = options
  const distance = (peer: Peer): number => (peer.node > node ? peer.node : peer.node + 0x1_0000) - node
  for (const peer of peers.toSorted((a, b) => distance(a) - distance(b))) {
    const donor = await connectDonor(peer, options)
    if (donor !== undefined) return donor
  }
  return undefined
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
