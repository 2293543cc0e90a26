/**
 * What of a graph can be on a cycle at all. In a history without anomalies that is little or nothing, and all later
 * questions are asked of this rest only.
 *
 * @module
 */
import { buildGraph, componentsOf, createEdgeList } from './graph.ts'
import type { Edges } from './graph.ts'

export interface Kernel {
  readonly vertices: number
  readonly edges: Edges
  /** Kernel's vertex → the whole graph's. */
  readonly original: Int32Array
}

/** The vertices and edges inside of strongly connected components, renumbered. */
export const kernelOf = (vertices: number, edges: Edges): Kernel => {
  const { of } = componentsOf(buildGraph(vertices, edges, -1))
  const renumbered = new Int32Array(vertices)
  const original: number[] = []
  for (let vertex = 0; vertex < vertices; vertex++) {
    if (of[vertex] === -1) continue
    renumbered[vertex] = original.length
    original.push(vertex)
  }
  const inside = createEdgeList()
  for (let edge = 0; edge < edges.length; edge++) {
    const [from, to] = [edges.from(edge), edges.to(edge)]
    if (of[from] === -1 || of[from] !== of[to]) continue
    inside.add(renumbered[from]!, renumbered[to]!, edges.kind(edge))
  }
  return { vertices: original.length, edges: inside, original: Int32Array.from(original) }
}
