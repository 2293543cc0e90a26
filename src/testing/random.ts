/**
 * Randomness that a seed brings back: everything random in a test comes from here, and the seed is printed.
 *
 * @module
 */
import { randomInt } from 'node:crypto'

export interface Random {
  readonly seed: number
  /** In [0, 1). */
  next(): number
  /** A whole number in [0, below). */
  int(below: number): number
  pick<T>(items: readonly T[]): T
  chance(probability: number): boolean
  /** An independent source: what one client draws must not depend on how fast another is. */
  fork(): Random
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for choosing operations. */
export const createRandom = (seed: number): Random => {
  let state = seed >>> 0
  const bits = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const next = (): number => bits() / 2 ** 32
  const int = (below: number): number => Math.floor(next() * below)
  return {
    seed,
    next,
    int,
    pick: (items) => {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[int(items.length)]!
    },
    chance: (probability) => next() < probability,
    fork: () => createRandom(bits()),
  }
}

/** ALLWRITE_TEST_SEED, else a fresh seed; whoever uses it prints it. */
export const testSeed = (): number => {
  const text = process.env['ALLWRITE_TEST_SEED']
  if (text === undefined || text === '') return randomInt(2 ** 31)
  const seed = Number(text)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`ALLWRITE_TEST_SEED is not a seed: ${text}`)
  return seed
}
