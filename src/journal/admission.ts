/**
 * Which appends are new, which are repeats, which are refused: guarantees 3 and 4 of the contract as a pure state machine
 * that the drivers share. It knows per node the newest incarnation, that one's last number, and the positions of the
 * last {@link repeatWindow} numbers, so that a repeat is answered with the position of the first.
 *
 * @module
 */
import { AllwriteError, assert } from '../core/errors.ts'
import { nodeName } from '../core/ids.ts'
import { position as asPosition } from '../core/ids.ts'
import type { Incarnation, NodeId, Position } from '../core/ids.ts'
import type { AppendId } from '../core/writeset.ts'

/**
 * Per node, how many of its last numbers can be answered again: an upper bound of the appends that a client may have
 * unanswered. 8 KiB of memory and 6 KiB of each segment header per node.
 */
export const repeatWindow = 1024

/** What to do with an append. */
export type Verdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'repeat'; readonly position: Position }
  | { readonly kind: 'refused'; readonly error: AllwriteError }

/** What is known of one node. `positions` are those of the last numbers, the newest last. */
export interface NodeAdmission {
  readonly incarnation: Incarnation
  readonly number: number
  readonly positions: readonly number[]
}

interface State {
  incarnation: Incarnation
  number: number
  /** Position of number n at n % repeatWindow. */
  readonly ring: Float64Array
  /** How many numbers, the newest backwards, the ring knows. */
  known: number
}

const isNew: Verdict = { kind: 'new' }
const refused = (error: AllwriteError): Verdict => ({ kind: 'refused', error })

/** The idempotency state of a journal. */
export class Admissions {
  readonly #nodes = new Map<NodeId, State>()

  /** Says what `id` is; changes nothing. */
  judge(id: AppendId): Verdict {
    const state = this.#nodes.get(id.node)
    const name = nodeName(id.node)
    if (state !== undefined && id.incarnation < state.incarnation) {
      const message = `incarnation ${id.incarnation} of ${name} was replaced by ${state.incarnation}`
      return refused(new AllwriteError('stale_incarnation', message))
    }
    const next = state !== undefined && id.incarnation === state.incarnation ? state.number + 1 : 0
    if (id.number === next) return isNew
    if (id.number > next || state === undefined) {
      const message = `append ${id.incarnation}/${id.number} of ${name} leaves a gap`
      return refused(new AllwriteError('protocol', message, { detail: `The next number is ${next}.` }))
    }
    if (id.number <= state.number - state.known) {
      const message = `append ${id.incarnation}/${id.number} of ${name} is stored, but too old to tell its position`
      const detail = `Positions are kept for the last ${state.known} numbers up to ${state.number}.`
      return refused(new AllwriteError('protocol', message, { detail }))
    }
    return { kind: 'repeat', position: asPosition(state.ring[id.number % repeatWindow]!) }
  }

  /** Notes that `id` got `position`. The id must have been judged new. */
  accept(id: AppendId, position: Position): void {
    let state = this.#nodes.get(id.node)
    if (state === undefined) {
      state = { incarnation: id.incarnation, number: -1, ring: new Float64Array(repeatWindow), known: 0 }
      this.#nodes.set(id.node, state)
    }
    if (id.incarnation !== state.incarnation) {
      assert(id.incarnation > state.incarnation, 'an accepted incarnation is not older')
      state.incarnation = id.incarnation
      state.number = -1
      state.known = 0
    }
    assert(id.number === state.number + 1, 'accepted numbers are consecutive')
    state.number = id.number
    state.ring[id.number % repeatWindow] = position
    state.known = Math.min(state.known + 1, repeatWindow)
  }

  /** All that is known, to be stored. */
  snapshot(): Map<NodeId, NodeAdmission> {
    const copy = new Map<NodeId, NodeAdmission>()
    for (const [node, state] of this.#nodes) {
      const positions: number[] = []
      for (let n = state.number - state.known + 1; n <= state.number; n++) positions.push(state.ring[n % repeatWindow]!)
      copy.set(node, { incarnation: state.incarnation, number: state.number, positions })
    }
    return copy
  }

  /** The state that a snapshot was taken of. */
  static restore(snapshot: ReadonlyMap<NodeId, NodeAdmission>): Admissions {
    const restored = new Admissions()
    for (const [node, { incarnation, number, positions }] of snapshot) {
      const ring = new Float64Array(repeatWindow)
      assert(positions.length <= repeatWindow, 'a stored repeat window has the size of the window')
      positions.forEach((position, at) => {
        ring[(number - positions.length + 1 + at) % repeatWindow] = position
      })
      restored.#nodes.set(node, { incarnation, number, ring, known: positions.length })
    }
    return restored
  }
}
