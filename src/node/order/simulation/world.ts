/**
 * Time and chance of the simulation: everything that would take time waits for a turn, and a seeded generator says whose
 * turn is next. So a seed is a schedule, and a failure comes again with its seed.
 *
 * @module
 */

/** xorshift32: small, and the same everywhere. */
export const createRandom = (seed: number): ((below: number) => number) => {
  let state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

interface Ticket {
  readonly owner: object
  readonly ready: () => boolean
  readonly go: () => void
}

export interface World {
  readonly random: (below: number) => number
  /** Waits for a turn, which comes only while `ready`. A dead owner's turns never come. */
  turn(owner: object, ready?: () => boolean): Promise<void>
  /** The owner has crashed: what it was doing ends here, except what is on its way to others already. */
  drop(owner: object): void
  isDropped(owner: object): boolean
  /** Gives one ready ticket its turn, and lets all that follows from it happen; false when none is ready. */
  step(): Promise<boolean>
}

export const createWorld = (seed: number): World => {
  const random = createRandom(seed)
  let tickets: Ticket[] = []
  const dropped = new WeakSet<object>()
  return {
    random,
    turn: (owner, ready = () => true) =>
      new Promise((resolve) => {
        if (!dropped.has(owner)) tickets.push({ owner, ready, go: resolve })
      }),
    drop(owner) {
      tickets = tickets.filter((ticket) => ticket.owner !== owner)
      dropped.add(owner)
    },
    isDropped: (owner) => dropped.has(owner),
    async step() {
      const ready = tickets.filter((ticket) => ticket.ready())
      const next = ready[random(ready.length || 1)]
      if (next === undefined) return false
      tickets.splice(tickets.indexOf(next), 1)
      next.go()
      // No timers and no I/O are involved, so all that follows happens in microtasks: before the next immediate.
      await new Promise((resolve) => setImmediate(resolve))
      return true
    },
  }
}
