/**
 * Tables of the schema `allwrite`, and the helpers that the other scripts share.
 *
 * `ddl` and `sequence` are captured from the stream; `ddl` stays local, `sequence` is replicated row by row.
 * Rows of `ddl` are read by their own transaction only; the agent sweeps them away behind it (apply/sql-applier.ts).
 * `range` is UNLOGGED on purpose: decoding never shows it, and a crash or a copy to another machine empties it,
 * which is exactly what must become of leased ranges then (`allwrite.settle()` voids what it does not know).
 */
export const tablesSql = String.raw`
CREATE SCHEMA IF NOT EXISTS allwrite AUTHORIZATION allwrite;
GRANT USAGE ON SCHEMA allwrite TO PUBLIC;

CREATE TABLE IF NOT EXISTS allwrite.installed (version integer PRIMARY KEY);

CREATE TABLE IF NOT EXISTS allwrite.ddl (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  statement text NOT NULL,
  role text NOT NULL,
  settings jsonb NOT NULL,
  tables text[] NOT NULL,
  kind text NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX IF NOT EXISTS ddl_xid ON allwrite.ddl (xid);

-- Who the writer of pinned endpoints is, and since which change (ADR 26). Changed through the journal; its row travels.
CREATE TABLE IF NOT EXISTS allwrite.pinned (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch bigint NOT NULL,
  node integer NOT NULL
);
INSERT INTO allwrite.pinned (epoch, node) VALUES (0, 0) ON CONFLICT DO NOTHING;

-- Written by the apply worker only, so that its origin moves while nothing but own transactions come (RULES 10).
CREATE TABLE IF NOT EXISTS allwrite.heartbeat (node integer PRIMARY KEY, position bigint NOT NULL);

-- Notifications pass through it (notify.ts): at home a row lives for a moment of its transaction, elsewhere it is never stored.
-- PLAIN: the longest payload fits a page, and none is compressed for nothing.
CREATE TABLE IF NOT EXISTS allwrite.notification (channel text STORAGE PLAIN NOT NULL, payload text STORAGE PLAIN NOT NULL);
ALTER TABLE allwrite.notification REPLICA IDENTITY FULL;

CREATE TABLE IF NOT EXISTS allwrite.secret (sha256 bytea PRIMARY KEY);

-- Which incarnation of which node used which xids of this data folder (recovery/lineage.ts). A copy brings its donor's along.
CREATE TABLE IF NOT EXISTS allwrite.lineage (
  xid_from xid8 PRIMARY KEY,
  xid_to xid8,
  node integer NOT NULL,
  incarnation bigint NOT NULL
);

-- Index changes of several transactions: at its position each node begins one and removes its row (index-builds.ts). The row travels.
CREATE TABLE IF NOT EXISTS allwrite.concurrent (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('create', 'drop')),
  statement text NOT NULL,
  schema_name text NOT NULL,
  table_name text NOT NULL,
  index_name text NOT NULL,
  role text NOT NULL,
  settings jsonb NOT NULL
);

-- next: the first value that no node has leased yet. epoch: raised when numbering starts over; voids older leases.
-- shares: the last change of this row came with DDL and left a block for each of nodes 1..shares, the last of them ending
-- before "next", home's first; 0: it was something else. block: values in each share, or in the last lease.
CREATE TABLE IF NOT EXISTS allwrite.sequence (
  name text PRIMARY KEY,
  epoch integer NOT NULL DEFAULT 0,
  next numeric NOT NULL,
  increment bigint NOT NULL,
  user_min bigint NOT NULL,
  user_max bigint NOT NULL,
  cycle boolean NOT NULL,
  block bigint NOT NULL,
  shares integer NOT NULL DEFAULT 0,
  home integer NOT NULL DEFAULT 0
);
ALTER TABLE allwrite.sequence ADD COLUMN IF NOT EXISTS shares integer NOT NULL DEFAULT 0, ADD COLUMN IF NOT EXISTS home integer NOT NULL DEFAULT 0;

-- Which node of how many this server is, while its agent applies what is new in the journal; no row while it repeats what
-- this node, or the one that it is a copy of, may have applied before. Unlogged: a crash or a copy empties it.
CREATE UNLOGGED TABLE IF NOT EXISTS allwrite.node (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  node integer NOT NULL CHECK (node BETWEEN 1 AND nodes),
  nodes integer NOT NULL
);

-- What this node may draw: low..high, enforced by pg_sequence. opened: the declared bounds
-- stand there for the moment of an ALTER. pending: until the transaction that made or altered the sequence ends.
CREATE UNLOGGED TABLE IF NOT EXISTS allwrite.range (
  sequence oid PRIMARY KEY,
  name text NOT NULL,
  filenode oid NOT NULL,
  low bigint NOT NULL,
  high bigint NOT NULL,
  opened boolean NOT NULL DEFAULT false,
  pending boolean NOT NULL DEFAULT false
);

REVOKE ALL ON ALL TABLES IN SCHEMA allwrite FROM PUBLIC;

-- Did the current transaction (or a subtransaction of it) write the row with this xmin? Only for rows that a snapshot
-- shows: visible and still in progress means own. Not by age(): it counts from what was the newest xid when the transaction first
-- called it, and that was before its own if it had none yet. A caller may rule out rows with age(xmin) > 0: they are older either way.
CREATE OR REPLACE FUNCTION allwrite.own_write(xmin xid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  current xid8 := pg_current_xact_id_if_assigned();
  raw bigint := xmin::text::bigint;
  distance bigint;
BEGIN
  -- 1 and 2 are no transactions.
  IF current IS NULL OR raw < 3 THEN RETURN false; END IF;
  -- Modulo 2^32, from -2^31: negative for newer subxids.
  distance := (current::text::bigint - raw + 2147483648) % 4294967296 - 2147483648;
  IF abs(distance) > 100000000 THEN RETURN false; END IF;
  RETURN coalesce(pg_xact_status((current::text::bigint - distance)::text::xid8) = 'in progress', false);
END $$;

-- The role that a statement of this session runs as, outside SECURITY DEFINER functions (allwrite.ddl_start refuses those).
CREATE OR REPLACE FUNCTION allwrite.session_role() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(nullif(current_setting('role'), 'none'), session_user::text)
$$;

-- What the meaning of a statement's text depends on. No SET clause: it must see the caller's search_path; so every
-- name is qualified, and there is no operator in it.
CREATE OR REPLACE FUNCTION allwrite.session_settings() RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.jsonb_build_object(
    'search_path', pg_catalog.current_setting('search_path'),
    'default_tablespace', pg_catalog.current_setting('default_tablespace'),
    'default_table_access_method', pg_catalog.current_setting('default_table_access_method'),
    'default_toast_compression', pg_catalog.current_setting('default_toast_compression'),
    -- Home has checked them, or was told not to. What they name may be temporary, or not there any more.
    'check_function_bodies', 'off',
    'DateStyle', pg_catalog.current_setting('DateStyle'),
    'IntervalStyle', pg_catalog.current_setting('IntervalStyle'),
    'TimeZone', pg_catalog.current_setting('TimeZone'),
    'standard_conforming_strings', pg_catalog.current_setting('standard_conforming_strings'),
    'backslash_quote', pg_catalog.current_setting('backslash_quote'),
    'bytea_output', pg_catalog.current_setting('bytea_output'),
    'extra_float_digits', pg_catalog.current_setting('extra_float_digits'),
    'xmlbinary', pg_catalog.current_setting('xmlbinary'),
    'xmloption', pg_catalog.current_setting('xmloption'),
    'lc_monetary', pg_catalog.current_setting('lc_monetary'),
    'lc_numeric', pg_catalog.current_setting('lc_numeric'),
    'lc_time', pg_catalog.current_setting('lc_time'),
    'array_nulls', pg_catalog.current_setting('array_nulls'),
    'transform_null_equals', pg_catalog.current_setting('transform_null_equals'),
    'quote_all_identifiers', pg_catalog.current_setting('quote_all_identifiers'),
    'default_text_search_config', pg_catalog.current_setting('default_text_search_config'),
    'createrole_self_grant', pg_catalog.current_setting('createrole_self_grant'),
    'password_encryption', pg_catalog.current_setting('password_encryption'),
    'row_security', pg_catalog.current_setting('row_security'))
$$;

-- User tables on which this backend holds a lock that keeps writers off: their table keys.
CREATE OR REPLACE FUNCTION allwrite.locked_tables() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(DISTINCT n.nspname || '.' || c.relname), '{}')
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
     AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
     AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'allwrite')
$$;

CREATE OR REPLACE FUNCTION allwrite.journal(statement text, role text, settings jsonb, tables text[], kind text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO allwrite.ddl (statement, role, settings, tables, kind) VALUES ($1, $2, $3, $4, $5)
$$;
REVOKE ALL ON FUNCTION allwrite.journal(text, text, jsonb, text[], text) FROM PUBLIC;
`
