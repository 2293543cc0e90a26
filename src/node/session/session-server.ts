/**
 * One server with the catalog's functions played, for the session's tests; each test takes databases of its own.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { sessionStateSql } from '../catalog/sql/session-state.ts'
import { turnTablesSql } from '../catalog/sql/turn-tables.ts'
import { query } from '../../wire/pgwire/messages.ts'
import {
  bareClient,
  testServer,
  throughSession,
  type RawClient,
  type TestGate,
  type TestServer,
  type Through,
} from './session-fixtures.ts'
import type { SessionOptions } from './session-options.ts'
import { createStatementClassifier, loadHarmlessContext, loadParser, nothingHarmless } from './statement/index.ts'

export interface SessionServer extends AsyncDisposable {
  readonly server: TestServer
  /** Reads that are proven pass unwrapped. */
  readonly options: Omit<SessionOptions, 'gate'>
  /** The same with nothing proven. */
  readonly strict: Omit<SessionOptions, 'gate'>
  /** Two databases of the same content. */
  twins(name: string): Promise<[string, string]>
  /** A client through a session. */
  ours(database: string, gate: TestGate, more?: Partial<SessionOptions>): Promise<Through>
}

export async function sessionServer(): Promise<SessionServer> {
  const server = await testServer()
  const admin = await bareClient(server, 'postgres')
  const ask = async (sql: string): Promise<(string | null)[][]> => {
    admin.send(query(sql))
    return (await admin.until('Z')).filter(({ type }) => type === 'D').map(({ body }) => rowOf(body))
  }
  await ask(setup)
  const oid = async (name: string): Promise<number> => Number((await ask(`SELECT '${name}'::regproc::oid`))[0]?.[0])
  await loadParser()
  const functions = {
    capture: await oid('allwrite.capture'),
    captureLocking: await oid('allwrite.capture_locking'),
    unseenWrites: await oid('allwrite.unseen_writes'),
    sessionState: await oid('allwrite.session_state'),
    turnTables: await oid('allwrite.turn_tables'),
    truncateRestarted: await oid('allwrite.truncate_restarted'),
    currentSetting: Number((await ask("SELECT 'current_setting(text,boolean)'::regprocedure::oid"))[0]?.[0]),
    journalStatement: await oid('allwrite.journal_statement'),
    countTransaction: 0,
    journalConcurrently: 0,
    journalDatabase: 0,
  }
  const common = {
    functions,
    journalSecret: 'secret',
    hasDeferrable: () => true,
    cancelBackend: () => Promise.resolve(),
    passCancel: () => Promise.resolve(),
    terminateBackend: () => Promise.resolve(),
    committed: () => Promise.resolve(false),
    onSequenceExhausted: () => Promise.reject(new Error('no range')),
    buildResult: () => Promise.resolve({ notices: [] }),
    databaseResult: () => Promise.resolve({ notices: [] }),
    log: {
      warn: () => undefined,
      error: (fields: object, text: string) => {
        throw new Error(`${text} ${JSON.stringify(fields)}`)
      },
    },
  }
  const real = createStatementClassifier({ harmless: await loadHarmlessContext(ask), cacheBytesMax: 1e6 })
  const blind = createStatementClassifier({ harmless: nothingHarmless, cacheBytesMax: 1e6 })
  const judgedBy = (classifier: typeof real): Omit<SessionOptions, 'gate'> => ({
    ...common,
    classify: (text, facts) => classifier.classify(text, facts),
    catalogState: () => classifier.state,
  })
  const options = judgedBy(real)
  const strict = judgedBy(blind)
  await admin.end()
  return {
    server,
    options,
    strict,
    twins: (name) => twins(server, name),
    ours: (database, gate, more = {}) => throughSession(server, database, { ...options, ...more, gate }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const setup = `
CREATE SCHEMA allwrite;
CREATE FUNCTION allwrite.capture(nonce text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN pg_current_xact_id_if_assigned()::text; END $$;
CREATE FUNCTION allwrite.capture_locking(secret text, nonce text, since pg_lsn) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
  RETURN pg_current_xact_id_if_assigned()::text || ' ' || CASE WHEN current_setting('transaction_isolation') = 'read committed' THEN ' rc' ELSE '' END; END $$;
CREATE FUNCTION allwrite.unseen_writes() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN current_setting('test.unseen', true); END $$;
${sessionStateSql}
CREATE FUNCTION allwrite.own_write(xid) RETURNS bool LANGUAGE sql AS $$ SELECT $1::text = (pg_current_xact_id()::text::bigint % (2^32)::bigint)::text $$;
${turnTablesSql}
CREATE FUNCTION allwrite.journal_statement(secret text, statement text, tables text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN IF secret <> 'secret' THEN RAISE EXCEPTION 'no'; END IF; INSERT INTO journaled VALUES (statement); END $$;
CREATE TABLE journaled (statement text);
CREATE FUNCTION allwrite.truncate_restarted() RETURNS void LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO journaled SELECT format('restarted, %s left', count(*)) FROM truncated; END $$;
CREATE PROCEDURE allwrite.notify(text, text) LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify($1, $2); END $$;
CREATE TABLE truncated (id int);
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE SEQUENCE short MAXVALUE 2;
CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'noise'; RETURN 1; END $$;
CREATE FUNCTION sneaky() RETURNS text LANGUAGE sql AS $$ SELECT set_config('default_transaction_read_only', 'off', false) $$;
INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5) g;
`

/** The columns of a DataRow in text format. */
export function rowOf(body: Buffer): (string | null)[] {
  const row: (string | null)[] = []
  for (let offset = 2; offset < body.length;) {
    const length = body.readInt32BE(offset)
    row.push(length < 0 ? null : body.toString('utf8', offset + 4, offset + 4 + length))
    offset += 4 + Math.max(length, 0)
  }
  return row
}

async function twins(server: TestServer, name: string): Promise<[string, string]> {
  const admin = await bareClient(server, 'template1')
  const pair: [string, string] = [`${name}_bare`, `${name}_ours`]
  for (const database of pair) {
    const answer = await admin.query(`CREATE DATABASE ${database} TEMPLATE postgres`)
    assert.ok(answer.includes('Z "I"') && !answer.some((line) => line.startsWith('E')), answer.join('\n'))
  }
  await admin.end()
  return pair
}

/** The first column of the first row that a client is answered. */
export async function valueOf(client: RawClient, sql: string): Promise<string | null | undefined> {
  client.send(query(sql))
  const rows = (await client.until('Z')).filter(({ type }) => type === 'D')
  return rows[0] && rowOf(rows[0].body)[0]
}
