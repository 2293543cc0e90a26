/**
 * DDL capture by event triggers (ENABLE ORIGIN: silent under session_replication_role = replica, so the agent's own
 * statements and those that it runs for other nodes do not come here).
 *
 * One row of allwrite.ddl per command, in its place among the row changes. Security: the row says as which role other
 * nodes run the text, so no user may forge it. ddl_start therefore runs as the invoker and refuses DDL inside SECURITY
 * DEFINER functions: afterwards the role is what the session says (its GUC can't be changed without permission), and
 * the recording functions, which only the event triggers' owner may execute, need not be told.
 */

/** Command tags that other nodes can repeat from their text. */
const allowedTags = [
  ...[
    'TABLE',
    'INDEX',
    'VIEW',
    'TYPE',
    'DOMAIN',
    'FUNCTION',
    'PROCEDURE',
    'AGGREGATE',
    'TRIGGER',
    'SCHEMA',
    'EXTENSION',
    'SEQUENCE',
    'RULE',
    'POLICY',
  ],
  ...['OPERATOR', 'OPERATOR CLASS', 'OPERATOR FAMILY', 'COLLATION', 'STATISTICS', 'CONVERSION'],
  ...['TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY'],
].flatMap((object) => [`CREATE ${object}`, `ALTER ${object}`, `DROP ${object}`])
const otherAllowedTags = [
  ...[
    'CREATE CAST',
    'DROP CAST',
    'DROP ROUTINE',
    'ALTER ROUTINE',
    'COMMENT',
    'GRANT',
    'REVOKE',
    'ALTER DEFAULT PRIVILEGES',
    'DROP OWNED',
  ],
  ...['CREATE TABLE AS', 'SELECT INTO', 'REINDEX'],
]
const tagList = [...allowedTags, ...otherAllowedTags].map((tag) => `'${tag}'`).join(', ')

export const ddlSql = String.raw`
-- Does the text of an expression hold something that gives another value elsewhere or later? A heuristic on names: it
-- may see too much (refusing), and misses only user functions that lie about their volatility.
CREATE OR REPLACE FUNCTION allwrite.nondeterministic(expression text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT expression ~* '\m(current_(timestamp|date|time|user|role)|localtime(stamp)?|session_user)\M'
      OR expression ~* '''\s*(now|today|tomorrow|yesterday)\s*'''
      OR EXISTS (SELECT FROM regexp_matches(lower(expression), '([[:alpha:]_][[:alnum:]_$]*)"?\s*\(', 'g') m, pg_proc p
                  WHERE p.proname = m[1] AND (p.provolatile = 'v' OR p.provolatile = 's' AND p.pronargs = 0))
$$;

-- Does the text end outside of quotes and comments?
CREATE OR REPLACE FUNCTION allwrite.is_complete(statement text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rest text := statement; opener text; start integer; escapes boolean; ending integer;
BEGIN
  LOOP
    opener := (regexp_match(rest, '(--|/\*|''|"|(?:\m[eE]'')|(?<![\w$])\$(?:[[:alpha:]_]\w*)?\$)'))[1];
    IF opener IS NULL THEN RETURN true; END IF;
    start := strpos(rest, opener) + length(opener);
    rest := substr(rest, start);
    escapes := lower(opener) = 'e''' OR opener = '''' AND current_setting('standard_conforming_strings') = 'off';
    ending := CASE
      WHEN escapes THEN coalesce(length(substring(rest FROM '^(?:[^''\\]|\\.)*''')), 0)
      WHEN lower(opener) IN ('''', '"') THEN strpos(rest, opener)
      WHEN opener = '--' THEN coalesce(nullif(strpos(rest, E'\n'), 0), length(rest) + 1)
      WHEN opener = '/*' THEN coalesce(nullif(strpos(rest, '*/'), 0) + 1, 0)
      ELSE coalesce(nullif(strpos(rest, opener), 0) + length(opener) - 1, 0) END;
    IF ending = 0 THEN RETURN false; END IF;
    rest := substr(rest, ending + 1);
  END LOOP;
END $$;

-- The command's own text. context is PG_CONTEXT of the event trigger: one line at top level; else the innermost SQL
-- statement in full follows, up to a quote and the line of its caller. A text may hold such a line itself, but only inside
-- of quotes. NULL where the text is not known: SQL-language functions.
CREATE OR REPLACE FUNCTION allwrite.statement_text(context text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rest text := substr(context, strpos(context, E'\n') + 1);
  piece text; candidate text;
BEGIN
  IF strpos(context, E'\n') = 0 THEN RETURN current_query(); END IF;
  IF rest NOT LIKE 'SQL statement "%' THEN RETURN NULL; END IF;
  rest := substr(rest, length('SQL statement "') + 1);
  FOR piece IN SELECT * FROM regexp_split_to_table(rest, '"\n(?=(?:PL/\w+|SQL) function )') LOOP
    candidate := concat(candidate || E'"\n', piece);
    IF candidate = rest THEN candidate := left(candidate, -1); END IF;
    IF allwrite.is_complete(candidate) THEN RETURN candidate; END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION allwrite.is_temporary(class oid, object oid, schema_name text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(schema_name IN ('pg_temp') OR schema_name LIKE 'pg\_temp\_%', false) OR EXISTS (
    SELECT FROM pg_class c WHERE c.relpersistence = 't' AND c.oid = CASE
      WHEN class = 'pg_class'::regclass THEN object
      WHEN class = 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = object)
      WHEN class = 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = object)
      WHEN class = 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = object)
      WHEN class = 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = object)
      WHEN class = 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef WHERE oid = object)
      WHEN class = 'pg_statistic_ext'::regclass THEN (SELECT stxrelid FROM pg_statistic_ext WHERE oid = object) END)
$$;

-- CREATE TABLE AS and SELECT INTO travel as the table they made; their rows are captured as rows.
CREATE OR REPLACE FUNCTION allwrite.table_text(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('CREATE TABLE %I.%I (%s)', n.nspname, c.relname,
           (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                     || CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
                             THEN format(' COLLATE %I.%I', cn.nspname, co.collname) ELSE '' END, ', ' ORDER BY a.attnum)
              FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
              LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
         || coalesce(' USING ' || quote_ident(am.amname), '')
         || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '')
         || coalesce(' TABLESPACE ' || quote_ident(ts.spcname), '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
   WHERE c.oid = relation
$$;

-- On the other nodes, after ALTER TABLE ... ADD COLUMN ... DEFAULT now(): rows that were there before get the home node's
-- value (RULES 7). It stands once in pg_attribute, not in each row, so this is exact and costs nothing.
CREATE OR REPLACE FUNCTION allwrite.set_missing(relation text, attribute text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 SET xmloption = content AS $$
DECLARE target regclass := relation::regclass; kind oid; modifier integer;
BEGIN
  SELECT atttypid, atttypmod INTO STRICT kind, modifier FROM pg_attribute WHERE attrelid = target AND attname = attribute;
  UPDATE pg_attribute SET attmissingval = array_in(value::cstring, kind, modifier)::anyarray
   WHERE attrelid = target AND attname = attribute AND atthasmissing;
END $$;
REVOKE ALL ON FUNCTION allwrite.set_missing(text, text, text) FROM PUBLIC;

-- Runs as the invoker: it compares the effective user with the session's.
CREATE OR REPLACE FUNCTION allwrite.ddl_start() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  context text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF tg_tag NOT IN (${tagList}) THEN
    RAISE EXCEPTION '% is not supported in a cluster yet', tg_tag USING ERRCODE = '0A000',
      HINT = 'Supported: tables, indexes, views, types, functions, triggers, schemas, extensions, sequences, rules, policies and privileges.';
  END IF;
  IF current_user <> coalesce(nullif(current_setting('role'), 'none'), session_user::text) THEN
    RAISE EXCEPTION '% inside a SECURITY DEFINER function is not supported in a cluster yet', tg_tag USING ERRCODE = '0A000',
      HINT = 'Make the function SECURITY INVOKER, or run the command at top level after SET ROLE.';
  END IF;
  IF tg_tag IN ('ALTER SEQUENCE', 'ALTER TABLE') THEN PERFORM allwrite.before_alter(tg_tag, context || current_query()); END IF;
END $$;

-- Declared bounds come back for the moment of a command that may check or change them; ddl_end closes them again.
CREATE OR REPLACE FUNCTION allwrite.needs_open_sequences(tag text, statement text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT tag = 'ALTER SEQUENCE' AND statement ~* '\m(restart|start|increment|minvalue|maxvalue|cycle|cache|as)\M'
      OR tag = 'ALTER TABLE' AND statement ~* '\m(restart|start|increment|minvalue|maxvalue|cycle|cache|identity)\M'
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
  IF NOT permanent AND tag <> 'DROP OWNED' THEN
    IF EXISTS (SELECT FROM allwrite.range WHERE opened) THEN PERFORM allwrite.settle_sequences(true, ''); END IF;
    RETURN;
  END IF;
  IF tag LIKE 'DROP %' AND tag <> 'DROP OWNED' THEN RETURN; END IF;

  IF tag IN ('CREATE TABLE AS', 'SELECT INTO') THEN
    SELECT c.oid, c.relpersistence, c.oid::regclass AS name INTO STRICT relation FROM pg_class c WHERE c.oid = created[1];
    IF relation.relpersistence = 'u' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation.name) INTO nonempty;
      IF nonempty THEN
        RAISE EXCEPTION 'CREATE UNLOGGED TABLE AS is not supported in a cluster' USING ERRCODE = '0A000', HINT = 'Leave UNLOGGED out.';
      END IF;
    END IF;
    statement := allwrite.table_text(relation.oid);
  ELSE
    statement := allwrite.statement_text(context);
    IF statement IS NULL THEN
      RAISE EXCEPTION '% inside an SQL-language function is not supported in a cluster', tag USING ERRCODE = '0A000',
        HINT = 'Write the function in PL/pgSQL.';
    END IF;
  END IF;
  IF tag IN ('CREATE INDEX', 'DROP INDEX') AND statement ~* '\mconcurrently\M' THEN
    RAISE EXCEPTION 'CONCURRENTLY is not supported in a cluster yet' USING ERRCODE = '0A000', HINT = 'Leave CONCURRENTLY out.';
  END IF;
  IF tag IN ('GRANT', 'REVOKE') AND pg_my_temp_schema() <> 0 THEN
    SELECT c.relname INTO temporary FROM pg_class c
     WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind IN ('r', 'v', 'S', 'p') AND strpos(lower(statement), lower(c.relname)) > 0 LIMIT 1;
    IF temporary IS NOT NULL THEN
      RAISE EXCEPTION '% on temporary table "%" is not supported in a cluster', tag, temporary USING ERRCODE = '0A000',
        HINT = 'Other sessions can''t use it anyway.';
    END IF;
  END IF;
  IF tag IN ('ALTER TABLE', 'CREATE RULE')
     AND (EXISTS (SELECT FROM pg_trigger t WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal)
          OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_enabled IN ('A', 'R'))) THEN
    RAISE EXCEPTION 'ENABLE ALWAYS and ENABLE REPLICA are not supported in a cluster' USING ERRCODE = '0A000',
      HINT = 'Rows from other nodes would fire the trigger or rule a second time.';
  END IF;
  IF tag IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE DOMAIN', 'ALTER DOMAIN') THEN
    FOR relation IN SELECT c.conname, pg_get_constraintdef(c.oid) AS definition FROM pg_constraint c
                     WHERE c.contype = 'c' AND allwrite.own_write(c.xmin) LOOP
      IF allwrite.nondeterministic(relation.definition) THEN
        RAISE WARNING 'constraint "%" depends on more than its row', relation.conname
          USING HINT = 'A row that was right at one node may be refused at another; the other node then takes it by another way or leaves the cluster.';
      END IF;
    END LOOP;
  END IF;

  PERFORM allwrite.journal(statement, allwrite.session_role(), settings, allwrite.locked_tables(), lower(tag));
  IF tag = 'ALTER TABLE' THEN PERFORM allwrite.journal_missing(); END IF;
  PERFORM allwrite.settle_tables();
  PERFORM allwrite.settle_sequences(true, statement);
END $$;
REVOKE ALL ON FUNCTION allwrite.on_ddl(text, text, jsonb) FROM PUBLIC;

-- Columns that this transaction added with a default that was computed once.
CREATE OR REPLACE FUNCTION allwrite.journal_missing() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 SET xmloption = content AS $$
DECLARE added record; done text;
BEGIN
  FOR added IN SELECT format('%I.%I', n.nspname, c.relname) AS name, a.attname, a.attmissingval::text AS value
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE a.atthasmissing AND allwrite.own_write(a.xmin) AND c.relpersistence <> 't' LOOP
    done := format('SELECT allwrite.set_missing(%L, %L, %L)', added.name, added.attname, added.value);
    CONTINUE WHEN EXISTS (SELECT FROM allwrite.ddl d WHERE d.xid = pg_current_xact_id() AND d.statement = done);
    PERFORM allwrite.journal(done, 'allwrite', '{"search_path": "pg_catalog"}', ARRAY[added.name], 'value');
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.journal_missing() FROM PUBLIC;

CREATE OR REPLACE FUNCTION allwrite.on_drop(tag text, context text, settings jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE statement text; permanent bigint; temporary bigint; tables text[];
BEGIN
  -- ALTER TABLE drops things too; ddl_end journals it. DROP OWNED fires both.
  IF tag NOT LIKE 'DROP %' OR tag = 'DROP OWNED' THEN RETURN; END IF;
  SELECT count(*) FILTER (WHERE o.original AND NOT t), count(*) FILTER (WHERE o.original AND t),
         coalesce(array_agg(o.schema_name || '.' || o.object_name) FILTER (WHERE o.object_type = 'table' AND NOT t), '{}')
    INTO permanent, temporary, tables
    FROM pg_event_trigger_dropped_objects() o, LATERAL (SELECT o.is_temporary OR coalesce(o.schema_name = 'pg_temp', false) AS t) x;
  IF permanent = 0 THEN RETURN; END IF;
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
  PERFORM pg_catalog.set_config('search_path', path, true);
END $$;

-- A rewrite computes values; decoding does not show them. Reason bits: 1 persistence, 2 default, 4 type, 8 access method.
CREATE OR REPLACE FUNCTION allwrite.ddl_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target regclass := pg_event_trigger_table_rewrite_oid();
  reason integer := pg_event_trigger_table_rewrite_reason();
  context text; nonempty boolean; statement text;
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  IF reason & 6 = 0 OR (SELECT relpersistence = 't' FROM pg_class WHERE oid = target) THEN RETURN; END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', target) INTO nonempty;
  IF NOT nonempty THEN RETURN; END IF;
  IF reason & 2 <> 0 AND EXISTS (
       SELECT FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND allwrite.own_write(a.xmin)
          AND (a.attidentity <> '' OR d.oid IS NOT NULL AND allwrite.nondeterministic(pg_get_expr(d.adbin, d.adrelid)))) THEN
    RAISE EXCEPTION 'ADD COLUMN would store values in table "%" that differ from node to node', target USING ERRCODE = '0A000',
      HINT = 'Add the column without a default, UPDATE the rows, then SET DEFAULT (or ADD GENERATED) for new ones.';
  END IF;
  statement := coalesce(allwrite.statement_text(context), current_query());
  IF reason & 4 <> 0 AND statement ~* '\musing\M' AND allwrite.nondeterministic(statement) THEN
    RAISE EXCEPTION 'ALTER TYPE ... USING would store values in table "%" that differ from node to node', target USING ERRCODE = '0A000',
      HINT = 'Add a new column, UPDATE the rows, then drop the old one.';
  END IF;
END $$;

DROP EVENT TRIGGER IF EXISTS allwrite_ddl_start;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_end;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_drop;
DROP EVENT TRIGGER IF EXISTS allwrite_ddl_rewrite;
CREATE EVENT TRIGGER allwrite_ddl_start ON ddl_command_start EXECUTE FUNCTION allwrite.ddl_start();
CREATE EVENT TRIGGER allwrite_ddl_end ON ddl_command_end EXECUTE FUNCTION allwrite.ddl_end();
CREATE EVENT TRIGGER allwrite_ddl_drop ON sql_drop EXECUTE FUNCTION allwrite.ddl_drop();
CREATE EVENT TRIGGER allwrite_ddl_rewrite ON table_rewrite EXECUTE FUNCTION allwrite.ddl_rewrite();

-- The agent runs another node's statement with this, inside its apply transaction. The text runs in a SECURITY DEFINER
-- function owned by the role: there PostgreSQL refuses SET ROLE and SET SESSION AUTHORIZATION, so a default expression
-- of an ordinary user's table can't climb to the agent's superuser.
CREATE OR REPLACE FUNCTION allwrite.apply_statement(statement text, role text, settings jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  saved jsonb := '{}'; name text; value text;
BEGIN
  IF statement OPERATOR(pg_catalog.~*) '\malter\s+(sequence|table)\M'
     AND (allwrite.needs_open_sequences('ALTER TABLE', statement) OR allwrite.needs_open_sequences('ALTER SEQUENCE', statement)) THEN
    PERFORM allwrite.open_sequences(statement);
  END IF;
  EXECUTE 'CREATE FUNCTION allwrite.as_role(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS ''BEGIN EXECUTE $1; END''';
  EXECUTE pg_catalog.format('ALTER FUNCTION allwrite.as_role(text) OWNER TO %I', role);
  EXECUTE 'REVOKE ALL ON FUNCTION allwrite.as_role(text) FROM PUBLIC';
  FOR name, value IN SELECT * FROM pg_catalog.jsonb_each_text(settings) LOOP
    saved := pg_catalog.jsonb_set(saved, ARRAY[name], pg_catalog.to_jsonb(pg_catalog.current_setting(name)));
    PERFORM pg_catalog.set_config(name, value, true);
  END LOOP;
  EXECUTE 'SELECT allwrite.as_role($1)' USING statement;
  FOR name, value IN SELECT * FROM pg_catalog.jsonb_each_text(saved) LOOP
    PERFORM pg_catalog.set_config(name, value, true);
  END LOOP;
  EXECUTE 'DROP FUNCTION allwrite.as_role(text)';
END $$;
REVOKE ALL ON FUNCTION allwrite.apply_statement(text, text, jsonb) FROM PUBLIC;
`
