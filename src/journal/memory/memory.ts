/**
 * The journal in memory: for tests and the simulator. Durable as long as the object lives; several nodes share one
 * object. Keeps everything until {@link MemoryJournal.trim}; has no bound, so it is not for production.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { position as asPosition } from '../../core/ids.ts'
import type { NodeId, Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import { Admissions } from '../admission.ts'
import { whenAborted } from '../cancel.ts'
import { payloadBytesMax } from '../contract.ts'
import type { Journal, JournalTail, StoredEntry } from '../contract.ts'

/** Entries of one batch. */
const batchEntriesMax = 256

/** A journal in memory. */
export class MemoryJournal implements Journal {
  readonly #admissions = new Admissions()
  readonly #entries: StoredEntry[] = []
  readonly #waiting = new Set<() => void>()
  /** The newest report of each node, for tests to look at. */
  readonly reports = new Map<NodeId, Position>()
  #trimmed = 0
  #closed = false

  async append(id: AppendId, payload: Uint8Array, signal?: AbortSignal): Promise<Position> {
    if (signal?.aborted) throw new AllwriteError('cancelled', 'the append was cancelled')
    if (this.#closed) throw new AllwriteError('unavailable', 'the journal is closed')
    if (payload.length > payloadBytesMax) {
      throw new AllwriteError(
        'too_large',
        `an append of ${payload.length} bytes is over the limit of ${payloadBytesMax}`,
      )
    }
    const verdict = this.#admissions.judge(id)
    if (verdict.kind === 'refused') throw verdict.error
    if (verdict.kind === 'repeat') return verdict.position
    const position = asPosition(this.#trimmed + this.#entries.length + 1)
    this.#admissions.accept(id, position)
    const { node, incarnation, number } = id
    this.#entries.push({ position, id: { node, incarnation, number }, payload: Uint8Array.from(payload) })
    this.#wake()
    return position
  }

  async *read(
    from: Position,
    { to, signal }: { to?: Position; signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly StoredEntry[]> {
    let next = Math.max(from, 1)
    const last = to ?? Infinity
    while (next <= last) {
      if (signal?.aborted) throw new AllwriteError('cancelled', 'the read was cancelled')
      if (this.#closed) throw new AllwriteError('unavailable', 'the journal is closed')
      if (next <= this.#trimmed) {
        throw new AllwriteError('position_trimmed', `journal entry at position ${next} is no longer stored`)
      }
      const at = next - this.#trimmed - 1
      const batch = this.#entries.slice(at, Math.min(at + batchEntriesMax, last - this.#trimmed))
      next += batch.length
      if (batch.length > 0) yield batch
      else await this.#changed(signal)
    }
  }

  async tail(signal?: AbortSignal): Promise<JournalTail> {
    if (signal?.aborted) throw new AllwriteError('cancelled', 'the call was cancelled')
    const nodes = new Map<NodeId, { incarnation: AppendId['incarnation']; number: number }>()
    for (const [node, { incarnation, number }] of this.#admissions.snapshot()) nodes.set(node, { incarnation, number })
    const last = asPosition(this.#trimmed + this.#entries.length)
    return { first: asPosition(this.#trimmed + 1), last, nodes }
  }

  report(node: NodeId, safe: Position): void {
    this.reports.set(node, safe)
  }

  /** Removes the entries up to `through`. */
  trim(through: Position): void {
    const count = Math.min(Math.max(through - this.#trimmed, 0), this.#entries.length)
    this.#entries.splice(0, count)
    this.#trimmed += count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        stop?.()
        resolve()
      }
      const stop = whenAborted(signal, (error) => {
        this.#waiting.delete(wake)
        reject(error)
      })
      if (stop !== undefined) this.#waiting.add(wake)
    })
  }
}
