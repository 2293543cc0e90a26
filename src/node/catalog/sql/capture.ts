/**
 * What the agent calls in the client's own backend at the end of a transaction: the capture message, the check for
 * writes that decoding does not show, and the journaling of statements that fire no event trigger.
 *
 * capture() runs once per write transaction, so it has no SET clause; names and operators are qualified instead.
 */
export const captureSql = String.raw`
-- The tables that a SERIALIZABLE transaction has read, by its SIREAD locks: JSON, an array of [schema, name]. PostgreSQL
-- drops the lock of a row that the transaction itself has written, for such a row has a key of its own; a page's or a
-- relation's lock stays. Locks of the backend's earlier transactions may live on: told apart by the virtual transaction.
-- Tables of ours are local, and nobody else's transaction depends on them.
CREATE OR REPLACE FUNCTION allwrite.serializable_reads() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(n.nspname, c.relname)), '[]')::text
    FROM pg_locks l
    JOIN pg_locks own ON own.pid = l.pid AND own.locktype = 'virtualxid' AND own.virtualxid = l.virtualtransaction
    LEFT JOIN pg_index x ON x.indexrelid = l.relation
    JOIN pg_class c ON c.oid = coalesce(x.indrelid, l.relation)
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE l.pid = pg_backend_pid() AND l.mode = 'SIReadLock' AND n.nspname <> 'allwrite'
$$;

-- For transactions of which the session knows that they hold no WITH HOLD cursor. Assignments instead of PERFORM: PL/pgSQL
-- evaluates those without SPI.
CREATE OR REPLACE FUNCTION allwrite.capture_plain(nonce text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  xid text := pg_catalog.pg_current_xact_id_if_assigned();
  path pg_catalog.name[] := pg_catalog.current_schemas(false);
  reads text;
  path_text pg_catalog.text;
  flushed pg_catalog.pg_lsn;
BEGIN
  IF xid IS NULL THEN RETURN NULL; END IF;
  -- Functions of generated columns and expression indexes may count on it: whoever applies the rows by SQL sets it (RULES 8).
  IF path OPERATOR(pg_catalog.<>) '{public}' THEN
    path_text := pg_catalog.concat(' x', pg_catalog.encode(pg_catalog.convert_to(pg_catalog.array_to_json(path)::pg_catalog.text, 'UTF8'), 'hex'));
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'serializable' THEN
    reads := pg_catalog.concat(' ', allwrite.serializable_reads());
  END IF;
  IF pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'origin'
     OR pg_catalog.current_setting('event_triggers', true) OPERATOR(pg_catalog.<>) 'on' THEN
    RAISE EXCEPTION 'writes need session_replication_role = origin and event_triggers = on' USING ERRCODE = '0A000',
      HINT = 'RESET session_replication_role; RESET event_triggers;';
  END IF;
  IF pg_catalog.current_setting('allwrite.unfinished', true) OPERATOR(pg_catalog.<>) '' THEN PERFORM allwrite.finish_sequences(); END IF;
  flushed := pg_catalog.pg_logical_emit_message(false, 'allwrite', pg_catalog.concat(nonce, ' ', xid, path_text, reads), true);
  RETURN xid;
END $$;

-- Has the session made something temporary that runs code where it is read? The agent's classifier does not know such objects.
CREATE OR REPLACE FUNCTION allwrite.temporary_code() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()
                    AND (c.relkind NOT IN ('r', 'p', 'i', 'I', 'S', 'c') OR c.relrowsecurity))
      OR EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = pg_my_temp_schema() AND t.typtype NOT IN ('c', 'e') AND t.typelem = 0)
      OR EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema())
$$;

-- The query of a WITH HOLD cursor runs inside COMMIT, where nothing of it would be captured. Those materialised by an
-- earlier transaction are harmless. Looking for them costs 25 us, twice all the rest.
CREATE OR REPLACE FUNCTION allwrite.capture(nonce text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL AND pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.=) 0 THEN RETURN NULL; END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_cursor() AS c
              WHERE c.is_holdable AND c.creation_time OPERATOR(pg_catalog.>=) pg_catalog.now()) THEN
    IF pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL THEN
      RAISE EXCEPTION 'a transaction that writes can''t leave a WITH HOLD cursor behind' USING ERRCODE = '0A000',
        HINT = 'Close the cursor before COMMIT, or declare it in a transaction of its own that only reads.';
    ELSIF allwrite.temporary_code() THEN
      RAISE EXCEPTION 'a WITH HOLD cursor of a session with temporary views, domains or functions is not supported' USING ERRCODE = '0A000',
        DETAIL = 'Its query runs inside COMMIT, and what they call might write.', HINT = 'Drop them, or use a cursor without WITH HOLD.';
    END IF;
  END IF;
  RETURN allwrite.capture_plain(nonce);
END $$;

-- The agent calls this for statements that fire no event trigger. tables: besides those that are locked.
CREATE OR REPLACE FUNCTION allwrite.journal_statement(secret text, statement text, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  path text := pg_catalog.current_setting('search_path');
  settings jsonb := allwrite.session_settings();
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF NOT EXISTS (SELECT FROM allwrite.secret s WHERE s.sha256 = sha256(convert_to(secret, 'UTF8'))) THEN
    RAISE EXCEPTION 'permission denied for function journal_statement' USING ERRCODE = '42501';
  END IF;
  PERFORM allwrite.journal(statement, allwrite.session_role(), settings,
                           ARRAY(SELECT unnest(tables) UNION SELECT unnest(allwrite.locked_tables())), 'statement');
  PERFORM pg_catalog.set_config('search_path', path, true);
END $$;

-- Commands about event triggers fire none: what this transaction did to them must stand in its journaled statements. And whatever did
-- it, those that are there must be as statement/event-triggers.ts lets them be.
CREATE OR REPLACE FUNCTION allwrite.unseen_event_trigger(own_xid xid8) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH journaled AS (
    SELECT d.kind, lower(d.statement) AS text FROM allwrite.ddl d WHERE d.xid = own_xid),
  dropped AS (
    -- A DROP locks what it removes, to the end of the transaction.
    SELECT count(DISTINCT l.objid) AS number FROM pg_locks l
     WHERE l.pid = pg_backend_pid() AND l.locktype = 'object' AND l.classid = 'pg_event_trigger'::regclass AND l.mode = 'AccessExclusiveLock'
       AND NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.oid = l.objid))
  SELECT EXISTS (SELECT FROM pg_event_trigger e WHERE age(e.xmin) <= 0 AND allwrite.own_write(e.xmin)
                  AND NOT EXISTS (SELECT FROM journaled j WHERE j.kind = 'statement'
                                    AND (j.text ~ '\mevent\s+trigger\M' AND strpos(j.text, lower(e.evtname)) > 0 OR j.text ~ '\mreassign\s+owned\M')))
      OR (SELECT d.number FROM dropped d) > (SELECT coalesce(sum(1 + length(j.text) - length(replace(j.text, ',', ''))), 0) FROM journaled j
                                              WHERE j.kind = 'statement' AND j.text ~ '\mdrop\s+event\s+trigger\M')
         -- Of a function, of all that is a role's, they go with it.
         AND NOT EXISTS (SELECT FROM journaled j WHERE j.kind LIKE 'drop %' AND (j.text ~ '\mcascade\M' OR j.kind = 'drop owned'))
      OR (SELECT count(*) FROM pg_event_trigger e WHERE e.evtname ~ '^[!~]allwrite_ddl_' AND e.evtenabled = 'O' AND e.evtowner = 'allwrite'::regrole) <> 4
      OR EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname <> 'allwrite_login' AND e.evtname !~ '^[!~]allwrite_ddl_'
                  AND (e.evtenabled IN ('A', 'R') OR e.evtevent = 'login' OR e.evtname !~ '^[A-Za-z0-9_]'
                       OR (SELECT p.pronamespace FROM pg_proc p WHERE p.oid = e.evtfoid) = 'allwrite'::regnamespace))
$$;

-- The name of something written that no row change, lock key or journaled statement tells the other nodes about; else NULL.
-- Found by experiment on 18.4: catalogs keep their lock to the end of the transaction where the C code closes them
-- with NoLock; the rest is found by rows of one's own in small catalogs (age() <= 0 rules out nearly all rows without a call).
-- Exempt: what ANALYZE writes, and comments (also on temporary tables). Of schema allwrite, our own functions write three tables.
CREATE OR REPLACE FUNCTION allwrite.unseen_writes() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_xid xid8 := pg_current_xact_id_if_assigned();
  ddl boolean; statements boolean; found_name text;
BEGIN
  IF own_xid IS NULL THEN RETURN NULL; END IF;
  SELECT count(*) > 0, coalesce(bool_or(kind = 'statement'), false) INTO ddl, statements FROM allwrite.ddl d WHERE d.xid = own_xid;
  SELECT CASE WHEN n.nspname = 'allwrite' THEN 'table allwrite.' || c.relname
              WHEN c.relname LIKE 'pg_largeobject%' THEN 'a large object' ELSE 'catalog ' || c.relname END INTO found_name
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
     AND n.nspname IN ('pg_catalog', 'allwrite') AND c.relkind = 'r'
     AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
     AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_description')
     -- ALTER TYPE of a temporary table's column keeps this lock.
     AND NOT (c.relname = 'pg_depend' AND coalesce(current_setting('allwrite.temporary', true) = own_xid::text, false))
     AND CASE n.nspname WHEN 'allwrite' THEN c.relname NOT IN ('ddl', 'sequence', 'range', 'notification', 'concurrent', 'database_command', 'connection')
              ELSE c.relname LIKE 'pg_largeobject%' OR NOT statements AND c.relisshared OR NOT ddl END
   ORDER BY c.relname LIMIT 1;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  IF allwrite.unseen_event_trigger(own_xid) THEN RETURN 'an event trigger'; END IF;
  IF EXISTS (SELECT FROM pg_largeobject_metadata m WHERE age(m.xmin) <= 0 AND allwrite.own_write(m.xmin)) THEN RETURN 'a large object'; END IF;
  IF NOT statements AND (EXISTS (SELECT FROM pg_database d WHERE age(d.xmin) <= 0 AND allwrite.own_write(d.xmin))
                         OR EXISTS (SELECT FROM pg_tablespace t WHERE age(t.xmin) <= 0 AND allwrite.own_write(t.xmin))) THEN
    RETURN 'privileges on a database or tablespace';
  END IF;
  -- It refuses what could never be decoded.
  IF ddl THEN PERFORM allwrite.await_decoding(); END IF;
  IF NOT ddl THEN
    -- CREATE TABLE AS under EXPLAIN ANALYZE fires no event trigger; a new relation's file is named by its OID.
    SELECT 'table ' || c.oid::regclass INTO found_name
      FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
     WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
       AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relfilenode = c.oid AND age(c.xmin) <= 0 AND allwrite.own_write(c.xmin)
       AND c.relnamespace <> 'pg_toast'::regnamespace
     LIMIT 1;
    IF found_name IS NOT NULL THEN RETURN found_name; END IF;
    IF EXISTS (SELECT FROM pg_shdepend d
                WHERE d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND age(d.xmin) <= 0 AND allwrite.own_write(d.xmin)
                  AND NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relpersistence = 't')
                  AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND t.typnamespace = pg_my_temp_schema())
                  AND NOT EXISTS (SELECT FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.pronamespace = pg_my_temp_schema())) THEN
      RETURN 'ownership of objects';
    END IF;
  END IF;
  -- A function ran TRUNCATE ... RESTART IDENTITY: journaled late, but completely.
  PERFORM allwrite.truncate_restarted();
  PERFORM allwrite.finish_sequences();
  RETURN NULL;
END $$;
`
