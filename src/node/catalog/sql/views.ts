/**
 * What clients look at: who is connected from where, and sequences as they were declared.
 *
 * The bounds in the catalog `pg_sequence` are those of this node's lease (ADR 10): \d, drivers and pg_dump would take them for the
 * user's. So the catalog goes by the name `pg_sequence_here`, PostgreSQL itself finding it by its OID, and a view with the declared
 * bounds stands in its place; the two views of PostgreSQL's own that read it are made anew on top of that.
 */
export const sessionsViewSql = String.raw`
-- Where the clients of this database's sessions are. Unlogged: a crash or a copy empties it, and decoding does not show it.
CREATE UNLOGGED TABLE IF NOT EXISTS allwrite.session_client (
  pid integer PRIMARY KEY,
  backend_start timestamptz NOT NULL,
  client_addr inet,
  client_port integer NOT NULL
);
REVOKE ALL ON allwrite.session_client FROM PUBLIC;

-- pg_stat_activity of this database's client sessions at this node. Functions of a view run as whoever reads it: PostgreSQL hides
-- what he may not see, and the address is hidden alike.
CREATE OR REPLACE VIEW allwrite.sessions AS
SELECT (SELECT 'n' || n.node FROM allwrite.node n) AS node, a.pid, a.datname, a.usename, a.application_name,
       CASE WHEN v.visible THEN c.client_addr END AS client_addr, CASE WHEN v.visible THEN c.client_port END AS client_port,
       a.backend_start, a.xact_start, a.query_start, a.state_change, a.wait_event_type, a.wait_event, a.state, a.backend_type, a.query
  FROM pg_catalog.pg_stat_activity a
  JOIN allwrite.session_client c ON c.pid = a.pid AND coalesce(c.backend_start = a.backend_start, true),
       LATERAL (SELECT pg_catalog.pg_has_role(a.usesysid, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS visible) v;
GRANT SELECT ON allwrite.sessions TO PUBLIC;
`

/** Before everything that names the catalog. */
export const sequenceCatalogSql = String.raw`
DO $move$
BEGIN
  -- A catalog has an OID below 10000; the view, which may stand there already, has not.
  IF to_regclass('pg_catalog.pg_sequence')::oid < 10000 THEN
    SET LOCAL allow_system_table_mods = on;
    ALTER TABLE pg_catalog.pg_sequence RENAME TO pg_sequence_here;
    SET LOCAL allow_system_table_mods = off;
  END IF;
END $move$;
`

export const sequenceViewsSql = String.raw`
SET LOCAL allow_system_table_mods = on;
CREATE OR REPLACE VIEW pg_catalog.pg_sequence AS
SELECT s.seqrelid, s.seqtypid, s.seqstart, s.seqincrement, coalesce(q.user_max, s.seqmax) AS seqmax,
       coalesce(q.user_min, s.seqmin) AS seqmin, s.seqcache, coalesce(q.cycle, s.seqcycle) AS seqcycle
  FROM pg_catalog.pg_sequence_here s
  LEFT JOIN (allwrite.range g JOIN allwrite.sequence q ON q.name = g.name) ON g.sequence = s.seqrelid AND NOT g.opened AND NOT g.pending;

-- As a catalog's: pg_dump leaves out privileges that were there from the beginning.
GRANT SELECT ON pg_catalog.pg_sequence TO PUBLIC;
DELETE FROM pg_catalog.pg_init_privs WHERE classoid = 'pg_class'::regclass AND objoid = 'pg_catalog.pg_sequence'::regclass;
INSERT INTO pg_catalog.pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
SELECT c.oid, 'pg_class'::regclass, 0, 'i', c.relacl FROM pg_catalog.pg_class c WHERE c.oid = 'pg_catalog.pg_sequence'::regclass;

CREATE OR REPLACE VIEW pg_catalog.pg_sequences AS
SELECT n.nspname AS schemaname, c.relname AS sequencename, pg_get_userbyid(c.relowner) AS sequenceowner, s.seqtypid::regtype AS data_type,
       s.seqstart AS start_value, s.seqmin AS min_value, s.seqmax AS max_value, s.seqincrement AS increment_by, s.seqcycle AS cycle,
       s.seqcache AS cache_size, pg_sequence_last_value(c.oid::regclass) AS last_value
  FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT pg_is_other_temp_schema(n.oid) AND c.relkind = 'S';

CREATE OR REPLACE VIEW information_schema.sequences AS
SELECT current_database()::information_schema.sql_identifier AS sequence_catalog, nc.nspname::information_schema.sql_identifier AS sequence_schema,
       c.relname::information_schema.sql_identifier AS sequence_name, format_type(s.seqtypid, NULL)::information_schema.character_data AS data_type,
       information_schema._pg_numeric_precision(s.seqtypid, -1)::information_schema.cardinal_number AS numeric_precision,
       2::information_schema.cardinal_number AS numeric_precision_radix, 0::information_schema.cardinal_number AS numeric_scale,
       s.seqstart::information_schema.character_data AS start_value, s.seqmin::information_schema.character_data AS minimum_value,
       s.seqmax::information_schema.character_data AS maximum_value, s.seqincrement::information_schema.character_data AS increment,
       (CASE WHEN s.seqcycle THEN 'YES' ELSE 'NO' END)::information_schema.yes_or_no AS cycle_option
  FROM pg_catalog.pg_namespace nc, pg_catalog.pg_class c, pg_catalog.pg_sequence s
 WHERE c.relnamespace = nc.oid AND c.relkind = 'S'
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
   AND NOT pg_is_other_temp_schema(nc.oid) AND c.oid = s.seqrelid
   AND (pg_has_role(c.relowner, 'USAGE') OR has_sequence_privilege(c.oid, 'SELECT, UPDATE, USAGE'));
SET LOCAL allow_system_table_mods = off;

-- What pg_dump writes as a sequence's value (PostgreSQL 18): the last that any node may have drawn, not this node's. A sequence that is
-- restored from it gives none of them again. NULL where the caller may not read it, as from PostgreSQL.
DO $replace$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid < 10000 AND p.proname ~ '^(raw_)?pg_get_sequence_data$' AND array_length(p.proallargtypes, 1) = 3) THEN
    RETURN;
  END IF;
  UPDATE pg_catalog.pg_proc SET proname = 'raw_pg_get_sequence_data', pronamespace = 'allwrite'::regnamespace
   WHERE oid = to_regprocedure('pg_catalog.pg_get_sequence_data(regclass)') AND oid < 10000;
  CREATE OR REPLACE FUNCTION pg_catalog.pg_get_sequence_data(sequence_oid regclass, OUT last_value bigint, OUT is_called boolean)
  LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE declared allwrite.sequence;
  BEGIN
    IF NOT coalesce(has_sequence_privilege(allwrite.session_role(), sequence_oid::oid, 'SELECT'), false) THEN RETURN; END IF;
    SELECT d.last_value, d.is_called INTO last_value, is_called FROM allwrite.raw_pg_get_sequence_data(sequence_oid) d;
    SELECT q.* INTO declared FROM allwrite.range g JOIN allwrite.sequence q ON q.name = g.name
     WHERE g.sequence = sequence_oid AND NOT g.opened AND NOT g.pending;
    IF declared.name IS NOT NULL THEN
      last_value := greatest(declared.user_min, least(declared.user_max, declared.next - declared.increment));
      is_called := true;
    END IF;
  END $$;
END $replace$;
`
