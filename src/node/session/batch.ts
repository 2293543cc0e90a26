/**
 * What of an extended batch is taken from the client at once: up to its Sync, a Flush, a Query, or a bound.
 *
 * @module
 */
import { typeByte } from '../../wire/pgwire/frames.ts'
import { readBind, readExecute, readTarget } from '../../wire/pgwire/messages.ts'
import { ClientGone } from './copy.ts'
import type { Core } from './core.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { unitBytesMax } from './retry.ts'
import type { ClassifiedStatement } from './statement/contract.ts'

/** Type bytes of the messages that a batch is made of. */
export const batchTypes = {
  parse: typeByte('P'),
  bind: typeByte('B'),
  describe: typeByte('D'),
  execute: typeByte('E'),
  close: typeByte('C'),
  flush: typeByte('H'),
  sync: typeByte('S'),
  query: typeByte('Q'),
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

/**
 * The kind of statement that a message runs or is about to run; `nothing`: it only prepares. Drivers prepare statements when they
 * first need them, in the middle of a transaction, and few expect 40001 of that: while a conflict is owed, Parse, Close and
 * Describe of statements are answered as if the transaction stood (Core.prepare). What a name in them means is looked up
 * outside it, as after its ROLLBACK; the server looks again if the search path is another when the statement runs.
 */
export function ranBy(
  core: Core,
  { type: kind, bytes }: ClientFrame,
): ClassifiedStatement['kind'] | 'nothing' | undefined {
  switch (kind) {
    case type.bind:
      return core.names.statement(readBind(bytes).statement)?.kind
    case type.execute:
      return core.names.portal(readExecute(bytes))?.kind
    case type.describe:
    case type.close: {
      const target = readTarget(bytes)
      return target.kind === 'S' ? 'nothing' : core.names.portal(target.name)?.kind
    }
    default:
      return 'nothing'
  }
}

/** Batches beyond this are sent on before their Sync has come, bytes: as if the client had sent Flush. */
export const batchBytesMax = unitBytesMax

/** Frames in order. */
export interface Batch {
  readonly frames: ClientFrame[]
  /** Its Sync is among them. */
  readonly complete: boolean
}

/** Frames from `first` to Sync, Flush or Query, or a batchful. @throws ClientGone */
export async function collectBatch(core: Core, first: ClientFrame): Promise<Batch> {
  const frames = [first]
  let bytes = first.bytes.length
  for (let frame = first; ;) {
    if (frame.type === type.sync) return { frames, complete: true }
    if (frame.type === type.flush || frame.type === type.query || bytes > batchBytesMax)
      return { frames, complete: false }
    const next = core.input.take() ?? (await core.input.next())
    if (!next || next.type === type.bye) throw new ClientGone()
    frames.push(next)
    bytes += next.bytes.length
    frame = next
  }
}

/** A batch as it is read: what was collected first, then what the client sends on. */
export class BatchReader {
  readonly #core: Core
  #queue: ClientFrame[] = []
  /** The client's Sync was reached. */
  synced = false

  constructor(core: Core) {
    this.#core = core
  }

  /** From its first frame again. */
  start({ frames }: Batch): void {
    this.#queue = [...frames]
    this.synced = false
  }

  /** @throws ClientGone */
  async next(): Promise<ClientFrame> {
    const frame = this.#queue.shift() ?? this.#core.input.take() ?? (await this.#core.input.next())
    if (!frame || frame.type === type.bye) throw new ClientGone()
    return frame
  }

  /** A frame that is here already. */
  take(): ClientFrame | undefined {
    return this.#queue.shift()
  }

  /** The client has sent its Sync: it waits for nothing but the batch's end. */
  get syncAtHand(): boolean {
    return this.synced || this.#queue.some((frame) => frame.type === type.sync)
  }

  /** An error was told: the client's messages up to its Sync are forgotten. */
  async skip(): Promise<void> {
    if (!this.syncAtHand) {
      this.#core.out.release()
      this.#core.out.flush()
    }
    while (!this.synced) this.synced = (await this.next()).type === type.sync
  }
}

/** In a wrap of ours the client's BEGIN finds a transaction, which it must not hear of. */
export const isSecondBegin = (fields: { readonly sqlState: string }): boolean => fields.sqlState === '25001'
