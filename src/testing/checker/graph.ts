/**
 * Directed graphs of millions of vertices in typed arrays, and their strongly connected components.
 *
 * @module
 */

/** Kinds of edges, as bits, so that a set of kinds is a mask. */
export const Edge = {
  /** The next version's writer follows the version's writer. */
  ww: 1,
  /** A reader follows the writer of what it read. */
  wr: 2,
  /** The next version's writer follows those who read the version before (anti-dependency). */
  rw: 4,
  /** The next transaction of one process. */
  process: 8,
  /** Invoked after the other had completed. */
  realtime: 16,
  /** The second half of an rw edge that goes through an auxiliary vertex. */
  link: 32,
} as const

export interface Edges {
  readonly length: number
  from(edge: number): number
  to(edge: number): number
  kind(edge: number): number
}

export interface EdgeList extends Edges {
  add(from: number, to: number, kind: number): void
}

/** Edges before the first growth. */
const edgesMin = 1024

export const createEdgeList = (): EdgeList => {
  let ends = new Int32Array(edgesMin * 2)
  let kinds = new Uint8Array(edgesMin)
  let length = 0
  const grow = (): void => {
    const [oldEnds, oldKinds] = [ends, kinds]
    ends = new Int32Array(oldEnds.length * 2)
    kinds = new Uint8Array(oldKinds.length * 2)
    ends.set(oldEnds)
    kinds.set(oldKinds)
  }
  return {
    get length() {
      return length
    },
    from: (edge) => ends[edge * 2]!,
    to: (edge) => ends[edge * 2 + 1]!,
    kind: (edge) => kinds[edge]!,
    add: (from, to, kind) => {
      if (length === kinds.length) grow()
      ends[length * 2] = from
      ends[length * 2 + 1] = to
      kinds[length] = kind
      length += 1
    },
  }
}

/** Compressed rows: the successors of `v` are `targets[starts[v] … starts[v + 1])`. */
export interface Graph {
  readonly vertices: number
  readonly starts: Int32Array
  readonly targets: Int32Array
  readonly kinds: Uint8Array
}

/** The edges whose kind is in the mask. */
export const buildGraph = (vertices: number, edges: Edges, mask: number): Graph => {
  const starts = new Int32Array(vertices + 1)
  let count = 0
  for (let edge = 0; edge < edges.length; edge++) {
    if ((edges.kind(edge) & mask) === 0) continue
    starts[edges.from(edge) + 1]! += 1
    count += 1
  }
  for (let vertex = 0; vertex < vertices; vertex++) starts[vertex + 1]! += starts[vertex]!
  const next = starts.slice(0, vertices)
  const targets = new Int32Array(count)
  const kinds = new Uint8Array(count)
  for (let edge = 0; edge < edges.length; edge++) {
    if ((edges.kind(edge) & mask) === 0) continue
    const from = edges.from(edge)
    const at = next[from]!
    next[from] = at + 1
    targets[at] = edges.to(edge)
    kinds[at] = edges.kind(edge)
  }
  return { vertices, starts, targets, kinds }
}

/**
 * Every transaction v becomes its start 2v and its commit 2v + 1. An rw edge says that the reader's start came before the
 * writer's commit, every other edge that a commit came before a start. So two rw edges never follow one another, and
 * a cycle here is exactly what snapshot isolation forbids, found in linear time.
 */
export const buildSplitGraph = (vertices: number, edges: Edges, mask: number): Graph => {
  const split = createEdgeList()
  for (let vertex = 0; vertex < vertices; vertex++) split.add(vertex * 2, vertex * 2 + 1, Edge.process)
  for (let edge = 0; edge < edges.length; edge++) {
    const kind = edges.kind(edge)
    if ((kind & mask) === 0) continue
    const from = edges.from(edge) * 2 + (kind === Edge.rw ? 0 : 1)
    const to = edges.to(edge) * 2 + (kind === Edge.rw || kind === Edge.link ? 1 : 0)
    split.add(from, to, kind)
  }
  return buildGraph(vertices * 2, split, -1)
}

export interface Components {
  /** Vertex → number of its component, or -1 where the vertex is on no cycle. No vertex has an edge to itself. */
  readonly of: Int32Array
  readonly count: number
}

/**
 * Strongly connected components of two vertices and more: Tarjan, "Depth-First Search and Linear Graph Algorithms" (1972),
 * with a stack of its own, because a path may be as long as the history.
 */
export const componentsOf = ({ vertices, starts, targets }: Graph): Components => {
  const of = new Int32Array(vertices).fill(-1)
  const index = new Int32Array(vertices) // 0: not visited
  const low = new Int32Array(vertices)
  const onStack = new Uint8Array(vertices)
  const stack = new Int32Array(vertices)
  const path = new Int32Array(vertices)
  const edgeAt = starts.slice(0, vertices)
  let [visited, stackSize, count] = [0, 0, 0]

  const enter = (vertex: number): void => {
    visited += 1
    index[vertex] = visited
    low[vertex] = visited
    stack[stackSize++] = vertex
    onStack[vertex] = 1
  }
  const leave = (root: number): void => {
    const alone = stack[stackSize - 1] === root
    for (let vertex = -1; vertex !== root;) {
      vertex = stack[--stackSize]!
      onStack[vertex] = 0
      if (!alone) of[vertex] = count
    }
    if (!alone) count += 1
  }

  for (let root = 0; root < vertices; root++) {
    if (index[root] !== 0) continue
    let depth = 0
    path[0] = root
    enter(root)
    while (depth >= 0) {
      const vertex = path[depth]!
      const edge = edgeAt[vertex]!
      if (edge < starts[vertex + 1]!) {
        edgeAt[vertex] = edge + 1
        const target = targets[edge]!
        if (index[target] === 0) {
          path[++depth] = target
          enter(target)
        } else if (onStack[target] === 1 && index[target]! < low[vertex]!) {
          low[vertex] = index[target]!
        }
        continue
      }
      if (low[vertex] === index[vertex]) leave(vertex)
      depth -= 1
      if (depth >= 0 && low[vertex]! < low[path[depth]!]!) low[path[depth]!] = low[vertex]!
    }
  }
  return { of, count }
}
