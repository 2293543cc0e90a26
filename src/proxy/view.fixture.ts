/** A node that serves, for tests of who is chosen. */
import type { NodeView } from './view.ts'

export const nodeView = (id: number, more: Partial<NodeView> = {}): NodeView => ({
  id,
  host: '127.0.0.1',
  port: id,
  state: 'serving',
  serving: true,
  alive: true,
  draining: false,
  lag: 0,
  sessions: 0,
  ...more,
})
