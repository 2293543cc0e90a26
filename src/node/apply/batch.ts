/**
 * Turns certified records into one transaction for the apply worker.
 *
 * @module
 */
import type { WritesetRecord } from '../../core/writeset.ts'
import type { Position } from '../../core/ids.ts'
import { assert } from '../../core/errors.ts'
import { withoutValues } from '../../wire/pgoutput/columns.ts'
import { MessageType, parseTruncate } from '../../wire/pgoutput/messages.ts'
import { type FrameWriter, writeRowChange, writeTruncate } from '../../wire/pgoutput/publish.ts'
import { createMessageJoiner, forEachMessage } from './frames.ts'
import type { ApplyBatch } from './publisher.ts'
import type { AnnouncedRelation, RelationNames } from './relation-names.ts'

/** Reads the chunks of a large writeset back from the journal, in order. */
export type ReadChunks = (record: WritesetRecord) => AsyncIterable<Uint8Array>

/** Writes one record's messages, with its own relation numbers mapped to the connection's. */
const recordWriter = (out: FrameWriter, names: RelationNames): ((message: Buffer) => void) => {
  const bodies: Buffer[] = []
  const announced = (local: number): AnnouncedRelation => {
    const body = bodies[local]
    assert(body !== undefined, 'a record defines a relation before it uses it')
    return names.of(body, out)
  }
  return (message) => {
    switch (message[0]) {
      case MessageType.relation:
        // A copy: for chunked writesets the view dies with its chunk; definitions are few.
        bodies[message.readUInt32BE(1)] = Buffer.from(message.subarray(5))
        return
      case MessageType.insert:
      case MessageType.update:
      case MessageType.delete: {
        const { id, kept } = announced(message.readUInt32BE(1))
        return writeRowChange(out, id, kept === undefined ? message : withoutValues(message, kept))
      }
      case MessageType.truncate: {
        const truncate = parseTruncate(message)
        return writeTruncate(
          out,
          truncate.relations.map((local) => announced(local).id),
          truncate.cascade,
        )
      }
      case MessageType.searchPath:
        // The worker has none, whatever we say.
        return
      default:
        assert(false, 'a statement never goes through the apply worker')
    }
  }
}

/** @param position the last journal position whose records are in the batch */
export const createBatch = (
  position: Position,
  records: readonly WritesetRecord[],
  readChunks: ReadChunks,
): ApplyBatch => ({
  position,
  records,
  write(out, names, flush) {
    const large = records.some((record) => record.changes.kind === 'chunked')
    if (!large) {
      for (const { changes } of records) {
        if (changes.kind === 'inline') forEachMessage(changes.bytes, recordWriter(out, names))
      }
      return undefined
    }
    return (async () => {
      for (const record of records) {
        const write = recordWriter(out, names)
        if (record.changes.kind === 'inline') {
          forEachMessage(record.changes.bytes, write)
          continue
        }
        const joiner = createMessageJoiner(write)
        for await (const chunk of readChunks(record)) {
          joiner.push(chunk)
          await flush()
        }
        joiner.end()
      }
    })()
  },
})
