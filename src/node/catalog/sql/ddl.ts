/**
 * DDL capture by event triggers (ENABLE ORIGIN: silent under session_replication_role = replica, so the agent's own
 * statements and those that it runs for other nodes do not come here).
 *
 * One row of allwrite.ddl per command, in its place among the row changes. Security: the row says as which role other
 * nodes run the text, so no user may forge it. ddl_start therefore runs as the invoker and refuses DDL inside SECURITY
 * DEFINER functions: afterwards the role is what the session says (its GUC can't be changed without permission), and
 * the recording functions, which only the event triggers' owner may execute, need not be told.
 *
 * Triggers of one event fire in the order of their names. Users have event triggers, too, whose code may change schema and rows. Ours
 * are named so that none of theirs is outside of them (statement/event-triggers.ts): behind a command first, so that its record is
 * before those of what theirs do; before it last, so that what theirs have written is decoded before the catalogs change.
 */

/** Kinds of object whose CREATE, ALTER and DROP other nodes can repeat from the text. */
const allowedObjects =
  'TABLE|INDEX|VIEW|MATERIALIZED VIEW|TYPE|DOMAIN|FUNCTION|PROCEDURE|AGGREGATE|TRIGGER|SCHEMA|EXTENSION|SEQUENCE|RULE|POLICY|OPERATOR|' +
  'FOREIGN DATA WRAPPER|SERVER|USER MAPPING|FOREIGN TABLE|LANGUAGE|' +
  'OPERATOR CLASS|OPERATOR FAMILY|PUBLICATION|COLLATION|STATISTICS|CONVERSION|TEXT SEARCH CONFIGURATION|TEXT SEARCH DICTIONARY|' +
  'TEXT SEARCH PARSER|TEXT SEARCH TEMPLATE|ACCESS METHOD|TRANSFORM'
const otherAllowedTags =
  'CREATE CAST|DROP CAST|DROP ROUTINE|ALTER ROUTINE|COMMENT|GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|DROP OWNED|' +
  'CREATE TABLE AS|SELECT INTO|REFRESH MATERIALIZED VIEW|SECURITY LABEL|REINDEX'
const allowedTags = allowedObjects
  .split('|')
  .flatMap((object) => [`CREATE ${object}`, `ALTER ${object}`, `DROP ${object}`])
const tagList = [...allowedTags, ...otherAllowedTags.split('|')].map((tag) => `'${tag}'`).join(', ')

export const ddlSql = String.raw`
-- Returns when the agent's walsender has decoded all that this backend has written.
--
-- Decoding a running transaction reads its catalog rows as they are now, and tells by a map of (row, cmin, cmax) which of
-- them counted at the moment of a change. What a rolled back savepoint did to a catalog row stays in that map. When the
-- transaction changes the row again, or another one takes its place on the page, rows that were written in between and are
-- decoded afterwards meet the wrong entry: "could not map filenumber", "unexpected duplicate", or another table's columns
-- [found by experiment on 18.4]. So the rows are decoded before the catalogs change again.
--
-- To print a value of a row type the walsender opens that type's relation, which waits for who has made or altered it: for this transaction,
-- where it also wrote rows that hold such values.
CREATE OR REPLACE FUNCTION allwrite.await_decoding() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  written pg_lsn; sent pg_lsn; walsender integer; deadline timestamptz := clock_timestamp() + interval '60 s';
BEGIN
  written := pg_logical_emit_message(false, 'allwrite_flush', '', true);
  FOR round IN 1 .. 2147483647 LOOP
    SELECT w.sent_lsn, w.pid INTO sent, walsender FROM pg_get_replication_slots() s JOIN pg_stat_get_wal_senders() w ON w.pid = s.active_pid,
           LATERAL pg_stat_get_activity(w.pid) a
     WHERE a.usesysid = 'allwrite'::regrole AND s.slot_name ~ '^allwrite(_\d+)?$' AND s.datoid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    -- Nobody decodes: the agent is gone, and this backend soon with it.
    EXIT WHEN sent IS NULL OR sent >= written;
    IF round % 32 = 0 AND pg_backend_pid() = ANY (pg_blocking_pids(walsender)) THEN
      -- It reads the catalogs, and this transaction may have locked one (REINDEX of an index of pg_class): it would wait for itself.
      EXIT WHEN EXISTS (SELECT FROM pg_locks l WHERE l.pid = walsender AND NOT l.granted AND l.relation < 16384);
      RAISE EXCEPTION 'one transaction can''t make or alter a row type and write rows that hold its values' USING ERRCODE = '0A000',
        HINT = 'Commit in between.';
    END IF;
    IF clock_timestamp() > deadline THEN
      RAISE EXCEPTION 'the node is too far behind in decoding to change the schema' USING ERRCODE = '57014', HINT = 'Try again later.';
    END IF;
    PERFORM pg_sleep(0.001);
  END LOOP;
END $$;

-- TRUNCATE gives its table a new file, which changes the catalogs, but fires no event trigger: allwrite.settle_tables() gives every
-- table this one. Only where rows of the table may wait to be decoded: a TRUNCATE of many tables should not wait for each.
CREATE OR REPLACE FUNCTION allwrite.before_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_stat_get_xact_tuples_inserted(tg_relid) + pg_stat_get_xact_tuples_updated(tg_relid) + pg_stat_get_xact_tuples_deleted(tg_relid) > 0
     OR NOT current_setting('track_counts')::boolean THEN
    PERFORM allwrite.await_decoding();
  END IF;
  RETURN NULL;
END $$;

-- Runs as the invoker: it compares the effective user with the session's.
CREATE OR REPLACE FUNCTION allwrite.ddl_start() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF tg_tag NOT IN (${tagList}) THEN
    RAISE EXCEPTION '% is not supported in a cluster yet', tg_tag USING ERRCODE = '0A000',
      HINT = 'Supported: tables, indexes, views, types, functions, triggers, schemas, extensions, sequences, rules, policies, publications and privileges.';
  END IF;
  -- It has an effect already, and its record comes when it ends.
  IF current_setting('allwrite.midway', true) <> '' THEN
    RAISE EXCEPTION '% inside of % is not supported in a cluster', tg_tag, current_setting('allwrite.midway') USING ERRCODE = '0A000',
      HINT = 'Let an event trigger for ddl_command_end do it.';
  END IF;
  IF tg_tag IN ('CREATE INDEX', 'DROP INDEX') AND current_query() ~* '\mindex\s+concurrently\M' THEN
    RAISE EXCEPTION 'CONCURRENTLY is supported at top level only in a cluster' USING ERRCODE = '0A000', HINT = 'Leave CONCURRENTLY out.';
  END IF;
  IF tg_tag IN ('DROP SCHEMA', 'ALTER SCHEMA') AND allwrite.names_own_schema(coalesce(allwrite.statement_text(context), current_query())) THEN
    RAISE EXCEPTION 'schema allwrite belongs to the cluster' USING ERRCODE = '0A000', HINT = 'Leave it as it is.';
  END IF;
  -- REFRESH MATERIALIZED VIEW CONCURRENTLY is the view's owner meanwhile, and makes, alters and drops a temporary table.
  IF current_user <> coalesce(nullif(current_setting('role'), 'none'), session_user::text)
     AND NOT coalesce(allwrite.statement_text(context) ~
       '^((CREATE TEMP|ALTER) TABLE pg_temp_\d+\.[^;]*|DROP TABLE pg_temp_\d+\.\w+(, pg_temp_\d+\.\w+)*)$', false) THEN
    RAISE EXCEPTION '% inside a SECURITY DEFINER function is not supported in a cluster yet', tg_tag USING ERRCODE = '0A000',
      HINT = 'Make the function SECURITY INVOKER, or run the command at top level after SET ROLE.';
  END IF;
  -- Without an id the transaction has written nothing, in no savepoint either.
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN PERFORM allwrite.await_decoding(); END IF;
  IF tg_tag IN ('ALTER SEQUENCE', 'ALTER TABLE') THEN PERFORM allwrite.before_alter(tg_tag, context || current_query()); END IF;
END $$;

-- Declared bounds come back for the moment of a command that may check or change them; ddl_end closes them again.
CREATE OR REPLACE FUNCTION allwrite.needs_open_sequences(tag text, statement text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT tag = 'ALTER SEQUENCE' AND statement ~* '\m(restart|start|increment|minvalue|maxvalue|cycle|cache|as|owned)\M'
      OR tag = 'ALTER TABLE' AND statement ~* '\m(restart|start|increment|minvalue|maxvalue|cycle|cache|identity|type)\M'
$$;

CREATE OR REPLACE FUNCTION allwrite.before_alter(tag text, statement text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF allwrite.needs_open_sequences(tag, statement) THEN
    -- Only for event triggers: this raises 39P03 if a user calls it, who could draw beyond the leases afterwards.
    PERFORM count(*) FROM pg_event_trigger_ddl_commands();
    PERFORM allwrite.open_sequences(statement);
  END IF;
END $$;

-- pg_event_trigger_ddl_commands() of the running event trigger, without what is temporary.
CREATE OR REPLACE FUNCTION allwrite.on_ddl(tag text, context text, settings jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  command record; relation record; statement text; permanent boolean := false; created oid[] := '{}'; nonempty boolean; temporary text;
BEGIN
  FOR command IN SELECT * FROM pg_event_trigger_ddl_commands() c
                  WHERE NOT c.in_extension AND NOT allwrite.is_temporary(c.classid, c.objid, c.schema_name) LOOP
    permanent := true;
    IF command.classid = 'pg_class'::regclass AND command.object_type = 'table' AND command.command_tag LIKE '%TABLE AS' OR command.command_tag = 'SELECT INTO' THEN
      created := created || command.objid;
    END IF;
  END LOOP;
  -- DROP TABLE of a publication is told by no command.
  IF NOT permanent AND tag NOT IN ('DROP OWNED', 'ALTER PUBLICATION') THEN
    IF EXISTS (SELECT FROM allwrite.range WHERE opened) THEN PERFORM allwrite.settle_sequences(true, ''); END IF;
    PERFORM set_config('allwrite.temporary', pg_current_xact_id_if_assigned()::text, true);
    RETURN;
  END IF;
  -- sql_drop has journaled those; REINDEX is each node's own business.
  IF tag LIKE 'DROP %' AND tag <> 'DROP OWNED' OR tag = 'REINDEX' THEN RETURN; END IF;

  IF tag IN ('CREATE TABLE AS', 'SELECT INTO') THEN
    -- It has written rows; what follows changes the table.
    PERFORM allwrite.await_decoding();
    SELECT c.oid, c.relpersistence, c.oid::regclass AS name INTO STRICT relation FROM pg_class c WHERE c.oid = created[1];
    IF relation.relpersistence = 'u' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation.name) INTO nonempty;
      IF nonempty THEN
        RAISE EXCEPTION 'CREATE UNLOGGED TABLE AS is not supported in a cluster' USING ERRCODE = '0A000', HINT = 'Leave UNLOGGED out.';
      END IF;
    END IF;
    statement := allwrite.table_text(relation.oid);
  ELSIF tag IN ('CREATE MATERIALIZED VIEW', 'REFRESH MATERIALIZED VIEW') THEN
    statement := allwrite.materialized_view_text(tag, (SELECT c.objid FROM pg_event_trigger_ddl_commands() c WHERE c.object_type = 'materialized view'));
  ELSE
    statement := allwrite.statement_text(context);
    IF statement IS NULL THEN
      RAISE EXCEPTION '% inside an SQL-language function is not supported in a cluster', tag USING ERRCODE = '0A000',
        HINT = 'Write the function in PL/pgSQL.';
    END IF;
  END IF;
  IF tag IN ('GRANT', 'REVOKE') AND pg_my_temp_schema() <> 0 THEN
    SELECT c.relname INTO temporary FROM pg_class c
     WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind IN ('r', 'v', 'S', 'p') AND strpos(lower(statement), lower(c.relname)) > 0 LIMIT 1;
    IF temporary IS NOT NULL THEN
      RAISE EXCEPTION '% on temporary table "%" is not supported in a cluster', tag, temporary USING ERRCODE = '0A000',
        HINT = 'Other sessions can''t use it anyway.';
    END IF;
  END IF;
  IF pg_my_temp_schema() <> 0 AND tag NOT IN ('CREATE TABLE AS', 'SELECT INTO') THEN
    temporary := allwrite.needs_temporary(statement);
    IF temporary IS NOT NULL THEN
      RAISE EXCEPTION '% with the help of temporary object "%" is not supported in a cluster', tag, temporary USING ERRCODE = '0A000',
        HINT = 'Other nodes don''t have it.';
    END IF;
  END IF;
  IF tag IN ('CREATE TABLE', 'ALTER TABLE') THEN
    SELECT format('%I.%I', c.relname, a.attname) INTO relation
      FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attgenerated = 's' AND c.relpersistence <> 't' AND d.adbin::text ~ ':varattno -6 ' AND allwrite.own_write(d.xmin) LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'generated column % that stores what depends on tableoid is not supported in a cluster', relation.format USING ERRCODE = '0A000',
        HINT = 'A table has another OID at each node: make the column VIRTUAL.';
    END IF;
  END IF;
  IF tag = 'CREATE ACCESS METHOD' AND EXISTS (
       SELECT FROM pg_am m JOIN pg_proc p ON p.oid = m.amhandler
        WHERE m.amtype = 't' AND p.prosrc <> 'heap_tableam_handler' AND allwrite.own_write(m.xmin)) THEN
    RAISE EXCEPTION 'a table access method other than heap is not supported in a cluster' USING ERRCODE = '0A000',
      HINT = 'Logical decoding has to show its rows.';
  END IF;
  IF tag IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE TABLE AS', 'SELECT INTO') AND allwrite.unreadable_column() IS NOT NULL THEN
    RAISE EXCEPTION 'column % is not supported in a cluster', allwrite.unreadable_column() USING ERRCODE = '0A000',
      HINT = 'PostgreSQL reads no values of this type: store them as text.';
  END IF;
  -- Other nodes run the text where PostgreSQL lets nobody name a role, not even for later.
  IF tag ~ '^(CREATE|ALTER) (FUNCTION|PROCEDURE|ROUTINE)$' AND EXISTS (
       SELECT FROM pg_proc p, unnest(p.proconfig) AS setting
        WHERE setting ~* '^(role|session_authorization)=' AND allwrite.own_write(p.xmin)) THEN
    RAISE EXCEPTION '% ... SET role is not supported in a cluster', tag USING ERRCODE = '0A000',
      HINT = 'Make the role the owner of a SECURITY DEFINER function.';
  END IF;
  IF tag IN ('ALTER TABLE', 'CREATE RULE')
     AND (EXISTS (SELECT FROM pg_trigger t WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal AND t.tgrelid <> 'allwrite.notification'::regclass)
          OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_enabled IN ('A', 'R'))) THEN
    RAISE EXCEPTION 'ENABLE ALWAYS and ENABLE REPLICA are not supported in a cluster' USING ERRCODE = '0A000',
      HINT = 'Rows from other nodes would fire the trigger or rule a second time.';
  END IF;
  IF tag = 'CREATE RULE' AND EXISTS (SELECT FROM pg_rewrite r WHERE allwrite.own_write(r.xmin) AND r.ev_action::text ~ '\{NOTIFYSTMT ') THEN
    RAISE EXCEPTION 'NOTIFY in a rule is not supported' USING ERRCODE = '0A000', HINT = 'Use a trigger that calls pg_notify(channel, payload).';
  END IF;
  IF tag IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE DOMAIN', 'ALTER DOMAIN') THEN
    FOR relation IN SELECT c.conname, c.conbin::text AS tree FROM pg_constraint c
                     WHERE c.contype = 'c' AND allwrite.own_write(c.xmin) LOOP
      IF allwrite.nondeterministic_tree(relation.tree) THEN
        RAISE WARNING 'constraint "%" depends on more than its row', relation.conname
          USING HINT = 'A row that was right at one node may be refused at another; the other node then takes it by another way or leaves the cluster.';
      END IF;
    END LOOP;
  END IF;

  -- PostgreSQL makes a constant of 'now' where it reads it: each node would have another one.
  IF tag <> 'CREATE MATERIALIZED VIEW' AND statement ~* '''\s*(now|today|tomorrow|yesterday)\M[^'']*''' AND EXISTS (
       SELECT FROM (SELECT ev_action::text AS tree, xmin FROM pg_rewrite UNION ALL SELECT adbin::text, xmin FROM pg_attrdef
                    UNION ALL SELECT concat(polqual, polwithcheck), xmin FROM pg_policy UNION ALL SELECT conbin::text, xmin FROM pg_constraint
                    UNION ALL SELECT prosqlbody::text, xmin FROM pg_proc WHERE oid >= 16384
                    UNION ALL SELECT relpartbound::text, xmin FROM pg_class WHERE relpartbound IS NOT NULL) x
        WHERE allwrite.has_clock_constant(x.tree) AND allwrite.own_write(x.xmin)) THEN
    RAISE EXCEPTION '''now'' or ''today'' in % would become another constant at each node', tag USING ERRCODE = '0A000',
      HINT = 'Write now() or current_date for the moment of each use, or the date itself.';
  END IF;
  -- The node's own socket leads around the agent.
  IF tag IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE FOREIGN DATA WRAPPER', 'ALTER FOREIGN DATA WRAPPER') AND EXISTS (
       SELECT FROM (SELECT unnest(srvoptions) AS option, xmin FROM pg_foreign_server
                    UNION ALL SELECT unnest(fdwoptions), xmin FROM pg_foreign_data_wrapper) o
        WHERE allwrite.own_write(o.xmin) AND o.option ~* '^(host\s*=\s*([^=]*,)?\s*[/@]|service(file)?\s*=)') THEN
    RAISE EXCEPTION 'a foreign server behind a Unix socket or a service file is not supported in a cluster' USING ERRCODE = '0A000',
      HINT = 'Give the name of a host and a port; for this cluster those of its endpoint.';
  END IF;

  PERFORM allwrite.journal(statement, allwrite.session_role(), settings, allwrite.locked_tables(), lower(tag));
  IF tag = 'ALTER TABLE' THEN PERFORM allwrite.journal_missing(); END IF;
  IF current_setting('allwrite.rewritten', true) <> '' THEN PERFORM allwrite.journal_digests(); END IF;
  PERFORM allwrite.settle_tables();
  PERFORM allwrite.check_publications(tag);
  PERFORM allwrite.settle_sequences(true, statement);
END $$;
REVOKE ALL ON FUNCTION allwrite.on_ddl(text, text, jsonb) FROM PUBLIC;

-- Columns that this transaction added with a default that was computed once. Where reading the value back could run code
-- of the type's owner as the agent (a domain inside of an array, row or range type), the other nodes compute it again,
-- as the role, if it must come out the same.
CREATE OR REPLACE FUNCTION allwrite.journal_missing() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 SET xmloption = content AS $$
DECLARE added record; done text;
BEGIN
  FOR added IN SELECT format('%I.%I', n.nspname, c.relname) AS name, a.attname, a.attmissingval::text AS value,
                      allwrite.plain_type(a.atttypid) IS NULL AS compound,
                      coalesce(d.adbin::text, t.typdefaultbin::text) AS tree
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.atthasmissing AND allwrite.own_write(a.xmin) AND c.relpersistence <> 't' LOOP
    IF added.compound THEN
      CONTINUE WHEN NOT allwrite.nondeterministic_tree(added.tree);
      RAISE EXCEPTION 'ADD COLUMN "%" would store a value in % that differs from node to node', added.attname, added.name
        USING ERRCODE = '0A000', HINT = 'Add the column without a default, UPDATE the rows, then SET DEFAULT.';
    END IF;
    done := format('SELECT allwrite.set_missing(%L, %L, %L)', added.name, added.attname, added.value);
    CONTINUE WHEN EXISTS (SELECT FROM allwrite.ddl d WHERE d.xid = pg_current_xact_id() AND d.statement = done);
    PERFORM allwrite.journal(done, 'allwrite', '{"search_path": "pg_catalog"}', ARRAY[added.name], 'value');
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.journal_missing() FROM PUBLIC;

-- What ALTER TYPE has computed must come out the same elsewhere. What its text shows is refused (ddl_rewrite); a row's own text may still say 'now' or
-- 'today', and a function may be falsely called immutable. So the others compare, and take themselves for damaged where it differs.
CREATE OR REPLACE FUNCTION allwrite.journal_digests() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE changed record;
BEGIN
  FOR changed IN SELECT format('%I.%I', n.nspname, c.relname) AS name, a.attname, a.attrelid
                   FROM string_to_table(nullif(current_setting('allwrite.rewritten', true), ''), ' ') r JOIN pg_class c ON c.oid = r::oid
                   JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
                  WHERE a.attnum > 0 AND NOT a.attisdropped AND allwrite.own_write(a.xmin) LOOP
    PERFORM allwrite.journal(format('SELECT allwrite.compare_digest(%L, %L, %L)', changed.name, changed.attname,
      allwrite.column_digest(changed.attrelid, changed.attname)), 'allwrite', '{"search_path": "pg_catalog"}', ARRAY[changed.name], 'value');
  END LOOP;
  PERFORM set_config('allwrite.rewritten', '', true);
END $$;
REVOKE ALL ON FUNCTION allwrite.journal_digests() FROM PUBLIC;

CREATE OR REPLACE FUNCTION allwrite.on_drop(tag text, context text, settings jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE statement text; permanent bigint; temporary bigint; tables text[];
BEGIN
  -- ALTER TABLE drops things too; ddl_end journals it. DROP OWNED fires both.
  IF tag NOT LIKE 'DROP %' OR tag = 'DROP OWNED' OR allwrite.in_extension_script(context) THEN RETURN; END IF;
  SELECT count(*) FILTER (WHERE o.original AND NOT t), count(*) FILTER (WHERE o.original AND t),
         coalesce(array_agg(o.schema_name || '.' || o.object_name) FILTER (WHERE o.object_type = 'table' AND NOT t), '{}')
    INTO permanent, temporary, tables
    FROM pg_event_trigger_dropped_objects() o,
         -- Of a rule nothing else tells that its table is temporary.
         LATERAL (SELECT o.is_temporary OR coalesce(o.schema_name = 'pg_temp', false)
                         OR o.schema_name IS NULL AND o.object_identity ~ ' on pg_temp\.("([^"]|"")*"|[^" ]+)$' AS t) x;
  IF permanent = 0 THEN RETURN; END IF;
  IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() o WHERE o.object_type = 'publication' AND o.object_identity = 'allwrite') THEN
    RAISE EXCEPTION 'publication "allwrite" belongs to the cluster' USING ERRCODE = '0A000', HINT = 'Leave it as it is.';
  END IF;
  IF temporary > 0 THEN
    RAISE EXCEPTION '% of temporary and permanent objects in one command is not supported in a cluster', tag
      USING ERRCODE = '0A000', HINT = 'Drop them by two commands.';
  END IF;
  statement := allwrite.statement_text(context);
  IF statement IS NULL THEN
    RAISE EXCEPTION '% inside an SQL-language function is not supported in a cluster', tag USING ERRCODE = '0A000', HINT = 'Write the function in PL/pgSQL.';
  END IF;
  PERFORM allwrite.journal(statement, allwrite.session_role(), settings, tables || allwrite.locked_tables(), lower(tag));
  PERFORM allwrite.settle_tables();
  PERFORM allwrite.settle_sequences(true, statement);
END $$;
REVOKE ALL ON FUNCTION allwrite.on_drop(text, text, jsonb) FROM PUBLIC;

-- These two record the caller's search_path, so they can't have a SET clause. Until it is replaced, every name is
-- qualified and no operator is used.
CREATE OR REPLACE FUNCTION allwrite.ddl_end() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  path text := pg_catalog.current_setting('search_path');
  settings jsonb := allwrite.session_settings();
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  PERFORM allwrite.on_ddl(tg_tag, context, settings);
  PERFORM pg_catalog.set_config('allwrite.midway', '', true);
  PERFORM pg_catalog.set_config('search_path', path, true);
END $$;

CREATE OR REPLACE FUNCTION allwrite.ddl_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  path text := pg_catalog.current_setting('search_path');
  settings jsonb := allwrite.session_settings();
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  PERFORM allwrite.on_drop(tg_tag, context, settings);
  IF tg_tag OPERATOR(pg_catalog.!~~) 'DROP %' OR tg_tag OPERATOR(pg_catalog.=) 'DROP OWNED' THEN
    PERFORM pg_catalog.set_config('allwrite.midway', tg_tag, true);
  END IF;
  PERFORM pg_catalog.set_config('search_path', path, true);
END $$;

-- A rewrite computes values; decoding does not show them. Reason bits: 1 persistence, 2 default, 4 type, 8 access method.
CREATE OR REPLACE FUNCTION allwrite.ddl_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target regclass := pg_event_trigger_table_rewrite_oid();
  reason integer := pg_event_trigger_table_rewrite_reason();
  context text; statement text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  PERFORM set_config('allwrite.midway', tg_tag, true);
  IF reason & 6 = 0 OR (SELECT relpersistence = 't' FROM pg_class WHERE oid = target) THEN RETURN; END IF;
  -- By its file: a query would be planned with the indexes on the changed column, which are there already and not built yet (XX001).
  IF pg_relation_size(target) = 0 THEN RETURN; END IF;
  IF reason & 2 <> 0 AND EXISTS (
       SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND allwrite.own_write(a.xmin)
          -- A domain brings its own default.
          AND (a.attidentity <> '' OR allwrite.nondeterministic_tree(coalesce(d.adbin::text, t.typdefaultbin::text)))) THEN
    RAISE EXCEPTION 'ADD COLUMN would store values in table "%" that differ from node to node', target USING ERRCODE = '0A000',
      HINT = 'Add the column without a default, UPDATE the rows, then SET DEFAULT (or ADD GENERATED) for new ones.';
  END IF;
  statement := coalesce(allwrite.statement_text(context), current_query());
  IF reason & 4 <> 0 AND (statement ~* '\musing\M' AND allwrite.nondeterministic(statement) OR allwrite.volatile_cast(target, statement)) THEN
    RAISE EXCEPTION 'ALTER TYPE would store values in table "%" that differ from node to node', target USING ERRCODE = '0A000',
      HINT = 'Add a new column, UPDATE the rows, then drop the old one.';
  END IF;
  IF reason & 4 <> 0 THEN
    PERFORM set_config('allwrite.rewritten', concat_ws(' ', nullif(current_setting('allwrite.rewritten', true), ''), target::oid), true);
  END IF;
END $$;

-- Their names before version 13.
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_start;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_end;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_drop;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_rewrite;
DROP EVENT TRIGGER IF EXISTS "~allwrite_ddl_start";
DROP EVENT TRIGGER IF EXISTS "!allwrite_ddl_end";
DROP EVENT TRIGGER IF EXISTS "!allwrite_ddl_drop";
DROP EVENT TRIGGER IF EXISTS "!allwrite_ddl_rewrite";
CREATE EVENT TRIGGER "~allwrite_ddl_start" ON ddl_command_start EXECUTE FUNCTION allwrite.ddl_start();
CREATE EVENT TRIGGER "!allwrite_ddl_end" ON ddl_command_end EXECUTE FUNCTION allwrite.ddl_end();
CREATE EVENT TRIGGER "!allwrite_ddl_drop" ON sql_drop EXECUTE FUNCTION allwrite.ddl_drop();
CREATE EVENT TRIGGER "!allwrite_ddl_rewrite" ON table_rewrite EXECUTE FUNCTION allwrite.ddl_rewrite();
`
