import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { createPinnedWriter, graceMs, leaveMsMax, nextStep } from './pinned-writer.ts'
import { emptyView, type ClusterView, type NodeView, type Pin } from './view.ts'

const node = (id: number, more: Partial<NodeView> = {}): NodeView => ({
  id,
  host: 'h',
  port: id,
  state: 'serving',
  serving: true,
  alive: true,
  draining: false,
  lag: 0,
  sessions: 0,
  ...more,
})
const down = { state: 'down', serving: false, alive: false } as const
const pin = { epoch: 3, node: 1 }
const nobody: ReadonlySet<number> = new Set()
const viewOf = (...nodes: readonly NodeView[]): ClusterView => ({ ...emptyView, nodes, pin })
const moved = (view: ClusterView, doubtMs = 0, avoid = nobody) => {
  const step = nextStep(view, doubtMs, avoid)
  return step.kind === 'move' ? step.to.id : step.kind
}

test('the writer stays as long as it serves, whoever else comes or goes', () => {
  equal(moved(viewOf(node(1, { lag: 99 }), node(2))), 'none')
  equal(moved(viewOf(node(1), node(2, down))), 'none')
})

test('a writer that is gone, hung, drained or no member is replaced at once, by the one that is least behind', () => {
  const others = [node(2, { lag: 2 }), node(3, { lag: 1 }), node(4, { lag: 1 })]
  equal(moved(viewOf(node(1, down), ...others)), 3)
  equal(moved(viewOf(node(1, { ...down, state: 'hung' }), ...others)), 3)
  equal(moved(viewOf(node(1, { draining: true }), ...others)), 3)
  equal(moved(viewOf(...others)), 3)
  equal(moved(viewOf(node(1, down), ...others), 0, new Set([3])), 4)
  equal(moved(viewOf(node(1, down), node(2, down))), 'none')
})

test('a writer that is only silent has a while to answer', () => {
  const silent = node(1, { state: 'silent', serving: false })
  deepEqual(nextStep(viewOf(silent, node(2)), 100, nobody), { kind: 'wait', ms: graceMs - 100 })
  equal(moved(viewOf(silent, node(2)), graceMs), 2)
})

test('a writer that is drained may end its transactions first', () => {
  const draining = node(1, { draining: true, sessions: 1 })
  deepEqual(nextStep(viewOf(draining, node(2)), 100, nobody), { kind: 'wait', ms: leaveMsMax - 100 })
  equal(moved(viewOf(draining, node(2)), leaveMsMax), 2)
  equal(moved(viewOf({ ...draining, sessions: 0 }, node(2))), 2)
})

/** Answers of nodes by hand. */
function writerOf() {
  const clock = { ms: 0 }
  const asked: { to: number; epoch: number; answer: (pin: Pin) => void; fail: (error: Error) => void }[] = []
  const changes: Pin[] = []
  const writer = createPinnedWriter({
    take: (to, epoch) =>
      new Promise((answer, fail) => {
        asked.push({ to: to.id, epoch, answer, fail })
      }),
    onChange: (next) => changes.push(next),
    now: () => clock.ms,
    log: () => undefined,
  })
  return { writer, clock, asked, changes }
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('nobody is asked before a writer is wanted; what the journal says is followed, whoever asked', async () => {
  const { writer, asked, changes } = writerOf()
  const fresh = { ...viewOf(node(1), node(2)), pin: { epoch: 0, node: 0 } }
  writer.update(fresh)
  equal(asked.length, 0)
  writer.wanted()
  writer.wanted()
  deepEqual(
    asked.map(({ to, epoch }) => [to, epoch]),
    [[1, 0]],
  )
  // Another proxy was first, with another node.
  asked[0]?.answer({ epoch: 1, node: 2 })
  await settled()
  deepEqual(writer.pin, { epoch: 1, node: 2 })
  // An older report does not bring it back.
  writer.update(fresh)
  deepEqual(changes, [{ epoch: 1, node: 2 }])
  equal(asked.length, 1)
  writer.close()
})

test('who fails to take over is left out for a while, and the next is asked', async () => {
  const { writer, asked } = writerOf()
  writer.update(viewOf(node(1, down), node(2), node(3)))
  equal(asked[0]?.to, 2)
  asked[0]?.fail(new Error('no answer'))
  await settled()
  deepEqual([asked[1]?.to, asked[1]?.epoch], [3, 3])
  asked[1]?.answer({ epoch: 4, node: 3 })
  await settled()
  deepEqual([writer.pin, writer.moves], [{ epoch: 4, node: 3 }, 1])
  writer.close()
})
