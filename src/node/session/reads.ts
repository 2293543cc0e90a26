/**
 * The short way of prepared reads: a batch outside a transaction that binds and runs only harmless prepared statements goes to
 * the backend as the client's own bytes, and its answer straight back. No statement of it can write, so there is nothing to
 * wrap, hold, follow or retry; what the pipeline would do with it comes to the same, at several times the cost.
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import { readBind, readExecute, readTarget } from '../../wire/pgwire/messages.ts'
import { batchTypes } from './batch.ts'
import type { Answer, CycleOptions } from './channel.ts'
import type { Core } from './core.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { runUnit } from './retry.ts'
import { Segment } from './segment.ts'
import { TransactionAborted } from './transaction.ts'

const type = batchTypes

/** Longer batches go the long way. */
const framesMax = 64

const asItComes: CycleOptions = { show: true, ready: true }

/** Sends the batch that begins with `first`; undefined: it is none of these, and nothing was sent or taken from the input. */
export function sendReads(core: Core, first: ClientFrame): Promise<Answer> | undefined {
  if (first.type !== type.bind || core.state !== 'idle' || core.owed || core.guardBroken || core.aborting)
    return undefined
  if (core.consistency.failed) return undefined
  const frames = readsFrom(core, first)
  if (frames === 0) return undefined
  const segment = new Segment()
  segment.push(first.bytes)
  for (let taken = 1; taken < frames; taken++) {
    const next = core.input.take()
    assert(next, 'what was looked at is here')
    segment.push(next.bytes)
  }
  core.report()
  return core.raw(segment.take(false), asItComes)
}

/** Frames up to the Sync, if all are here and each runs the unnamed portal of a harmless statement; else 0. */
function readsFrom(core: Core, first: ClientFrame): number {
  let frame: ClientFrame | undefined = first
  for (let count = 1; count <= framesMax; count++) {
    switch (frame?.type) {
      case type.bind: {
        const { portal, statement } = readBind(frame.bytes)
        if (portal !== '' || core.names.statement(statement)?.kind !== 'harmless') return 0
        break
      }
      case type.describe: {
        const target = readTarget(frame.bytes)
        if (target.kind !== 'P' || target.name !== '') return 0
        break
      }
      case type.execute:
        if (readExecute(frame.bytes) !== '') return 0
        break
      case type.sync:
        return count
      default:
        return 0
    }
    frame = core.input.peek(count - 1)
  }
  return 0
}

/** After an answer whose ReadyForQuery was not shown: the node has ended what ran (a long read in the way of a schema change). */
export const tellReadsLost = (core: Core): Promise<void> =>
  runUnit(core, () => Promise.reject(new TransactionAborted()))
