/**
 * The journal of the simulation. Unlike the memory driver it accepts late appends of replaced incarnations, which the contract
 * allows a driver (journal/contract.ts, 4), delays appends and their answers, and now and then sends an append twice.
 *
 * @module
 */
import { AllwriteError } from '../../../core/errors.ts'
import { incarnation as toIncarnation, position as toPosition, type NodeId, type Position } from '../../../core/ids.ts'
import type { AppendId } from '../../../core/writeset.ts'
import type { Journal, StoredEntry } from '../../../journal/contract.ts'
import type { World } from './world.ts'

/** An answer takes fewer turns than this. */
const slowTurns = 40

const nameOf = (id: AppendId): string => `${id.node}/${id.incarnation}/${id.number}`

export interface SimJournal {
  readonly entries: readonly StoredEntry[]
  /** The journal as one agent sees it. */
  connect(agent: object): Journal
  newestIncarnation(node: NodeId): number
}

export const createSimJournal = (world: World): SimJournal => {
  const entries: StoredEntry[] = []
  const known = new Map<string, Position>()
  const newest = new Map<NodeId, number>()
  // Appends on the wire belong to nobody: they land although their agent is dead.
  const wire = {}

  const store = (id: AppendId, payload: Uint8Array): Position => {
    const name = nameOf(id)
    const repeated = known.get(name)
    if (repeated !== undefined) return repeated
    const position = toPosition(entries.length + 1)
    known.set(name, position)
    newest.set(id.node, Math.max(newest.get(id.node) ?? 0, id.incarnation))
    entries.push({ position, id, payload: Uint8Array.from(payload) })
    return position
  }

  const connect = (agent: object): Journal => ({
    async append(id, payload) {
      await world.turn(wire, () => id.number === 0 || known.has(nameOf({ ...id, number: id.number - 1 })))
      // What a dying agent sent may get lost, and with it all behind it; or land late.
      if (world.isDropped(agent) && world.random(2) === 0) await new Promise(() => undefined)
      const position = store(id, payload)
      // Long enough for a transaction to wait for its group, to lose its locks, and for another to take them.
      for (let turns = world.random(slowTurns); turns > 0; turns--) await world.turn(agent)
      if (world.random(4) === 0) void world.turn(wire).then(() => store(id, payload))
      await world.turn(agent)
      return position
    },
    async *read(from, { to, signal } = {}) {
      for (let next: number = from; next <= (to ?? Infinity); next++) {
        if (entries.length < next) await world.turn(agent, () => entries.length >= next || signal?.aborted === true)
        if (signal?.aborted === true) throw new AllwriteError('cancelled', 'the read was cancelled')
        const entry = entries[next - 1]
        if (entry !== undefined) yield [entry]
      }
    },
    tail: () =>
      Promise.resolve({
        first: toPosition(1),
        last: toPosition(entries.length),
        nodes: new Map([...newest].map(([node, value]) => [node, { incarnation: toIncarnation(value), number: 0 }])),
      }),
    report: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  })

  return { entries, connect, newestIncarnation: (node) => newest.get(node) ?? 0 }
}
