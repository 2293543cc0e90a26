/**
 * Which classes of cycles a graph of dependencies has, with a shortest witness of each.
 *
 * Whether there are any is decided in linear time, layer by layer (data, + sessions, + real time):
 *
 * 1. components over ww and wr: G0 and G1c;
 * 2. components of the split graph (graph.ts): what snapshot isolation forbids, so that G-single and G-nonadjacent remain;
 * 3. components over all dependencies: what is left then is G2-item.
 *
 * Only inside of such a component a witness is searched for. A class counts once per component: the number says in
 * how many places of the history something is wrong, not how many cycles there are (exponentially many).
 *
 * @module
 */
import { cycleClasses, layers } from './anomalies.ts'
import type { AnomalyName, CycleClass, Layer } from './anomalies.ts'
import type { Dependencies } from './edges.ts'
import { describeCycle } from './explain.ts'
import type { Findings } from './findings.ts'
import { report } from './findings.ts'
import { buildGraph, buildSplitGraph, componentsOf, Edge } from './graph.ts'
import type { Components, Graph } from './graph.ts'
import type { Transaction } from './history.ts'
import { kernelOf } from './kernel.ts'
import type { Kernel } from './kernel.ts'
import type { Orders } from './orders.ts'
import { createSearch } from './search.ts'
import type { Cycle, Pattern, Search } from './search.ts'

const data = Edge.ww | Edge.wr
const layerKinds: Readonly<Record<Layer, { readonly needed: number; readonly allowed: number }>> = {
  '': { needed: 0, allowed: 0 },
  '-process': { needed: Edge.process, allowed: Edge.process },
  '-realtime': { needed: Edge.realtime, allowed: Edge.process | Edge.realtime },
}

/** States looked at for the shortest witness of one class in one component; its detection does not depend on this. */
const stepsMax = 300_000
/** The same for one class in all components together; behind it each component has only one search per class. */
const stepsAllMax = 10_000_000

/** Components, and whether a vertex or an edge lies in one of them: the same question for plain and split graphs. */
interface Area {
  readonly count: number
  /** Component → vertices that a first edge may leave. */
  readonly members: readonly (readonly number[])[]
  contains(component: number, vertex: number): boolean
  joins(component: number, from: number, to: number): boolean
}

const plainArea = ({ of, count }: Components): Area => ({
  count,
  members: groupsOf(of, count, 1),
  contains: (component, vertex) => of[vertex] === component,
  joins: (component, from, to) => of[from] === component && of[to] === component,
})

/** For first edges of kind rw: they lead from a start to a commit. */
const splitArea = ({ of, count }: Components): Area => ({
  count,
  members: groupsOf(of, count, 2),
  contains: (component, vertex) => of[vertex * 2] === component || of[vertex * 2 + 1] === component,
  joins: (component, from, to) => of[from * 2] === component && of[to * 2 + 1] === component,
})

const groupsOf = (of: Int32Array, count: number, step: number): number[][] => {
  const groups: number[][] = Array.from({ length: count }, () => [])
  for (let at = 0; at < of.length; at += step) if (of[at] !== -1) groups[of[at]!]!.push(at / step)
  return groups
}

/** Adds every class of cycle to the findings. */
export const findCycles = (
  transactions: readonly Transaction[],
  orders: Orders,
  { edges, vertices }: Dependencies,
  findings: Findings,
): void => {
  const kernel = kernelOf(vertices, edges)
  if (kernel.vertices === 0) return
  const graph = buildGraph(kernel.vertices, kernel.edges, -1)
  const isAuxiliary = (vertex: number): boolean => kernel.original[vertex]! >= transactions.length
  const search = createSearch(graph, isAuxiliary)

  const tell = (name: AnomalyName, { vertices, kinds }: Cycle): void => {
    const cycle = { vertices: vertices.map((vertex) => kernel.original[vertex]!), kinds }
    report(findings, name, vertices.length, () => describeCycle(transactions, orders, cycle.vertices, kinds))
  }
  for (const layer of layers) {
    for (const { area, patterns, worse } of passesOf(kernel, layer)) {
      const walks: { name: AnomalyName; cycle: Cycle }[] = []
      for (const pattern of patterns) {
        const name: AnomalyName = `${pattern.name}${layer}`
        for (const cycle of searchAll(graph, search, area, pattern)) {
          if (cycle.isSimple) tell(name, cycle)
          else walks.push({ name, cycle })
        }
      }
      // A closed walk that meets itself is made of smaller cycles. Should the bounds above have kept us from finding
      // any of a class that is as bad, it still proves that something is wrong.
      const known = worse.some((name) => layers.some((of) => findings.has(`${name}${of}`)))
      if (!known && walks[0] !== undefined) tell(walks[0].name, walks[0].cycle)
    }
  }
}

interface Pass {
  readonly area: Area
  readonly patterns: readonly Pattern[]
  /** What is forbidden wherever these patterns are, and found by now where it is. */
  readonly worse: readonly CycleClass[]
}

function* passesOf(kernel: Kernel, layer: Layer): Generator<Pass> {
  const { needed, allowed } = layerKinds[layer]
  const ordered = data | allowed
  const all = ordered | Edge.rw | Edge.link
  const { vertices, edges } = kernel
  const writes = Edge.ww | allowed
  yield {
    area: plainArea(componentsOf(buildGraph(vertices, edges, ordered))),
    patterns: [
      { name: 'G0', first: Edge.ww, allowed: writes, layer: needed, needs: 'nothing' },
      { name: 'G1c', first: Edge.wr, allowed: ordered, layer: needed, needs: 'nothing' },
    ],
    worse: ['G0', 'G1c'],
  }
  yield {
    area: splitArea(componentsOf(buildSplitGraph(vertices, edges, all))),
    patterns: [
      { name: 'G-single', first: Edge.rw, allowed: ordered, layer: needed, needs: 'nothing' },
      { name: 'G-nonadjacent', first: Edge.rw, allowed: all, layer: needed, needs: 'another rw' },
    ],
    worse: ['G0', 'G1c', 'G-single', 'G-nonadjacent'],
  }
  yield {
    area: plainArea(componentsOf(buildGraph(vertices, edges, all))),
    patterns: [{ name: 'G2-item', first: Edge.rw, allowed: all, layer: needed, needs: 'adjacent rw' }],
    worse: cycleClasses,
  }
}

/** Per component the shortest cycle of the pattern, a simple one where there is one. */
function* searchAll(graph: Graph, search: Search, area: Area, pattern: Pattern): Generator<Cycle> {
  const begun = search.steps
  for (let component = 0; component < area.count; component++) {
    const steps = search.steps - begun > stepsAllMax ? 0 : stepsMax
    const found = searchOne(graph, search, area, component, pattern, search.steps + steps)
    if (found !== undefined) yield found
  }
}

const searchOne = (
  graph: Graph,
  search: Search,
  area: Area,
  component: number,
  pattern: Pattern,
  stepsEnd: number,
): Cycle | undefined => {
  const inside = (vertex: number): boolean => area.contains(component, vertex)
  let best: Cycle | undefined
  let walk: Cycle | undefined
  for (const from of area.members[component]!) {
    for (let edge = graph.starts[from]!; edge < graph.starts[from + 1]!; edge++) {
      if (graph.kinds[edge] !== pattern.first || !area.joins(component, from, graph.targets[edge]!)) continue
      const found = search.shortest(
        edge,
        from,
        pattern,
        inside,
        best === undefined ? Infinity : best.vertices.length - 1,
      )
      if (found?.isSimple === true) best = found
      else walk ??= found
      if (best?.vertices.length === 2 || search.steps > stepsEnd) return best ?? walk
    }
  }
  return best ?? walk
}
