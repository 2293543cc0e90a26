/**
 * Relation ids of one worker connection. A record names its relations by definition (schema, name, columns), since OIDs
 * differ between servers; the worker wants numbers, and each definition announced once.
 *
 * A record has the values of stored generated columns (server.ts says why). The worker computes them itself, and takes none: they are
 * left out here.
 *
 * @module
 */
import { withoutColumns } from '../../wire/pgoutput/columns.ts'
import { parseRelation, type Relation } from '../../wire/pgoutput/messages.ts'
import { type FrameWriter, writeRelation } from '../../wire/pgoutput/publish.ts'

/** Names of a table's stored generated columns, as the local server has it at the position that is applied. */
export type GeneratedColumns = (relation: Relation) => ReadonlySet<string>

export interface AnnouncedRelation {
  /** The connection's number. */
  readonly id: number
  /** By position whether the worker gets the column's values; undefined: it gets all. */
  readonly kept: readonly boolean[] | undefined
}

export interface RelationNames {
  /** The connection's name of a relation; announces it first where it is new. */
  of(body: Buffer, out: FrameWriter): AnnouncedRelation
  /** Announce everything again (after DDL: the worker looks local tables up anew). */
  forget(): void
}

export const createRelationNames = (generatedOf: GeneratedColumns): RelationNames => {
  // Bounded by the schema: definitions only multiply by DDL, and DDL clears it.
  let announced = new Map<string, AnnouncedRelation>()
  let next = 1

  const announce = (body: Buffer, out: FrameWriter): AnnouncedRelation => {
    const id = next
    next += 1
    const generated = generatedOf(parseRelation(body))
    const { body: wanted, kept } = generated.size === 0 ? { body, kept: undefined } : withoutColumns(body, generated)
    writeRelation(out, id, wanted)
    // Records that were captured before the values were in the stream have none of these columns.
    return { id, kept: kept?.every(Boolean) === true ? undefined : kept }
  }

  return {
    of(body, out) {
      const key = body.toString('latin1')
      let relation = announced.get(key)
      if (relation === undefined) announced.set(key, (relation = announce(body, out)))
      return relation
    },
    forget() {
      announced = new Map()
    },
  }
}
