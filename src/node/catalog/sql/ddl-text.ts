/**
 * The text of a command, and what can be told from texts: what the event triggers of `ddl.ts` use.
 */
export const ddlTextSql = String.raw`
-- Does the text of an expression hold something that gives another value elsewhere or later? A heuristic on names: it
-- may see too much (refusing), and misses only user functions that lie about their volatility.
CREATE OR REPLACE FUNCTION allwrite.nondeterministic(expression text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT expression ~* '\m(current_(timestamp|date|time|user|role)|localtime(stamp)?|session_user)\M'
      OR expression ~* '''\s*(now|today|tomorrow|yesterday)\s*'''
      OR EXISTS (SELECT FROM regexp_matches(lower(expression), '([[:alpha:]_][[:alnum:]_$]*)"?\s*\(', 'g') m, pg_proc p
                  WHERE p.proname = m[1] AND (p.provolatile = 'v' OR p.provolatile = 's' AND p.pronargs = 0))
      -- Operators call functions that the text does not name; PostgreSQL itself has no volatile ones.
      OR EXISTS (SELECT FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v' AND strpos(expression, o.oprname) > 0)
$$;

-- Is schema allwrite among those that ALTER or DROP SCHEMA names? Where a comment may hide the names, the word alone will do.
CREATE OR REPLACE FUNCTION allwrite.names_own_schema(statement text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN statement ~ '/\*|"[^"]*--' THEN statement ~* '\mschema\M.*\mallwrite\M'
              ELSE regexp_replace(statement, '--[^\n]*', '', 'g')
                ~* '^\s*\w+\s+schema\s+(if\s+exists\s+)?(("([^"]|"")*"|\w+)\s*,\s*)*("allwrite"|allwrite(?!\w))' END
$$;

-- May ALTER TYPE call a volatile function by a cast? To the new type of a column, with or without USING. An expression of USING may have
-- others: those that are implicit, and to types that it names (those of PostgreSQL have several names each). PostgreSQL has no volatile ones.
CREATE OR REPLACE FUNCTION allwrite.volatile_cast(target regclass, statement text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE made AS (
    SELECT a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND allwrite.own_write(a.xmin)
    UNION SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END FROM made JOIN pg_type t ON t.oid = made.type)
  SELECT EXISTS (
    SELECT FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_type t ON t.oid = c.casttarget
     WHERE p.provolatile = 'v' AND (t.oid IN (SELECT made.type FROM made) OR statement ~* '\musing\M' AND (
       c.castcontext = 'i' OR t.oid < 16384 OR strpos(lower(statement), lower(t.typname)) > 0 OR statement ~* '\mu&"')))
$$;

-- A column that this transaction made in a permanent table and whose values no other node could read: types whose input function
-- takes nothing, alone or inside of a row. NULL: none.
CREATE OR REPLACE FUNCTION allwrite.unreadable_column() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH closed AS (
    SELECT t.oid FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN
      ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'gtsvector')),
  holding AS (
    SELECT oid FROM closed
    UNION SELECT c.reltype FROM pg_attribute a JOIN closed ON closed.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid WHERE c.reltype <> 0)
  SELECT format('%I.%I of type %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
   WHERE (t.oid IN (SELECT oid FROM holding) OR t.typelem IN (SELECT oid FROM holding) OR t.typbasetype IN (SELECT oid FROM holding))
     AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND allwrite.own_write(a.xmin)
   LIMIT 1
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

-- The innermost SQL statement in full, where lines of PG_CONTEXT begin with one: up to a quote and the line of its caller. A text may
-- hold such a line itself, but only inside of quotes. NULL: another line, or no end is found.
CREATE OR REPLACE FUNCTION allwrite.first_statement(lines text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rest text := substr(lines, length('SQL statement "') + 1);
  piece text; candidate text;
BEGIN
  IF lines NOT LIKE 'SQL statement "%' THEN RETURN NULL; END IF;
  FOR piece IN SELECT * FROM regexp_split_to_table(rest, '"\n(?=(?:PL/\w+|SQL) function |extension script file )') LOOP
    candidate := concat(candidate || E'"\n', piece);
    IF candidate = rest THEN candidate := left(candidate, -1); END IF;
    IF allwrite.is_complete(candidate) THEN RETURN candidate; END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- The command's own text. context is PG_CONTEXT of the event trigger: one line at top level; else the innermost statement follows.
-- NULL where the text is not known: SQL-language functions.
CREATE OR REPLACE FUNCTION allwrite.statement_text(context text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN strpos(context, E'\n') = 0 THEN current_query() ELSE allwrite.first_statement(substr(context, strpos(context, E'\n') + 1)) END
$$;

-- Is the command one of an extension's script, at whatever depth? Of what it drops nothing else tells.
CREATE OR REPLACE FUNCTION allwrite.in_extension_script(context text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rest text := context; statement text; ending integer;
BEGIN
  LOOP
    IF rest LIKE 'extension script file "%' THEN RETURN true; END IF;
    statement := allwrite.first_statement(rest);
    ending := CASE WHEN statement IS NULL THEN strpos(rest, E'\n') ELSE length(concat('SQL statement "', statement, E'"\n')) END;
    IF ending = 0 OR ending >= length(rest) THEN RETURN false; END IF;
    rest := substr(rest, ending + 1);
  END LOOP;
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

-- A temporary object of this session that a command needs elsewhere, where there is none: what it made depends on that, or its text
-- takes columns or types from it. NULL: none.
CREATE OR REPLACE FUNCTION allwrite.needs_temporary(statement text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH temporary AS (
    SELECT 'pg_class'::regclass AS class, c.oid, c.relname::text AS name FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typname::text FROM pg_type t WHERE t.typnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.proname::text FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema())
  SELECT t.name FROM temporary t,
         LATERAL (SELECT regexp_replace(t.name, '(\W)', '\\\1', 'g') AS word) w
   WHERE t.class = 'pg_class'::regclass AND (statement ~* ('\mlike\s+(pg_temp\s*\.\s*)?"?' || word || '(?!\w)')
                                           OR statement ~* ('\m' || word || '"?\s*\.\s*("[^"]*"|\w+)\s*%\s*type\M'))
  UNION ALL
  SELECT t.name FROM temporary t JOIN pg_depend d ON d.refclassid = t.class AND d.refobjid = t.oid,
         LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o
   WHERE allwrite.own_write(d.xmin)
     AND NOT (coalesce(o.schema ~ '^pg_(toast_)?temp', false) OR o.schema IS NULL AND o.identity ~ '\mpg_(toast_)?temp(_\d+)?\.')
   LIMIT 1
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
`
