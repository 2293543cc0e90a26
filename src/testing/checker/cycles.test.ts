/** Cycles and components against naive enumeration, on small random graphs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { AnomalyName } from './anomalies.ts'
import { findCycles } from './cycles.ts'
import type { Findings } from './findings.ts'
import { buildGraph, buildSplitGraph, componentsOf, createEdgeList, Edge } from './graph.ts'
import type { EdgeList } from './graph.ts'
import type { Transaction } from './history.ts'

type Arc = readonly [from: number, to: number, kind: number]

const vertices = 6
const arcs = fc
  .array(
    fc.tuple(fc.nat({ max: vertices - 1 }), fc.nat({ max: vertices - 1 }), fc.constantFrom(Edge.ww, Edge.wr, Edge.rw)),
    { maxLength: 14 },
  )
  .map((all) => all.filter(([from, to]) => from !== to))

const edgesOf = (all: readonly Arc[]): EdgeList => {
  const edges = createEdgeList()
  for (const [from, to, kind] of all) edges.add(from, to, kind)
  return edges
}

/** Every simple cycle, as the kinds of its edges. */
const simpleCycles = (all: readonly Arc[]): number[][] => {
  const cycles: number[][] = []
  const walk = (start: number, at: number, visited: readonly number[], kinds: readonly number[]): void => {
    for (const [from, to, kind] of all) {
      if (from !== at || to < start) continue
      if (to === start) cycles.push([...kinds, kind])
      else if (!visited.includes(to)) walk(start, to, [...visited, to], [...kinds, kind])
    }
  }
  for (let start = 0; start < vertices; start++) walk(start, start, [start], [])
  return cycles
}

const classOf = (kinds: readonly number[]): AnomalyName => {
  const reads = kinds.filter((kind) => kind === Edge.rw).length
  if (reads === 0) return kinds.includes(Edge.wr) ? 'G1c' : 'G0'
  if (reads === 1) return 'G-single'
  return kinds.some((kind, i) => kind === Edge.rw && kinds.at(i - 1) === Edge.rw) ? 'G2-item' : 'G-nonadjacent'
}

const found = (all: readonly Arc[]): Set<AnomalyName> => {
  const findings: Findings = new Map()
  const transactions = Array.from({ length: vertices }, (_, process): Transaction => {
    return { process, node: 1, operations: [], invoked: process, outcome: 'ok', completed: process + vertices }
  })
  findCycles(transactions, new Map(), { edges: edgesOf(all), vertices }, findings)
  return new Set(findings.keys())
}

test('classes of cycles are those of all simple cycles, enumerated', () => {
  fc.assert(
    fc.property(arcs, (all) => {
      const expected = new Set(simpleCycles(all).map(classOf))
      const names = found(all)
      for (const name of names) assert(expected.has(name), `${name} is reported, but there is none`)
      for (const name of ['G0', 'G1c', 'G-single'] as const) assert.equal(names.has(name), expected.has(name), name)
      // The shortest walk of these two may meet itself; then one of its parts is reported instead.
      if (expected.has('G-nonadjacent')) assert(['G0', 'G1c', 'G-single', 'G-nonadjacent'].some((name) => names.has(name as AnomalyName))) // prettier-ignore
      if (expected.has('G2-item')) assert(names.size > 0)
    }),
    { numRuns: 5_000 },
  )
})

test('the split graph has a cycle exactly where a cycle has no two adjacent anti-dependencies', () => {
  fc.assert(
    fc.property(arcs, (all) => {
      const forbidden = simpleCycles(all).some((kinds) => classOf(kinds) !== 'G2-item')
      assert.equal(componentsOf(buildSplitGraph(vertices, edgesOf(all), -1)).count > 0, forbidden)
    }),
    { numRuns: 5_000 },
  )
})

test('components are the sets of vertices that reach each other', () => {
  fc.assert(
    fc.property(arcs, (all) => {
      const { of } = componentsOf(buildGraph(vertices, edgesOf(all), -1))
      const reached = Array.from({ length: vertices }, (_, from) => {
        const seen = new Set<number>([from])
        for (const at of seen) for (const [source, to] of all) if (source === at) seen.add(to)
        return seen
      })
      for (let a = 0; a < vertices; a++) {
        for (let b = 0; b < vertices; b++) {
          if (a === b) continue
          const together = reached[a]!.has(b) && reached[b]!.has(a)
          assert.equal(of[a] !== -1 && of[a] === of[b], together, `${a} and ${b}`)
        }
      }
    }),
  )
})

test('a path as long as the history does not overflow the stack', () => {
  const edges = createEdgeList()
  const length = 300_000
  for (let vertex = 0; vertex < length; vertex++) edges.add(vertex, (vertex + 1) % length, Edge.ww)
  assert.equal(componentsOf(buildGraph(length, edges, -1)).count, 1)
})
