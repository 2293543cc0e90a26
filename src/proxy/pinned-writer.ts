/**
 * When the writer of pinned endpoints moves, and to whom. Any proxy may ask for it; the journal lets one request an epoch win (ADR 26). It
 * never moves back by itself: who is the writer stays it for as long as it serves.
 *
 * @module
 */
import { newerPin, type ClusterView, type NodeView, type Pin } from './view.ts'

/** What is to be done about the writer. */
export type Step =
  | { readonly kind: 'none' }
  /** Looked at again after this, ms. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'move'; readonly to: NodeView }

/** How long a writer may be silent, or catch up after a pause, before another takes its place, ms: a move ends all sessions. */
export const graceMs = 750

/** How long transactions of a writer that is left on purpose may take to end, ms: its sessions end with them. */
export const leaveMsMax = 5_000

/** Why a writer that lives may have to be replaced: what a busy machine shows as well, or somebody's wish. */
type Trouble = 'doubt' | 'leave' | undefined

function troubleOf(writer: NodeView | undefined): Trouble {
  if (!writer?.alive) return undefined
  if (writer.draining) return 'leave'
  return writer.state === 'silent' || writer.state === 'catching_up' ? 'doubt' : undefined
}

/**
 * @param troubleMs for how long the writer has been in doubt, or left
 * @param avoid nodes that have just failed to take over
 */
export function nextStep(view: ClusterView, troubleMs: number, avoid: ReadonlySet<number>): Step {
  const writer = view.nodes.find(({ id }) => id === view.pin.node)
  const trouble = troubleOf(writer)
  if (writer?.serving && trouble === undefined) return { kind: 'none' }
  const patienceMs = trouble === 'doubt' ? graceMs : trouble === 'leave' && writer?.sessions !== 0 ? leaveMsMax : 0
  if (troubleMs < patienceMs) return { kind: 'wait', ms: patienceMs - troubleMs }
  // All proxies choose the same, as far as they see the same.
  const [to] = view.nodes
    .filter((node) => node.serving && !node.draining && !avoid.has(node.id) && node.id !== writer?.id)
    .sort((a, b) => a.lag - b.lag || a.id - b.id)
  return to ? { kind: 'move', to } : { kind: 'none' }
}

export interface PinnedWriterOptions {
  /** Asks a node to take over from an epoch. @returns who is the writer then */
  readonly take: (node: NodeView, epoch: number) => Promise<Pin>
  /** Another writer than before. */
  readonly onChange: (pin: Pin) => void
  readonly now: () => number
  readonly log: (message: string) => void
}

export interface PinnedWriter {
  /** The newest that is known. */
  readonly pin: Pin
  /** Moves since this process began. */
  readonly moves: number
  update(view: ClusterView): void
  /** Somebody wants a writer though there may never have been one. */
  wanted(): void
  close(): void
}

/** A node that could not take over is left out for this long, ms. */
const failedForMs = 1_000

export function createPinnedWriter(options: PinnedWriterOptions): PinnedWriter {
  let view: ClusterView | undefined
  let pin: Pin = { epoch: 0, node: 0 }
  let isWanted = false
  let moving = false
  let closed = false
  let moves = 0
  let trouble: Trouble
  let troubleSince = 0
  const failed = new Map<number, number>()
  let timer: NodeJS.Timeout | undefined

  const learn = (other: Pin): void => {
    const newest = newerPin(pin, other)
    if (newest === pin) return
    pin = newest
    trouble = undefined
    options.onChange(pin)
  }

  const move = async (to: NodeView): Promise<void> => {
    moving = true
    const { epoch } = pin
    try {
      const answer = await options.take(to, epoch)
      if (answer.epoch > epoch) moves++
      learn(answer)
      options.log(`the pinned writer is n${pin.node}, epoch ${pin.epoch}`)
    } catch (thrown) {
      failed.set(to.id, options.now() + failedForMs)
      options.log(
        `n${to.id} did not become the pinned writer: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      )
    } finally {
      moving = false
      look()
    }
  }

  const look = (): void => {
    clearTimeout(timer)
    // Nobody needs a writer before the first one was asked for.
    if (!view || moving || closed || (pin.epoch === 0 && !isWanted)) return
    const now = options.now()
    for (const [id, until] of failed) if (until <= now) failed.delete(id)
    const current = troubleOf(view.nodes.find(({ id }) => id === pin.node))
    if (current !== trouble) {
      trouble = current
      troubleSince = now
    }
    const step = nextStep({ ...view, pin }, now - troubleSince, new Set(failed.keys()))
    if (step.kind === 'move') void move(step.to)
    else if (step.kind === 'wait') timer = setTimeout(look, step.ms + 1)
    else if (failed.size > 0) timer = setTimeout(look, failedForMs)
  }

  return {
    get pin() {
      return pin
    },
    get moves() {
      return moves
    },
    update(next) {
      view = next
      learn(next.pin)
      look()
    },
    wanted() {
      isWanted = true
      look()
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
