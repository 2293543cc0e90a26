/**
 * What of an extended batch is taken from the client at once: up to its Sync, a Flush, or a bound.
 *
 * @module
 */
import { typeByte } from '../../wire/pgwire/frames.ts'
import { ClientGone } from './copy.ts'
import type { Core } from './core.ts'
import type { ClientFrame } from './input.ts'
import { unitBytesMax } from './retry.ts'

/** Type bytes of the messages that a batch is made of. */
export const batchTypes = {
  parse: typeByte('P'),
  bind: typeByte('B'),
  describe: typeByte('D'),
  execute: typeByte('E'),
  close: typeByte('C'),
  flush: typeByte('H'),
  sync: typeByte('S'),
  bye: typeByte('X'),
} as const

const type = batchTypes

/** Messages of the extended protocol. */
export const isExtended = (kind: number): boolean =>
  kind === type.parse ||
  kind === type.bind ||
  kind === type.describe ||
  kind === type.execute ||
  kind === type.close ||
  kind === type.flush ||
  kind === type.sync

/** Batches beyond this are sent on before their Sync has come, bytes: as if the client had sent Flush. */
export const batchBytesMax = unitBytesMax

/** Frames in order. */
export interface Batch {
  readonly frames: ClientFrame[]
  /** Its Sync is among them. */
  readonly complete: boolean
}

/** Frames from `first` to Sync or Flush, or a batchful. @throws ClientGone */
export async function collectBatch(core: Core, first: ClientFrame): Promise<Batch> {
  const frames = [first]
  let bytes = first.bytes.length
  for (let frame = first; ;) {
    if (frame.type === type.sync) return { frames, complete: true }
    if (frame.type === type.flush || bytes > batchBytesMax) return { frames, complete: false }
    const next = core.input.take() ?? (await core.input.next())
    if (!next || next.type === type.bye) throw new ClientGone()
    frames.push(next)
    bytes += next.bytes.length
    frame = next
  }
}
