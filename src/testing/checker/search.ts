/**
 * The shortest cycle of a given pattern through a given edge: breadth-first, over vertices and what the path has shown so far.
 *
 * @module
 */
import type { CycleClass } from './anomalies.ts'
import { Edge } from './graph.ts'
import type { Graph } from './graph.ts'

/** What a cycle must be made of to count as a class. */
export interface Pattern {
  readonly name: CycleClass
  /** Kind of the edge that the search begins with: every cycle of the class has one. */
  readonly first: number
  /** Kinds of all its edges. */
  readonly allowed: number
  /** A kind that must occur, or 0: the session or real-time edge of a variant. */
  readonly layer: number
  /** What else must occur behind the first edge: nothing, one more rw edge, or an rw edge right behind another. */
  readonly needs: 'nothing' | 'another rw' | 'adjacent rw'
}

export interface Cycle {
  /** Transactions in their order; the last leads to the first. */
  readonly vertices: readonly number[]
  /** `kinds[i]` is the edge that leaves `vertices[i]`. */
  readonly kinds: readonly number[]
  /** No transaction occurs twice. */
  readonly isSimple: boolean
}

/** Flags of a path: what a state knows besides its vertex. */
const lastRw = 1
const layerSeen = 2
const needSeen = 4
const flagBits = 3

export interface Search {
  /** States looked at since the search was created. */
  readonly steps: number
  /**
   * The shortest cycle of the pattern that begins with the edge and has at most `sizeMax` transactions.
   * @param inside limits the search to one component
   */
  shortest(edge: number, from: number, pattern: Pattern, inside: (vertex: number) => boolean, sizeMax: number):
    | Cycle
    | undefined
} // prettier-ignore

/** @param isAuxiliary vertices that are no transactions: they cost nothing and do not show in the result */
export const createSearch = (graph: Graph, isAuxiliary: (vertex: number) => boolean): Search => {
  const states = graph.vertices << flagBits
  const visitedIn = new Int32Array(states)
  const parents = new Int32Array(states)
  const arrivedBy = new Uint8Array(states)
  let round = 0
  let steps = 0

  /** The flags behind an edge, or -1 where the pattern does not allow it. */
  const follow = ({ allowed, layer, needs }: Pattern, flags: number, kind: number): number => {
    if (kind === Edge.link) return flags
    if ((kind & allowed) === 0) return -1
    let next = flags & (layerSeen | needSeen)
    if ((kind & layer) !== 0) next |= layerSeen
    if (kind === Edge.rw) {
      if ((flags & lastRw) !== 0) {
        if (needs !== 'adjacent rw') return -1
        next |= needSeen
      } else if (needs === 'another rw') next |= needSeen
      next |= lastRw
    }
    return next
  }

  const closes = ({ first, layer, needs }: Pattern, flags: number): boolean => {
    if (layer !== 0 && (flags & layerSeen) === 0) return false
    if (needs !== 'nothing' && (flags & needSeen) === 0) return false
    // Around the corner, too, two rw edges are adjacent.
    return needs === 'adjacent rw' || first !== Edge.rw || (flags & lastRw) === 0
  }

  const cycleBack = (from: number, firstKind: number, lastState: number, closing: number): Cycle => {
    const vertices: number[] = []
    const kinds: number[] = []
    let kind = closing
    for (let state = lastState; state !== -1; state = parents[state]!) {
      const vertex = state >> flagBits
      // What leaves an auxiliary vertex continues the edge that led to it.
      if (!isAuxiliary(vertex)) {
        vertices.unshift(vertex)
        kinds.unshift(kind)
      }
      kind = arrivedBy[state]!
    }
    vertices.unshift(from)
    kinds.unshift(firstKind)
    return { vertices, kinds, isSimple: new Set(vertices).size === vertices.length }
  }

  return {
    get steps() {
      return steps
    },
    shortest: (edge, from, pattern, inside, sizeMax) => {
      const firstKind = graph.kinds[edge]!
      const firstTarget = graph.targets[edge]!
      const begun = (firstKind === Edge.rw ? lastRw : 0) | ((firstKind & pattern.layer) === 0 ? 0 : layerSeen)
      const start = (firstTarget << flagBits) | begun
      round += 1
      visitedIn[start] = round
      parents[start] = -1
      arrivedBy[start] = firstKind
      let [current, next]: [number[], number[]] = [[start], []]
      for (let size = isAuxiliary(firstTarget) ? 1 : 2; current.length > 0 && size <= sizeMax; size++) {
        // Auxiliary vertices join the level that is being walked through.
        for (let i = 0; i < current.length; i++) {
          const state = current[i]!
          const vertex = state >> flagBits
          steps += 1
          for (let at = graph.starts[vertex]!; at < graph.starts[vertex + 1]!; at++) {
            const kind = graph.kinds[at]!
            const flags = follow(pattern, state & ((1 << flagBits) - 1), kind)
            if (flags === -1) continue
            const target = graph.targets[at]!
            if (target === from) {
              if (closes(pattern, flags)) return cycleBack(from, firstKind, state, kind)
              continue
            }
            const reached = (target << flagBits) | flags
            if (visitedIn[reached] === round || !inside(target)) continue
            visitedIn[reached] = round
            parents[reached] = state
            arrivedBy[reached] = kind
            if (isAuxiliary(target)) current.push(reached)
            else next.push(reached)
          }
        }
        ;[current, next] = [next, []]
      }
      return undefined
    },
  }
}
