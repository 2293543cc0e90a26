/**
 * What changes a running cluster's nodes, one operation at a time: add, remove, restart.
 *
 * Order of the steps, so that a crash between any two leaves a cluster that the next `up` understands:
 * - add: the number and the membership are on disk before the node's folder is made. A crash later: `up` starts the member, and it joins.
 * - remove: the node is stopped, then fenced in the journal, then no member, then its folder is moved aside. A crash before the
 *   third step: it is a member as before, and starts again. After it: `up` moves the folder.
 *
 * The fence of a removed node makes void what of it might still arrive at the journal, at every node alike, and frees what
 * others keep for large transactions that it did not finish (RULES 1). Its number is never given out again.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeEntry } from '../core/entry.ts'
import { AllwriteError } from '../core/errors.ts'
import { incarnation, nodeId } from '../core/ids.ts'
import { connectFileJournal } from '../journal/file/client.ts'
import { checkDataDir, locateBinaries } from '../postgres/index.ts'
import { pathsOf, type OpenClusterDir } from './cluster-dir.ts'
import type { Tell } from './control-server.ts'
import type { NodeSlot } from './node-slot.ts'
import { listenHost, nodePort } from './options.ts'
import { requireFreePorts } from './ports.ts'

export interface OperationsOptions {
  readonly cluster: OpenClusterDir
  /** The members' slots by number, ascending; `add` and `remove` change it. */
  readonly slots: Map<number, NodeSlot>
  readonly makeSlot: (id: number, pgBin: string | null) => NodeSlot
  readonly pgBin: string | null
  readonly runtimeDir: string
  readonly journalSocket: string
  /** False once the cluster is to stop: what is under way ends, and undoes nothing. */
  readonly isUp: () => boolean
  /** Members came or went. */
  readonly onMembers: () => void
  /** Hears what a node's agent says, until the result is called. */
  readonly listen: (node: string, tell: Tell) => () => void
  /** Bound of an agent's orderly stop, ms. */
  readonly stopWithinMs: number
}

export interface Operations {
  add(count: number, tell: Tell): Promise<void>
  remove(id: number, tell: Tell): Promise<void>
  restart(ids: readonly number[] | undefined, pgBin: string | undefined, tell: Tell): Promise<void>
  /** Resolves when none of its sessions is left, or {@link drainMs} are over: those with long transactions end later. */
  drain(id: number, tell: Tell): Promise<void>
  undrain(id: number): void
}

/** How long open transactions of a node that is stopped may still take, ms. Then they are rolled back, and told 57P01. */
export const drainMs = 10_000
/** How often the sessions of a node that is drained are counted, ms. */
const drainLookMs = 250
/** How long the journal may take for a fence, ms. */
const fenceWithinMsMax = 10_000

export function createOperations(options: OperationsOptions): Operations {
  const { cluster, slots, isUp } = options
  let { pgBin: programs } = options
  let running: string | undefined

  const exclusive = async (name: string, work: () => Promise<void>): Promise<void> => {
    requireUp()
    if (running !== undefined) {
      throw new AllwriteError('unavailable', `the cluster is busy: ${running} is under way`, {
        hint: 'Try again later.',
      })
    }
    running = name
    try {
      await work()
    } finally {
      running = undefined
    }
  }

  const requireUp = (): void => {
    if (!isUp()) throw new AllwriteError('unavailable', 'the cluster is not up, or stops')
  }

  const othersServe = (id: number): boolean =>
    [...slots.values()].some((slot) => slot.id !== id && slot.state === 'serving' && !slot.draining)

  const membersChanged = (): void => {
    for (const slot of slots.values()) slot.writeConfig()
    options.onMembers()
  }

  /** The last steps of a membership. @returns where the node's folder is now */
  const end = async (id: number): Promise<string | undefined> => {
    await fence(options.journalSocket, id)
    const kept = cluster.dismiss(id)
    slots.delete(id)
    membersChanged()
    for (const folder of [`${options.runtimeDir}/n${id}`, `${options.runtimeDir}/n${id}p`]) {
      rmSync(folder, { recursive: true, force: true })
    }
    return kept
  }

  /** Tells what the node's agent says meanwhile. */
  const heard = async (slot: NodeSlot, tell: Tell, work: () => Promise<void>): Promise<void> => {
    const forget = options.listen(slot.name, tell)
    try {
      await work()
    } finally {
      forget()
    }
  }

  const addOne = async (tell: Tell): Promise<void> => {
    requireUp()
    await requireFreePorts(listenHost, [nodePort(cluster.file.basePort, cluster.file.nextNode)])
    const id = cluster.admit()
    const slot = options.makeSlot(id, programs)
    slots.set(id, slot)
    membersChanged()
    tell(`${slot.name}: joining`)
    try {
      await heard(slot, tell, () => slot.start())
    } catch (thrown) {
      if (isUp()) {
        await slot.kill()
        const kept = await end(id)
        tell(`${slot.name} could not join, and is no member; its logs are in "${kept}"`)
      }
      throw thrown
    }
    tell(`${slot.name} serves`)
  }

  const remove = async (id: number, tell: Tell): Promise<void> => {
    const slot = slotOf(slots, id)
    if (!othersServe(id)) {
      throw new AllwriteError('configuration', `${slot.name} can not be removed: no other node serves`, {
        detail: 'The last copy of the data is not taken out of a cluster.',
        hint: 'Start or add another node first.',
      })
    }
    if (slot.child.pid !== undefined) tell(`${slot.name}: its sessions end with their transactions`)
    await slot.stop(options.stopWithinMs, drainMs)
    // A stop of the cluster came in between: the node is still a member.
    requireUp()
    const kept = await end(id)
    tell(`${slot.name} is no member any more${kept === undefined ? '' : `; its folder is "${kept}"`}`)
  }

  const restart = async (ids: readonly number[] | undefined, pgBin: string | undefined, tell: Tell): Promise<void> => {
    if (pgBin !== undefined) {
      const binaries = await locateBinaries(pgBin)
      // Of another major version: refused, with what to do.
      checkDataDir(pathsOf(cluster.dir).template, binaries.major)
      tell(`PostgreSQL ${binaries.version} from "${pgBin}"`)
    }
    const chosen = new Set(ids ?? slots.keys())
    for (const id of chosen) slotOf(slots, id)
    for (const id of chosen) {
      requireUp()
      const slot = slotOf(slots, id)
      if (ids === undefined && !slot.child.wanted) {
        tell(`${slot.name} is down, and stays so`)
        continue
      }
      // A cluster of one has nobody else to serve meanwhile, and was asked to.
      if (slots.size > 1 && !othersServe(id)) {
        throw new AllwriteError('unavailable', `${slot.name} is not restarted: no other node serves`, {
          hint: 'Start another node first.',
        })
      }
      const begun = performance.now()
      tell(`${slot.name}: restarting`)
      await heard(slot, tell, () => slot.restart(options.stopWithinMs, drainMs, pgBin))
      tell(`${slot.name} serves again (${((performance.now() - begun) / 1000).toFixed(1)} s)`)
    }
    programs = pgBin ?? programs
  }

  const drain = async (id: number, tell: Tell): Promise<void> => {
    requireUp()
    const slot = slotOf(slots, id)
    if (!othersServe(id)) {
      throw new AllwriteError('configuration', `${slot.name} is not drained: no other node serves`, {
        hint: 'Start or undrain another node first.',
      })
    }
    slot.setDraining(true)
    tell(`${slot.name}: its sessions end with their transactions`)
    const until = performance.now() + drainMs
    // The agent's next words are awaited: those before tell of sessions that it was not told to end.
    await delay(drainLookMs * 4)
    while ((slot.word?.sessions ?? 0) > 0 && performance.now() < until && isUp()) await delay(drainLookMs)
    const left = slot.word?.sessions ?? 0
    tell(left === 0 ? `${slot.name} is drained` : `${slot.name}: ${left} sessions are still in a transaction`)
  }

  return {
    drain,
    undrain: (id) => slotOf(slots, id).setDraining(false),
    add: (count, tell) =>
      exclusive('adding nodes', async () => {
        // One by one: each donor gives one copy at a time, and the next may give the one after.
        for (let i = 0; i < count; i++) await addOne(tell)
      }),
    remove: (id, tell) => exclusive('a removal', () => remove(id, tell)),
    restart: (ids, pgBin, tell) => exclusive('a restart', () => restart(ids, pgBin, tell)),
  }
}

/** @throws AllwriteError configuration: the node is no member */
export function slotOf(slots: ReadonlyMap<number, NodeSlot>, id: number): NodeSlot {
  const slot = slots.get(id)
  if (slot) return slot
  throw new AllwriteError('configuration', `there is no node n${id}`, {
    detail: `The cluster has ${[...slots.values()].map(({ name }) => name).join(', ')}.`,
  })
}

/** Appends the last fence of a node whose processes have ended; nothing where it never appended. */
async function fence(socketPath: string, id: number): Promise<void> {
  await using journal = connectFileJournal({ socketPath })
  const signal = AbortSignal.timeout(fenceWithinMsMax)
  const node = nodeId(id)
  try {
    const newest = (await journal.tail(signal)).nodes.get(node)
    if (newest === undefined) return
    const last = { node, incarnation: incarnation(newest.incarnation + 1), number: 0 }
    await journal.append(last, encodeEntry({ kind: 'fence', ...last }), signal)
  } catch (cause) {
    throw new AllwriteError(
      'journal_unreachable',
      `n${id} is stopped, and still a member: the journal does not answer`,
      {
        hint: `When it does, repeat "allwrite remove n${id} --for-good", or start the node again.`,
        cause,
      },
    )
  }
}
