/**
 * What the session learns about a text before anything of it reaches the server.
 *
 * @module
 */

/** What the catalog says; loaded by `loadHarmlessContext`. Every answer must err towards "not plain", "user", "true". */
export interface HarmlessContext {
  /**
   * Reading it runs no user code: a table without policies, a system view … `schema` undefined: *every* relation of that name
   * in any schema is plain (search_path is not known here), and there is one.
   */
  isPlainRelation(schema: string | undefined, name: string): boolean
  /**
   * A table to which writing runs no user code: no trigger, rule, policy, function in a default or CHECK, on it or on what is written
   * with it (partitions, children by a foreign key that cascades). `schema` as above.
   */
  isPlainTarget(schema: string | undefined, name: string): boolean
  /** The system catalog has a relation of this name. */
  isSystemRelation(name: string): boolean
  /** A base or enum type whose input runs no SQL; domains are not. `schema` as above. */
  isPlainType(schema: string | undefined, name: string): boolean
  /** Some schema other than the system's has a function, procedure or aggregate of this name. */
  isUserFunctionName(name: string): boolean
  /** All system functions of this name write nothing and run no SQL given to them. */
  isNonVolatileBuiltin(name: string): boolean
  /** Some operator or operator class runs a function that is neither C nor built in. */
  readonly hasUserOperators: boolean
  /** Some cast runs a function that is neither C nor built in. */
  readonly hasUserCasts: boolean
  /** Functions may act outside their transaction (dblink, untrusted languages …): what calls unknown ones is not retried. */
  readonly hasExternalEffects: boolean
}

/** What the session knows about itself and the verdict depends on. */
export interface SessionFacts {
  /** As last reported by ParameterStatus. Off: a text with a backslash is refused, no lexer here would read it as the server. */
  readonly standardConformingStrings: boolean
  /** A statement with `createsTemp` ran: a temporary view or domain may hide a plain relation of the same name. */
  readonly temporaryObjects: boolean
}

export type Isolation = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable'

/** Transaction modes as written; absent where the statement does not say. */
export interface TransactionModes {
  readonly isolation?: Isolation
  readonly readOnly?: boolean
  readonly deferrable?: boolean
}

interface Common {
  /** What to send: the statement's own text or a rewritten one. */
  readonly text: string
  /** Command tag such as `INSERT`, `CREATE TABLE`; for messages and metrics. Empty for `empty` and `invalid`. */
  readonly tag: string
  /** Characters (code points) of the client's text before `text`: add it to the position (`P`) of the server's errors. */
  readonly offset: number
}

export interface LockedTable {
  readonly schema?: string
  readonly name: string
  /** PostgreSQL's lock level, 1 (ACCESS SHARE) to 8 (ACCESS EXCLUSIVE); src/include/storage/lockdefs.h. */
  readonly mode: number
}

/** Nothing to run: EmptyQueryResponse if it is the only one. */
export interface EmptyStatement extends Common {
  readonly kind: 'empty'
}

/**
 * Our parser refuses the text. Send it whole in a **Parse message only**, never Execute it: the server answers with its own
 * error; if it accepts (another version's grammar), refuse it, since nothing is known about what it would do.
 */
export interface InvalidStatement extends Common {
  readonly kind: 'invalid'
}

export interface BeginStatement extends Common {
  readonly kind: 'begin'
  readonly readOnly: boolean
  readonly isolation?: Isolation
  readonly deferrable?: boolean
}

export interface EndStatement extends Common {
  readonly kind: 'commit' | 'rollback'
  /** AND CHAIN: a new transaction of the same modes begins at once. */
  readonly chain: boolean
}

export interface SavepointStatement extends Common {
  readonly kind: 'savepoint' | 'release' | 'rollback_to'
  readonly name: string
}

/** Proven unable to write and to run user code: runs unwrapped in a read-only backend. */
export interface HarmlessStatement extends Common {
  readonly kind: 'harmless'
  readonly copyOut: boolean
  /** The state of the catalog that this was proven by (StatementClassifier.state). */
  readonly catalogState: number
}

/** Runs unwrapped outside a transaction (SET must have session effect), inside one as it is. */
export interface SettingStatement extends Common {
  readonly kind: 'setting'
  readonly action: 'set' | 'reset' | 'reset_all' | 'show' | 'constraints' | 'transaction' | 'characteristics'
  /** Lower case; `all` for SHOW ALL, RESET ALL; `transaction`, `constraints` for those. */
  readonly name: string
  readonly value?: string
  readonly local: boolean
  readonly scope: 'session' | 'transaction'
  /** For SET TRANSACTION and SESSION CHARACTERISTICS, and SET transaction_read_only / transaction_isolation. */
  readonly modes?: TransactionModes
}

/**
 * Touches the guard `default_transaction_read_only`, or shows it or `transaction_read_only`. The session keeps the user's wish
 * itself, answers with `tag`, and sends `text` only if it is not empty (the rest of a SESSION CHARACTERISTICS).
 */
export interface GuardSettingStatement extends Common {
  readonly kind: 'guard_setting'
  readonly action: 'set' | 'reset' | 'show'
  readonly name: 'default_transaction_read_only' | 'transaction_read_only'
  /** The wish; absent for reset, show and values that are no boolean (`value` then holds it: 22023). */
  readonly readOnly?: boolean
  readonly value?: string
  readonly local: boolean
}

/** Runs on this node only and as it is; writes nothing that other nodes need, though it may take an xid. */
export interface LocalStatement extends Common {
  readonly kind: 'local'
  readonly discard?: 'all' | 'plans' | 'temp' | 'sequences'
}

export interface CopyInStatement extends Common {
  readonly kind: 'copy_in'
  readonly retryable: false
}

/** A role or other shared object changes; no event trigger fires: `text` is journaled and run everywhere. */
export interface JournaledStatement extends Common {
  readonly kind: 'journaled'
}

/** What is journaled of an index change in several transactions; `allwrite.journal_concurrently` reads it as JSON. */
export interface ConcurrentRequest {
  readonly kind: 'create' | 'drop'
  /** Of the table, or of the index to drop. */
  readonly schema?: string
  readonly name: string
  readonly missingOk?: boolean
  /** The new index's name; absent: chosen from `columns`, and written between `statement` and `tail`. */
  readonly index?: string
  readonly columns?: readonly string[]
  readonly statement: string
  readonly tail?: string
  /** The statement without CONCURRENTLY, for a temporary table: PostgreSQL ignores the word there. */
  readonly plain: string
}

/** What is journaled of a command that no transaction may hold; `allwrite.journal_database` reads it as JSON. */
export interface DatabaseRequest {
  readonly kind: 'database'
  readonly command: 'create' | 'drop' | 'rename'
  readonly name: string
  /** Of `rename`. */
  readonly newName?: string
  /** Of `create`, where it names one. */
  readonly template?: string
  readonly owner?: string
  readonly missingOk?: boolean
  readonly force?: boolean
  readonly statement: string
}

/** CREATE or DROP INDEX CONCURRENTLY, or a database: never sent as it is; only outside a transaction block. */
export interface ConcurrentStatement extends Common {
  readonly kind: 'concurrently'
  readonly request: ConcurrentRequest | DatabaseRequest
}

/** What a schema change locks against writers, as far as its text tells. */
export interface SchemaTables {
  /** Tables, or indexes of them, quoted where needed: as `to_regclass` reads them. */
  readonly relations: readonly string[]
  /** It drops them. */
  readonly drops: boolean
}

export interface WriteStatement extends Common {
  readonly kind: 'write'
  /**
   * Running it again after its whole transaction was rolled back shows nothing to the user: no COPY, no cursor, no session
   * state, and nothing it calls is known or suspected to act outside the transaction.
   */
  readonly retryable: boolean
  /** A utility statement that changes the catalog. */
  readonly ddl: boolean
  /**
   * Runs something unknown or volatile: calls it, is DO, CALL or EXECUTE, or writes to a table that has triggers, policies, functions in
   * defaults or CHECKs. Writes that the stream does not show are possible.
   */
  readonly opaque: boolean
  /** Rows may be locked that it does not write, or tables: FOR UPDATE …, LOCK TABLE, user code, triggers too. */
  readonly mayLock: boolean
  /**
   * LOCK TABLE; a SELECT … FOR UPDATE and the like that is proven to run no code of its own: one snapshot, and the rows that it locks.
   */
  readonly locksOnly: boolean
  /** The state of the catalog that all this was judged by (StatementClassifier.state). */
  readonly catalogState: number
  readonly returnsRows: boolean
  /** COPY … TO STDOUT: answers with CopyOutResponse. */
  readonly copyOut: boolean
  readonly truncateRestart: boolean
  /** May leave a temporary view, type or table in this session: see {@link SessionFacts.temporaryObjects}. */
  readonly createsTemp: boolean
  readonly lockTable: readonly LockedTable[]
  /** Absent: none that it names. */
  readonly schemaTables?: SchemaTables
  /** DECLARE … WITH HOLD of a harmless query. */
  readonly holdCursor: boolean
  readonly prepare?: { readonly name: string; readonly inner: ClassifiedStatement }
  readonly execute?: { readonly name: string }
  /** `name` absent: ALL. */
  readonly deallocate?: { readonly name?: string }
  /** For the client as a NOTICE: what was rewritten. */
  readonly notice?: string
  /** The command tag that the client is shown, where `text` is another command. */
  readonly shownTag?: string
}

/** Not run; answered as an ERROR. Inside a transaction it fails the transaction, as any error. */
export interface RefusedStatement extends Common {
  readonly kind: 'refused'
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  readonly sqlState: '0A000' | '54000' | '54001' | '22023' | '25006'
}

export type ClassifiedStatement =
  | EmptyStatement
  | InvalidStatement
  | BeginStatement
  | EndStatement
  | SavepointStatement
  | HarmlessStatement
  | SettingStatement
  | GuardSettingStatement
  | LocalStatement
  | CopyInStatement
  | JournaledStatement
  | ConcurrentStatement
  | WriteStatement
  | RefusedStatement

/** One text of the client (a Query message, or a Parse message's query): at least one statement, in order. */
export interface ClassifiedQuery {
  readonly statements: readonly ClassifiedStatement[]
}
