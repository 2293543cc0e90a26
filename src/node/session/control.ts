/**
 * Statements of our own on the client's backend. As a Query where that disturbs nothing; else by the extended protocol
 * under a name of ours: a Query would destroy the client's unnamed prepared statement, which outlives transactions.
 *
 * The name is parsed anew each time (DEALLOCATE ALL may have removed it) and closed before it runs, so that an error leaves
 * nothing behind; the portal keeps the plan. The portal has a name too: the client's unnamed one must stay, or stay absent; one that failed
 * is still there in the failed transaction, so it is closed first.
 *
 * @module
 */
import { bindPlain, close, execute, parse, query, sync } from '../../wire/pgwire/messages.ts'

const name = '_allwrite'

interface Forms {
  readonly query: Buffer
  readonly extended: Buffer
}

const forms = (sql: string): Forms => ({
  query: query(sql),
  extended: Buffer.concat([
    close('P', name),
    parse(name, sql),
    bindPlain(name, name),
    close('S', name),
    execute(name),
    close('P', name),
    sync,
  ]),
})

const common = new Map<string, Forms>(
  [
    'BEGIN READ WRITE',
    'BEGIN READ ONLY',
    'COMMIT',
    'COMMIT AND CHAIN',
    'ROLLBACK',
    'SET CONSTRAINTS ALL IMMEDIATE',
    'SET default_transaction_read_only = on',
  ].map((sql) => [sql, forms(sql)]),
)

/** @param keepUnnamed the client may still use its unnamed prepared statement */
export function control(sql: string, keepUnnamed: boolean): Buffer {
  const known = common.get(sql) ?? forms(sql)
  return keepUnnamed ? known.extended : known.query
}

/** Fails the open transaction: a savepoint that no client has. */
export const failTransaction = 'ROLLBACK TO SAVEPOINT "allwrite: this transaction is rolled back"'
