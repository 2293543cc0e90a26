import { deepEqual, equal, match } from 'node:assert/strict'
import { test } from 'node:test'
import { decodePreamble } from '../core/preamble.ts'
import type { RouteEvent } from './contract.ts'
import { badForMs, createRoutes, type RoutesOptions } from './routes.ts'
import { nodeView as node } from './view.fixture.ts'
import { emptyView, type ClusterView, type NodeView } from './view.ts'

const viewOf = (nodes: readonly NodeView[], more: Partial<ClusterView> = {}): ClusterView => ({
  ...emptyView,
  ...more,
  nodes,
})
const nobody: ReadonlySet<number> = new Set()

function routesOf(options: Partial<RoutesOptions> = {}) {
  const clock = { ms: 0 }
  const routes = createRoutes({ kind: 'cluster', now: () => clock.ms, ...options })
  const events: RouteEvent[] = []
  routes.listen((event) => events.push(event))
  const picks = (avoid: ReadonlySet<number> = nobody) => routes.pick(avoid)?.node
  return { routes, clock, events, picks }
}

test('a node that refused a connection comes last until the time is over', () => {
  const { routes, clock, picks } = routesOf()
  routes.update(viewOf([node(1), node(2)]))
  const first = routes.pick(new Set([2]))
  equal(first?.node, 1)
  if (first) routes.failed(first)
  equal(picks(), 2)
  equal(picks(new Set([2])), 1, 'better than none')
  equal(picks(new Set([1, 2])), undefined)
  clock.ms = badForMs + 1
  deepEqual([picks(), picks()], [2, 1], 'in turn again')
})

test('load is what was opened here, and what the node reports of others', () => {
  const { routes, picks } = routesOf()
  routes.update(viewOf([node(1, { sessions: 2 }), node(2)]))
  equal(picks(), 2)
  const target = routes.find(2)
  const close = target ? [1, 2, 3].map(() => routes.opened(target)) : []
  equal(picks(), 1)
  equal(routes.connections().get(2), 3)
  for (const release of [...close, ...close]) release()
  equal(routes.connections().get(2), undefined)
  equal(picks(), 2)
})

test('a cluster endpoint prefers nodes that are not behind; a reader takes no other; any takes all', () => {
  const nodes = [node(1, { lag: 50 }), node(2, { sessions: 9 })]
  for (const [kind, expected] of [
    ['cluster', 2],
    ['reader', 2],
    ['any', 1],
  ] as const) {
    const { routes, picks } = routesOf({ kind, lagMax: 10 })
    routes.update(viewOf(nodes))
    equal(picks(), expected, kind)
  }
  const late = routesOf({ kind: 'reader', lagMax: 10 })
  late.routes.update(viewOf([node(1, { lag: 11 })]))
  equal(late.picks(), undefined)
  match(late.routes.refusal().toString(), /lag bound/)
  const cluster = routesOf({ lagMax: 10 })
  cluster.routes.update(viewOf([node(1, { lag: 11 })]))
  equal(cluster.picks(), 1, 'better than none')
})

test('custom endpoints keep to their members, or leave some out', () => {
  const nodes = [node(1), node(2), node(3)]
  const some = routesOf({ members: new Set([2]) })
  some.routes.update(viewOf(nodes))
  deepEqual([some.picks(), some.picks(new Set([2]))], [2, undefined])
  const others = routesOf({ excluded: new Set([1, 2]) })
  others.routes.update(viewOf([...nodes, node(4, { sessions: 5 })]))
  deepEqual([others.picks(), others.picks(new Set([3]))], [3, 4])
})

test('a pinned endpoint goes to the writer alone, in its epoch', () => {
  let wanted = 0
  const { routes, picks, events } = routesOf({ kind: 'pinned', onWanted: () => wanted++ })
  routes.update(viewOf([node(1), node(2)]))
  equal(picks(), undefined)
  equal(wanted, 1)
  routes.update(viewOf([node(1), node(2)], { pin: { epoch: 4, node: 2 } }))
  const target = routes.pick(nobody)
  deepEqual([target?.node, target?.epoch], [2, 4])
  deepEqual(decodePreamble(target?.preamble ?? new Uint8Array()), { kind: 'pinned', epoch: 4 })
  equal(picks(new Set([2])), undefined)
  deepEqual(events, [{ type: 'pinned', epoch: 4, node: 2 }, { type: 'available' }])
})

test('who listens hears of deaths, drains and returns once', () => {
  const { routes, events, picks } = routesOf()
  routes.update(viewOf([node(1), node(2)]))
  events.length = 0
  const hurt = viewOf([node(1, { alive: false, serving: false }), node(2, { draining: true })])
  routes.update(hurt)
  routes.update(hurt)
  deepEqual(events, [
    { type: 'down', node: 1 },
    { type: 'draining', node: 2 },
  ])
  equal(picks(), undefined)
  routes.update(viewOf([node(2)]))
  deepEqual(events.slice(2), [{ type: 'available' }])
  routes.update(viewOf([]))
  deepEqual(events.slice(3), [{ type: 'down', node: 2 }])
})

test('a pause holds all back until it is over', () => {
  const { routes, events, picks } = routesOf()
  routes.update(viewOf([node(1)], { paused: true }))
  equal(routes.paused, true)
  equal(picks(), undefined)
  deepEqual(events, [])
  routes.update(viewOf([node(1)]))
  equal(picks(), 1)
  deepEqual(events, [{ type: 'available' }])
})

test('a session goes back to its node only while that may be picked; the proxy’s own questions go anywhere, also in a pause', () => {
  const { routes, clock } = routesOf({ kind: 'pinned' })
  routes.update(viewOf([node(1), node(2), node(3, { serving: false })], { pin: { epoch: 4, node: 1 } }))
  const home = routes.at(1)
  deepEqual(decodePreamble(Buffer.from(home?.preamble ?? [])), { kind: 'pinned', epoch: 4 })
  equal(routes.at(2), undefined, 'not the writer')
  if (home) routes.failed(home)
  equal(routes.at(1), undefined, 'it has just refused')
  clock.ms = badForMs + 1
  equal(routes.at(1)?.node, 1)
  equal(routes.any(new Set([1, 2])), undefined)
  equal(routes.any(new Set([1]))?.preamble.length, 0)
  routes.update(viewOf([node(1), node(2)], { pin: { epoch: 4, node: 1 }, paused: true }))
  equal(routes.at(1), undefined)
  equal(routes.any(new Set([1]))?.node, 2)
})

test('a node that falls silent is told of, unless all are', () => {
  const { routes, events } = routesOf()
  routes.update(viewOf([node(1), node(2)]))
  events.length = 0
  routes.update(viewOf([node(1, { state: 'silent', serving: false }), node(2)]))
  deepEqual(events, [{ type: 'silent', node: 1 }])
  routes.update(viewOf([node(1, { state: 'silent' }), node(2, { state: 'silent' })]))
  deepEqual(
    events.slice(1).filter(({ type }) => type === 'silent'),
    [],
  )
})
