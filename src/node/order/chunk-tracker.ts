/**
 * Follows chunks of large writesets that no record has claimed yet. Their entries must stay in the journal beyond this
 * node's applied position, since the record that needs them comes later.
 *
 * Not for ever: a transaction may be lost after its chunks were sent, and then no record comes. A record's early position lies
 * before its first chunk, so once that chunk is older than the certification window the record could only abort.
 *
 * @module
 */
import type { Entry, WritesetRecord } from '../../core/writeset.ts'
import { position as toPosition, type Position } from '../../core/ids.ts'
import type { Journal } from '../../journal/contract.ts'
import { windowDefault } from '../../core/certifier.ts'
import { AllwriteError } from '../../core/errors.ts'

export interface ChunkTracker {
  see(at: Position, entry: Entry): void
  /** The first position that an unclaimed chunk needs; undefined where there is none. */
  oldest(): Position | undefined
}

export const createChunkTracker = (): ChunkTracker => {
  // One entry per open large transaction; a node's newer fence voids those of its older incarnations.
  const open = new Map<string, { node: number; incarnation: number; first: Position }>()
  return {
    see(at, entry) {
      // In the order of their first chunks, so the oldest come first.
      for (const [key, { first }] of open) {
        if (first >= at - windowDefault) break
        open.delete(key)
      }
      if (entry.kind === 'chunk') {
        const key = `${entry.node}/${entry.incarnation}/${entry.transaction}`
        if (!open.has(key)) open.set(key, { node: entry.node, incarnation: entry.incarnation, first: at })
      } else if (entry.kind === 'group') {
        for (const { changes } of entry.records) {
          if (changes.kind === 'chunked') open.delete(`${entry.node}/${entry.incarnation}/${changes.transaction}`)
        }
      } else if (entry.kind === 'fence') {
        for (const [key, set] of open) {
          if (set.node === entry.node && set.incarnation < entry.incarnation) open.delete(key)
        }
      }
    },
    oldest() {
      let oldest: number | undefined
      for (const { first } of open.values()) if (oldest === undefined || first < oldest) oldest = first
      return oldest === undefined ? undefined : toPosition(oldest)
    },
  }
}

/**
 * The bytes of a large writeset, read back from the journal chunk by chunk.
 * @param decode gives the entry of a stored payload
 * @throws AllwriteError journal_corrupt when a chunk is missing
 */
export async function* readChunksOf(
  journal: Journal,
  home: { readonly node: number; readonly incarnation: number },
  record: WritesetRecord,
  decode: (stored: { id: Entry; payload: Uint8Array }) => Entry,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { changes } = record
  if (changes.kind !== 'chunked') return
  let next = 0
  for await (const batch of journal.read(changes.first, { to: changes.last, signal })) {
    for (const stored of batch) {
      if (stored.id.node !== home.node || stored.id.incarnation !== home.incarnation) continue
      const entry = decode({ id: stored.id as Entry, payload: stored.payload })
      if (entry.kind !== 'chunk' || entry.transaction !== changes.transaction || entry.index !== next) continue
      next += 1
      yield entry.bytes
    }
  }
  if (next !== changes.chunks) {
    throw new AllwriteError(
      'journal_corrupt',
      `a large writeset has ${next} of its ${changes.chunks} chunks in the journal`,
      {
        detail: `Positions ${changes.first} to ${changes.last}.`,
      },
    )
  }
}
