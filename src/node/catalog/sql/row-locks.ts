/**
 * What a transaction has locked without writing it, asked in the client's own backend at the transaction's end (ADR 13).
 *
 * PostgreSQL keeps row locks in the rows alone, so they are found by their WAL records: `Heap LOCK`, with the transaction's id, the
 * row's place and the lock's mode. An id that is in progress and held by no other backend counts as own: ids of released savepoints
 * are the transaction's, although nothing says so. Where a row can't be named beyond doubt its table is the key.
 *
 * PL/pgSQL throughout: it keeps its plans, and planning would cost more than all the rest.
 */
export const rowLocksSql = String.raw`
-- Without the extension: its objects would be the user's to see and drop. A server without the library has table keys only.
DO $$ BEGIN
  CREATE OR REPLACE FUNCTION allwrite.wal_records(start_lsn pg_lsn, end_lsn pg_lsn, OUT start_lsn pg_lsn, OUT end_lsn pg_lsn,
    OUT prev_lsn pg_lsn, OUT xid xid, OUT resource_manager text, OUT record_type text, OUT record_length int4,
    OUT main_data_length int4, OUT fpi_length int4, OUT description text, OUT block_ref text)
  RETURNS SETOF record AS '$libdir/pg_walinspect', 'pg_get_wal_records_info' LANGUAGE c VOLATILE STRICT;
  REVOKE ALL ON FUNCTION allwrite.wal_records(pg_lsn, pg_lsn) FROM PUBLIC;
EXCEPTION WHEN undefined_file OR undefined_function THEN NULL;
END $$;

-- Is it a table of which other nodes have a copy?
CREATE OR REPLACE FUNCTION allwrite.is_user_table(class pg_catalog.pg_class) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN class.relkind IN ('r', 'p') AND class.relpersistence <> 't'
     AND class.relnamespace <> ALL (ARRAY['allwrite', 'pg_catalog', 'information_schema', 'pg_toast']::regnamespace[]);
END $$;

-- The user's tables that this transaction has locked: closed to writers (LOCK TABLE in SHARE mode and up), and those of which it may
-- have locked rows.
CREATE OR REPLACE FUNCTION allwrite.tables_locked(OUT closed oid[], OUT of_rows oid[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT array_agg(DISTINCT c.oid) FILTER (WHERE l.mode <> 'RowShareLock'), array_agg(DISTINCT c.oid) FILTER (WHERE l.mode = 'RowShareLock')
    INTO closed, of_rows
    FROM pg_lock_status() l JOIN pg_class c ON c.oid = l.relation
   WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
     AND l.mode IN ('RowShareLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
     AND allwrite.is_user_table(c);
END $$;

-- Is this id of the current transaction or one of its subtransactions? Wrongly yes for a subtransaction that another one has
-- released. Ids of savepoints that were rolled back are aborted: so are their locks.
CREATE OR REPLACE FUNCTION allwrite.may_be_own(candidate xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF candidate = pg_current_xact_id()::xid THEN RETURN true; END IF;
  RETURN NOT EXISTS (SELECT FROM pg_lock_status() l WHERE l.locktype = 'transactionid' AND l.transactionid = candidate
                        AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid())
     AND allwrite.own_write(candidate);
END $$;

-- Is one of these a member of the multixact? False also for what is none.
CREATE OR REPLACE FUNCTION allwrite.in_multixact(multixact xid, members xid[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pg_get_multixact_members(multixact) m WHERE m.xid = ANY (members));
EXCEPTION WHEN OTHERS THEN RETURN false;
END $$;

-- The strongest mode (core/writeset.ts, LockMode) of a member of a multixact; NULL where it is not known.
CREATE OR REPLACE FUNCTION allwrite.mode_in_multixact(multixact xid, member xid) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT max(CASE m.mode WHEN 'keysh' THEN 0 WHEN 'sh' THEN 1 WHEN 'fornokeyupd' THEN 2 WHEN 'nokeyupd' THEN 2 ELSE 3 END)
            FROM pg_get_multixact_members(multixact) m WHERE m.xid = member);
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

-- The rows that LOCK records of this transaction name, by file: places and modes (core/writeset.ts, LockMode) side by side. Without
-- those that it has deleted: their deletion says more.
CREATE OR REPLACE FUNCTION allwrite.lock_records(since pg_lsn, upto pg_lsn)
RETURNS TABLE (space oid, file oid, places tid[], modes int[], own xid[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH wal AS MATERIALIZED (
    SELECT w.xid, w.record_type, w.description, regexp_match(w.block_ref, 'rel (\d+)/\d+/(\d+) fork main blk (\d+)') AS block
      FROM allwrite.wal_records(since, upto) w
     WHERE w.resource_manager = 'Heap' AND w.record_type IN ('LOCK', 'DELETE')),
  ids AS MATERIALIZED (SELECT array_agg(x.xid) AS own FROM (SELECT DISTINCT w.xid FROM wal w) x WHERE allwrite.may_be_own(x.xid)),
  mine AS MATERIALIZED (
    SELECT w.record_type, w.block[1]::oid AS space, w.block[2]::oid AS file,
           format('(%s,%s)', w.block[3], substring(w.description FROM '\moff: (\d+)'))::tid AS place,
           -- A multixact's bits tell of its strongest member, which may be another transaction.
           coalesce(CASE WHEN w.description ~ 'IS_MULTI' THEN allwrite.mode_in_multixact(substring(w.description FROM '\mxmax: (\d+)')::xid, w.xid) END,
             CASE WHEN w.description ~ 'KEYS_UPDATED' THEN 3
                  WHEN w.description ~ 'EXCL_LOCK' THEN CASE WHEN w.description ~ 'KEYSHR_LOCK' THEN 1 ELSE 2 END
                  WHEN w.description ~ 'KEYSHR_LOCK' THEN 0 ELSE 3 END) AS mode
      FROM wal w WHERE w.xid = ANY (ARRAY(SELECT unnest(ids.own) FROM ids))),
  locked AS (
    SELECT m.space, m.file, m.place, max(m.mode) AS mode FROM mine m
     GROUP BY m.space, m.file, m.place HAVING NOT bool_or(m.record_type = 'DELETE'))
  SELECT l.space, l.file, array_agg(l.place), array_agg(l.mode), (SELECT ids.own FROM ids) FROM locked l GROUP BY l.space, l.file;
END $$;

-- The columns of a table as the stream has them, and the expressions that give their values: of a table with a primary key only
-- those of unique indexes, which is all that names its rows.
CREATE OR REPLACE FUNCTION allwrite.stream_columns(relation oid, OUT names jsonb, OUT shown text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT jsonb_agg(a.attname ORDER BY a.attnum),
         string_agg(CASE WHEN i.wanted IS NULL OR a.attnum = ANY (i.wanted)
           THEN format('CASE WHEN r.%1$I IS NOT DISTINCT FROM NULL THEN NULL ELSE format(''%%s'', r.%1$I) END', a.attname)
           ELSE 'false' END, ', ' ORDER BY a.attnum)
    INTO names, shown
    FROM pg_attribute a CROSS JOIN (
      SELECT CASE WHEN bool_or(x.indisprimary) THEN array_agg(k.attnum) END AS wanted
        FROM pg_index x CROSS JOIN LATERAL unnest(x.indkey) AS k (attnum) WHERE x.indrelid = relation AND x.indisunique) i
   WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
END $$;

-- The rows at these places of one table: [[mode, value, …], …], a value for each column: as the stream would write it, false where
-- it was not read. NULL where one of the rows is not found for certain. A row that its own transaction has updated since stands
-- at the end of its chain (currtid2). Only FOR KEY SHARE lets others update the row, so that its place may be used again one day:
-- what stands there is then taken for it only if it bears the lock.
CREATE OR REPLACE FUNCTION allwrite.rows_locked(relation text, shown text, places tid[], modes int[], own xid[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
  latest tid[] := ARRAY(SELECT currtid2(relation, p) FROM unnest(places) WITH ORDINALITY AS u (p, n) ORDER BY n);
  found jsonb;
  missing bigint;
BEGIN
  EXECUTE format($f$
    WITH here AS MATERIALIZED (
      SELECT r.ctid AS place, r.xmin AS made, r.xmax AS locked, jsonb_build_array(%s) AS row FROM ONLY %s r WHERE r.ctid = ANY ($1 || $2)),
    asked AS MATERIALIZED (SELECT * FROM unnest($1, $2, $3) AS a (place, latest, mode)),
    either AS (SELECT a.place, a.mode, a.place AS spot FROM asked a UNION SELECT a.place, a.mode, a.latest FROM asked a),
    named AS MATERIALIZED (
      SELECT e.place, jsonb_build_array(e.mode) || h.row AS row FROM either e JOIN here h ON h.place = e.spot
       WHERE e.mode > 0 OR h.made = ANY ($4) OR h.locked = ANY ($4) OR allwrite.in_multixact(h.locked, $4))
    SELECT (SELECT jsonb_agg(DISTINCT n.row) FROM named n),
           (SELECT count(*) FROM asked a WHERE a.place NOT IN (SELECT n.place FROM named n)) $f$, shown, relation)
    INTO found, missing USING places, latest, modes, own;
  RETURN CASE WHEN missing = 0 THEN found END;
END $$;

-- What this transaction has locked, in base64, because the client's encoding may lack a character; empty for nothing. JSON:
-- tables: [[schema, name], …], in whole; rows: [[schema, name, [column, …], [[mode, value, …], …]], …].
-- since: a place in the WAL before the transaction's first record. Only for the agent: rows of others may be among them.
CREATE OR REPLACE FUNCTION allwrite.locks_held(secret text, since pg_lsn) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET timezone = 'UTC'
SET extra_float_digits = 3 SET bytea_output = 'hex' AS $$
DECLARE
  -- Beyond, reading the WAL costs more than a conflict does.
  range_max CONSTANT numeric := 4 * 1024 * 1024;
  -- As many as a record names of one table (key-set.ts, rowKeysMax).
  rows_max CONSTANT int := 4096;
  upto pg_lsn := pg_current_wal_flush_lsn();
  rows jsonb := '[]';
  whole oid[];
  of_rows oid[];
  hit record;
  relation record;
  found jsonb;
BEGIN
  IF NOT EXISTS (SELECT FROM allwrite.secret s WHERE s.sha256 = sha256(convert_to(secret, 'UTF8'))) THEN
    RAISE EXCEPTION 'permission denied for function locks_held' USING ERRCODE = '42501';
  END IF;
  SELECT l.closed, l.of_rows INTO whole, of_rows FROM allwrite.tables_locked() l;
  IF of_rows IS NOT NULL AND upto - since > range_max THEN
    whole := whole || of_rows;
  ELSIF of_rows IS NOT NULL THEN
    BEGIN
      FOR hit IN SELECT * FROM allwrite.lock_records(since, upto) LOOP
        SELECT c.oid, n.nspname, c.relname, allwrite.is_user_table(c) AS counts INTO relation
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_filenode_relation(hit.space, hit.file);
        CONTINUE WHEN NOT relation.counts;
        found := NULL;
        IF relation.counts AND cardinality(hit.places) <= rows_max THEN
          SELECT jsonb_build_array(relation.nspname, relation.relname, c.names) || nullif(jsonb_build_array(
                   allwrite.rows_locked(format('%I.%I', relation.nspname, relation.relname), c.shown, hit.places, hit.modes, hit.own)), '[null]')
            INTO found FROM allwrite.stream_columns(relation.oid) c;
        END IF;
        IF found IS NOT NULL THEN rows := rows || jsonb_build_array(found);
        -- A file that is no table's any more: it may have been any of them.
        ELSE whole := whole || CASE WHEN relation.counts THEN ARRAY[relation.oid] ELSE of_rows END;
        END IF;
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      rows := '[]';
      whole := whole || of_rows;
    END;
  END IF;
  IF whole IS NULL AND rows = '[]' THEN RETURN ''; END IF;
  RETURN encode(convert_to(jsonb_build_object('rows', rows, 'tables', (
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(n.nspname, c.relname)), '[]')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (whole)))::text, 'UTF8'), 'base64');
END $$;

-- capture() for a transaction that may have locked what it did not write: behind the id and a blank, what locks_held() says; behind
-- another blank 'rc' at READ COMMITTED.
CREATE OR REPLACE FUNCTION allwrite.capture_locking(secret text, nonce text, since pg_lsn) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  xid text;
BEGIN
  IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL THEN
    IF (SELECT l.closed IS NULL FROM allwrite.tables_locked() l) THEN RETURN allwrite.capture(nonce); END IF;
    -- LOCK TABLE gives no id, but its record needs one.
    PERFORM pg_catalog.pg_current_xact_id();
  END IF;
  xid := allwrite.capture(nonce);
  RETURN pg_catalog.concat(xid, ' ', allwrite.locks_held(secret, since),
    CASE WHEN pg_catalog.current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN ' rc' END);
END $$;
`
