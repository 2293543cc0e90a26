/**
 * Loads the catalog facts behind `harmless`. Five small queries (some 10 ms together on a stock catalog); run again after each
 * DDL record, and hand the result to `classifier.setContext`.
 *
 * "User" is what was not there after initdb (OID ≥ FirstNormalObjectId, 16384): a function that a superuser put into pg_catalog counts.
 *
 * @module
 */
import type { HarmlessContext } from './contract.ts'

/** Runs one query and gives its rows in text form, null for NULL. */
export type ContextQuery = (sql: string) => Promise<readonly (readonly (string | null)[])[]>

/** Proves nothing: every query is wrapped. For a node whose catalog is not read yet. */
export const nothingHarmless: HarmlessContext = {
  isPlainRelation: () => false,
  isPlainTarget: () => false,
  isSystemRelation: (name) => name.startsWith('pg_'),
  isPlainType: () => false,
  isUserFunctionName: () => true,
  isNonVolatileBuiltin: () => false,
  hasUserOperators: true,
  hasUserCasts: true,
  hasExternalEffects: true,
}

/** Volatile for other reasons than writing: the result changes, or the session waits. They take no xid. */
const volatileButHarmless = new Set(
  `random random_normal gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday pg_sleep pg_sleep_for pg_sleep_until currval lastval
   pg_is_in_recovery pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_last_wal_receive_lsn
   pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_is_wal_replay_paused pg_database_size pg_relation_size
   pg_total_relation_size pg_table_size pg_indexes_size pg_tablespace_size pg_current_xact_id_if_assigned
   txid_current_if_assigned pg_blocking_pids pg_safe_snapshot_blocking_pids pg_lock_status`.split(/\s+/),
)

/** Declared STABLE or IMMUTABLE, but they assign an xid or run SQL they are given. */
const writingThough =
  /^(txid_current|pg_current_xact_id|.*_to_xml.*|.*_to_xmlschema|ts_stat|ts_rewrite|pg_export_snapshot|set_config|nextval|setval)$/

/** Every column has a name of its own: clients that make objects of rows would lose the others. */
const functionsSql = `
  SELECT p.proname, bool_or(p.oid >= 16384)::text AS added, bool_or(p.provolatile = 'v' OR p.prokind = 'p')::text AS volatile
  FROM pg_catalog.pg_proc p GROUP BY p.proname`

/**
 * Plain: a table, materialized view, sequence or TOAST table without row security and without a foreign table among its partitions or children; a view of
 * initdb's, or of the agent's in its place (catalog/sql/views.ts). Rules other than a view's do not act on SELECT.
 */
const relationsSql = `
  WITH RECURSIVE above_foreign AS (
    SELECT i.inhparent AS oid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'f'
    UNION
    SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above_foreign a ON a.oid = i.inhrelid)
  SELECT n.nspname, c.relname,
    (CASE WHEN c.oid < 16384 OR n.nspname = 'pg_catalog' OR n.nspname = 'allwrite' AND c.relname = 'sessions' THEN c.relkind IN ('r', 'v', 't')
         ELSE c.relkind IN ('r', 'p', 'm', 'S', 't') AND NOT c.relrowsecurity
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy l WHERE l.polrelid = c.oid)
              AND c.oid NOT IN (SELECT a.oid FROM above_foreign a) END)::text AS plain
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind NOT IN ('i', 'I', 'c')`

/** Built in, so that nothing depends on them; but they run SQL that they are given, or write what the stream does not show. */
const runsSql = String.raw`_to_xml|ts_stat|ts_rewrite|\mraw_(lo|pg_notify|setval)|pg_import_system_collations`

/**
 * Plain to write to: no trigger but those of constraints, no rule, no policy, no user function behind a default, CHECK, index or
 * partition key, the same for partitions and inheriting tables, and for those that a foreign key's action writes. A user function
 * behind any domain counts for every table.
 *
 * Expressions are read as they are stored: pg_get_expr() locks the table, and would wait for a schema change that is open at this node,
 * which itself waits for the position that this is read for.
 */
const targetsSql = `
  WITH RECURSIVE
  code AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid >= 16384
      AND d.classid IN ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_class'::regclass)),
  calls AS (
    SELECT ':funcid (' || pg_catalog.string_agg(p.oid::text, '|') || ') ' AS pattern FROM pg_catalog.pg_proc p WHERE p.proname ~ '${runsSql}'),
  own AS (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind NOT IN ('r', 'p') OR c.relrowsecurity
    UNION SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
    UNION SELECT w.ev_class FROM pg_catalog.pg_rewrite w
    UNION SELECT l.polrelid FROM pg_catalog.pg_policy l
    UNION SELECT a.adrelid FROM pg_catalog.pg_attrdef a
      WHERE EXISTS (SELECT FROM code WHERE classid = 'pg_catalog.pg_attrdef'::regclass AND objid = a.oid)
         OR a.adbin::text ~ (SELECT pattern FROM calls)
    UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k
      WHERE k.conrelid <> 0 AND (EXISTS (SELECT FROM code WHERE classid = 'pg_catalog.pg_constraint'::regclass AND objid = k.oid)
         OR k.conbin::text ~ (SELECT pattern FROM calls))
    UNION SELECT coalesce(i.indrelid, code.objid) FROM code LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = code.objid
      WHERE code.classid = 'pg_catalog.pg_class'::regclass),
  edge (written, also) AS (
    SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits
    UNION SELECT confrelid, conrelid FROM pg_catalog.pg_constraint
      WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))),
  coded AS (SELECT oid FROM own UNION SELECT e.written FROM edge e JOIN coded c ON c.oid = e.also)
  SELECT n.nspname, c.relname,
    (c.oid >= 16384 AND NOT EXISTS (SELECT FROM coded WHERE coded.oid = c.oid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN code ON code.classid = 'pg_catalog.pg_constraint'::regclass AND code.objid = k.oid
                      WHERE k.contypid <> 0))::text AS plain
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind NOT IN ('i', 'I', 'c', 't', 'S')`

const typesSql = `
  SELECT n.nspname, t.typname,
    (CASE WHEN t.oid < 16384 THEN t.typtype IN ('b', 'r', 'm') AND n.nspname = 'pg_catalog'
         ELSE t.typtype = 'e' OR (t.typtype = 'b' AND t.typelem = 0 AND l.lanname IN ('c', 'internal')) END)::text AS plain
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typinput
  LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang`

/** C and internal functions need a superuser to install them, and those behind operators and casts run no SQL. */
const flagsSql = `
  WITH code AS (
    SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.provolatile = 'v'))
  SELECT
    (EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprcode IN (SELECT oid FROM code))
      OR EXISTS (SELECT FROM pg_catalog.pg_amproc a WHERE a.amproc IN (SELECT oid FROM code)))::text AS operators,
    (EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castfunc IN (SELECT oid FROM code)))::text AS casts,
    (EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'pg_cron', 'pg_background', 'adminpack', 'pg_net', 'http'))
      OR EXISTS (SELECT FROM pg_catalog.pg_foreign_server)
      OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                 WHERE p.oid >= 16384 AND NOT l.lanpltrusted AND l.lanname NOT IN ('c', 'internal')))::text AS effects`

/** Reads the catalog of the database that `query` is connected to. Rejects with what `query` rejects with. */
export async function loadHarmlessContext(query: ContextQuery): Promise<HarmlessContext> {
  const userFunctions = new Set<string>()
  const nonVolatile = new Set<string>()
  for (const [name, user, isVolatile] of await query(functionsSql)) {
    if (typeof name !== 'string') continue
    if (user !== 'false') userFunctions.add(name)
    if ((isVolatile === 'false' && !writingThough.test(name)) || volatileButHarmless.has(name)) nonVolatile.add(name)
  }
  const relations = await query(relationsSql)
  const systemRelations = new Set(relations.flatMap(([schema, name]) => (schema === 'pg_catalog' ? (name ?? []) : [])))
  const isPlainTarget = namedLookup(await query(targetsSql))
  const isPlainType = namedLookup(await query(typesSql))
  const [flags] = await query(flagsSql)
  return {
    isPlainRelation: namedLookup(relations),
    isPlainTarget,
    isSystemRelation: (name) => systemRelations.has(name),
    isPlainType,
    isUserFunctionName: (name) => userFunctions.has(name),
    isNonVolatileBuiltin: (name) => nonVolatile.has(name),
    hasUserOperators: flags?.[0] !== 'false',
    hasUserCasts: flags?.[1] !== 'false',
    hasExternalEffects: flags?.[2] !== 'false',
  }
}

/** From (schema, name, plain) rows: by both names, or by name alone where every bearer of it is plain. */
function namedLookup(
  rows: readonly (readonly (string | null)[])[],
): (schema: string | undefined, name: string) => boolean {
  const qualified = new Set<string>()
  const anywhere = new Map<string, boolean>()
  // A NUL cannot be part of a name.
  for (const [schema, name, plain] of rows) {
    if (typeof schema !== 'string' || typeof name !== 'string') continue
    if (plain === 'true') qualified.add(`${schema}\0${name}`)
    anywhere.set(name, (anywhere.get(name) ?? true) && plain === 'true')
  }
  return (schema, name) => (schema === undefined ? anywhere.get(name) === true : qualified.has(`${schema}\0${name}`))
}
