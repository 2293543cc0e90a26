/**
 * Applies rows without asking CHECK constraints again. A certified row has passed them where it was written; a CHECK may depend on
 * what only that session had: its search_path, a setting, the time, its role (RULES 8). PostgreSQL has no switch for this,
 * so the constraints are out of force in the catalog inside the transaction that applies the row, and in force again
 * before it commits: no other transaction ever sees them so.
 *
 * @module
 */
import type pg from 'pg'

export interface CheckBypass {
  /** CHECKs of this table, and of all domains, are out of force from here on. @param table its name, quoted */
  begin(table: string): Promise<void>
  /**
   * Indexes of this table that only serve searches take no rows any more, for good: they are invalid at this node, until they are
   * built anew (index-builds.ts).
   */
  beginIndexes(table: string): Promise<void>
  /** All are in force again: before a schema change, and before COMMIT. */
  end(): Promise<void>
  /** The transaction was rolled back: there is nothing to undo. */
  forget(): void
}

/** Marks a domain's CHECK that is out of force. PostgreSQL has no kind of constraint with this letter. */
const suspendedType = 'z'

export const createCheckBypass = (client: pg.Client): CheckBypass => {
  const tables = new Set<string>()
  const withoutIndexes = new Set<string>()
  let ofTables: number[] = []
  let ofDomains: number[] = []

  const oidsOf = async (sql: string, values: readonly unknown[]): Promise<number[]> =>
    (await client.query<{ oid: number }>(sql, [...values])).rows.map(({ oid }) => oid)

  return {
    async begin(table) {
      if (tables.has(table)) return
      if (tables.size === 0) {
        ofDomains = await oidsOf(
          `UPDATE pg_catalog.pg_constraint SET contype = $1 WHERE contypid <> 0 AND contype = 'c' RETURNING oid`,
          [suspendedType],
        )
      }
      tables.add(table)
      // Whoever changes the table's schema has to be gone first: its catalog rows would be changed by two.
      await client.query(`LOCK TABLE ONLY ${table} IN ROW EXCLUSIVE MODE`)
      const suspended = await oidsOf(
        `UPDATE pg_catalog.pg_constraint SET conenforced = false
          WHERE conrelid = $1::pg_catalog.regclass AND contype = 'c' AND conenforced RETURNING oid`,
        [table],
      )
      // Nothing else tells this backend to read the table's constraints again.
      await client.query('UPDATE pg_catalog.pg_class SET relchecks = relchecks WHERE oid = $1::pg_catalog.regclass', [
        table,
      ])
      ofTables = [...ofTables, ...suspended]
    },
    async beginIndexes(table) {
      if (withoutIndexes.has(table)) return
      withoutIndexes.add(table)
      // Whoever builds one of them has to be gone first.
      await client.query(`LOCK TABLE ONLY ${table} IN SHARE UPDATE EXCLUSIVE MODE`)
      await client.query(
        `UPDATE pg_catalog.pg_index SET indisvalid = false, indisready = false
          WHERE indrelid = $1::pg_catalog.regclass AND NOT indisunique AND NOT indisexclusion AND indisready`,
        [table],
      )
    },
    async end() {
      withoutIndexes.clear()
      if (tables.size === 0) return
      await client.query('UPDATE pg_catalog.pg_constraint SET conenforced = true WHERE oid = ANY ($1::oid[])', [
        ofTables,
      ])
      await client.query(`UPDATE pg_catalog.pg_constraint SET contype = 'c' WHERE oid = ANY ($1::oid[])`, [ofDomains])
      await client.query(
        'UPDATE pg_catalog.pg_class SET relchecks = relchecks WHERE oid = ANY ($1::text[]::pg_catalog.regclass[])',
        [[...tables]],
      )
      this.forget()
    },
    forget() {
      withoutIndexes.clear()
      tables.clear()
      ofTables = []
      ofDomains = []
    },
  }
}
