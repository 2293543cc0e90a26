/**
 * The writer of pinned endpoints, as this node knows it (ADR 26): who it is, becoming it, and the sessions that are bound to it.
 *
 * Contract
 * 1. Who the writer is stands in the one row of `allwrite.pinned`: (epoch, node). It is changed by ordinary certified transactions, each of
 *    which raises the epoch: of two that start from one epoch the journal lets one win, so all nodes agree at every position.
 * 2. A session is bound to an epoch. What it commits is certified as if it had read the row: a change in the journal before its record
 *    voids it, whatever this node knew. So nothing of an old epoch commits behind the entry that ended it.
 * 3. A node that sees the change ends its bound sessions (57P01), idle ones too.
 *
 * Failure cases: not the writer, or of another epoch → 57P03, and the session may be tried elsewhere.
 *
 * @module
 */
import type { Binding } from '../core/preamble.ts'
import { AllwriteError } from '../core/errors.ts'
import { nodeName, type NodeId } from '../core/ids.ts'
import type { Query } from './recovery/progress.ts'
import type { InternalTransactions } from './internal-transaction.ts'
import type { PinChanges } from './pin-changes.ts'
import type { NodeGate, Restriction } from './session/contract.ts'

export interface Pin {
  /** 0: nobody has been the writer yet. */
  readonly epoch: number
  readonly node: number
}

/** A session's stay in an epoch. */
export interface Stay {
  readonly restriction: Restriction
  /** Sets what is done when the epoch is over; at once if it is already. */
  onOver(end: () => void): void
  leave(): void
}

export interface Pinned {
  /** As this node has applied it. */
  readonly current: Pin
  /** @throws AllwriteError 57P03 */
  enter(binding: Binding & { kind: 'pinned' }): Promise<Stay>
  /**
   * Makes this node the writer if the epoch is still `epoch`.
   * @returns who is the writer afterwards: another one, if the journal had another one first
   */
  take(epoch: number): Promise<Pin>
}

export interface PinnedOptions {
  readonly node: NodeId
  readonly query: Query
  readonly internal: InternalTransactions
  readonly changes: PinChanges
  readonly gate: Pick<NodeGate, 'whenApplied' | 'serving'>
  /** The row could not be read: the server is gone. */
  readonly onFatal: (error: Error) => void
}

const readSql = 'SELECT epoch::text, node::text FROM allwrite.pinned'

export const createPinned = async (options: PinnedOptions): Promise<Pinned> => {
  const { node, query, changes, gate } = options
  const stays = new Set<{ readonly since: number; over: () => void }>()

  /** The row, and up to which change it is known. */
  const read = async (): Promise<{ pin: Pin; at: number }> => {
    for (;;) {
      const at = changes.at
      await gate.whenApplied(at)
      const [row] = await query(readSql, [])
      const pin = { epoch: Number(row?.['epoch'] ?? 0), node: Number(row?.['node'] ?? 0) }
      if (changes.at === at) return { pin, at }
    }
  }

  let known = await read()
  const refresh = async (): Promise<Pin> => {
    known = await read()
    return known.pin
  }

  changes.onChange(() => {
    for (const stay of stays) stay.over()
    refresh().catch((error: unknown) => options.onFatal(AllwriteError.from(error, 'postgres')))
  })

  const refused = ({ epoch, node: writer }: Pin): AllwriteError =>
    new AllwriteError('unavailable', `${nodeName(node)} is not the pinned writer any more`, {
      detail: epoch === 0 ? 'No node is.' : `Since epoch ${epoch} the writer is n${writer}.`,
      hint: 'Connect again.',
    })

  const over = (): AllwriteError =>
    new AllwriteError('unavailable', `${nodeName(node)} is not the pinned writer any more`, {
      sqlState: '57P01',
      hint: 'Connect again, and repeat the transaction: it was rolled back.',
    })

  return {
    get current() {
      return known.pin
    },
    async enter({ epoch }) {
      // What this node has not been told yet may be missed here, and is found by certification.
      const { pin, at } = known.at === changes.at ? known : await read()
      if (pin.epoch !== epoch || pin.node !== node) throw refused(pin)
      let end: (() => void) | undefined
      const stay = { since: at, over: () => end?.() }
      stays.add(stay)
      return {
        restriction: {
          kind: 'pinned',
          keys: changes.key,
          refusal: () => (changes.at === stay.since ? undefined : over()),
        },
        onOver(run) {
          end = run
          if (changes.at !== stay.since) run()
        },
        leave: () => void stays.delete(stay),
      }
    },
    async take(epoch) {
      if (!gate.serving) throw new AllwriteError('unavailable', `${nodeName(node)} does not serve`)
      await options.internal.run(
        'UPDATE allwrite.pinned SET epoch = epoch + 1, node = $1 WHERE epoch = $2 RETURNING epoch',
        [node, epoch],
      )
      return refresh()
    },
  }
}
