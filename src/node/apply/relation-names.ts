/**
 * Relation ids of one worker connection. A record names its relations by definition (schema, name, columns), since OIDs
 * differ between servers; the worker wants numbers, and each definition announced once.
 *
 * @module
 */
import { type FrameWriter, writeRelation } from '../../wire/pgoutput/publish.ts'

export interface RelationNames {
  /** The connection's id of a relation; announces it first where it is new. */
  idOf(body: Buffer, out: FrameWriter): number
  /** Announce everything again (after DDL: the worker looks local tables up anew). */
  forget(): void
}

export const createRelationNames = (): RelationNames => {
  // Bounded by the schema: definitions only multiply by DDL, and DDL clears it.
  let ids = new Map<string, number>()
  let next = 1
  return {
    idOf(body, out) {
      const key = body.toString('latin1')
      let id = ids.get(key)
      if (id === undefined) {
        id = next
        next += 1
        ids.set(key, id)
        writeRelation(out, id, body)
      }
      return id
    },
    forget() {
      ids = new Map()
    },
  }
}
