/**
 * Materialized views: each node fills them from its own rows, at the command's place in the order. Decoding shows none of their
 * rows, so the content is equal only if the query says the same wherever it runs. That is proven by a white list over the stored
 * query; what is not proven is refused.
 *
 * Two things beside the query decide about equality. First, rows of a table stand in another order at every node: what depends
 * on the order of rows (LIMIT, array_agg, sums of float8 …) is refused. Second, the client's command read by the snapshot with
 * which it began, while other nodes read at its place in the order: so the tables are locked against writers and the view is
 * filled a second time, by a snapshot taken behind the locks. Their table keys, by those locks, let the record lose to any other
 * node's write of them that it has not seen.
 */

/** Nodes of a stored query (src/include/nodes) that say nothing but what their functions, operators and tables say. */
const passiveNodes =
  'QUERY RANGETBLENTRY RTEPERMISSIONINFO ALIAS TARGETENTRY RANGETBLREF FROMEXPR JOINEXPR RANGETBLFUNCTION VAR CONST PARAM ' +
  'FUNCEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK AGGREF GROUPINGFUNC WINDOWFUNC WINDOWCLAUSE ' +
  'CASEEXPR CASEWHEN CASETESTEXPR COALESCEEXPR NULLTEST BOOLEANTEST RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR COLLATEEXPR ' +
  'ARRAYEXPR ROWEXPR FIELDSELECT SUBSCRIPTINGREF SORTGROUPCLAUSE GROUPINGSET SETOPERATIONSTMT COMMONTABLEEXPR NAMEDARGEXPR'

/** STABLE built-in functions that depend on nothing but settings that travel (allwrite.session_settings). */
const settledFunctions =
  'date_trunc date_part extract timestamptz timestamp date time timetz timezone to_char to_date to_timestamp to_number ' +
  'make_timestamptz timestamptz_pl_interval timestamptz_mi_interval interval_pl_timestamptz generate_series concat concat_ws ' +
  'format array_to_string'

/** Aggregates of which the order of rows shows in nothing. */
const orderlessAggregates = 'count bool_and bool_or every bit_and bit_or bit_xor'
const exactSums = 'sum avg stddev stddev_pop stddev_samp variance var_pop var_samp'

const words = (list: string): string => `'{${list.replaceAll(' ', ',')}}'::text[]`

/** int2, int4, int8, numeric, money, interval. */
const exactTypes = '21, 23, 20, 1700, 790, 1186'
/** Date and time types, their arrays, ranges and multiranges: 'now' and 'today' become constants of these. */
const clockTypes =
  '1082, 1083, 1114, 1184, 1266, 1182, 1183, 1115, 1185, 1270, 3908, 3909, 3910, 3911, 3912, 3913, 4533, 4534, 4535, 6152, 6153, 6155'
/** oid and reg… without regconfig and regdictionary: their numbers are a node's own. */
const numberTypes = '26, 24, 2202, 2203, 2204, 2205, 2206, 4096, 4089, 4191'

export const materializedViewsSql = String.raw`
-- Equality of such values means that nothing tells them apart (numeric's 1.0 and 1.00 are equal and not the same): what
-- deduplication in B-trees asks as well. Not bpchar, which has trailing blanks; collations are looked at elsewhere.
CREATE OR REPLACE FUNCTION allwrite.equal_is_same(type oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT type <> 'bpchar'::regtype AND EXISTS (
    SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
      JOIN pg_amproc a ON a.amprocfamily = o.opcfamily AND a.amproclefttype = o.opcintype AND a.amprocrighttype = o.opcintype AND a.amprocnum = 4
     WHERE m.amname = 'btree' AND o.opcdefault
       AND o.opcintype = CASE WHEN (SELECT t.typtype FROM pg_type t WHERE t.oid = type) = 'e' THEN 'anyenum'::regtype
                              WHEN type = 'varchar'::regtype THEN 'text'::regtype ELSE type END)
$$;

-- What in a stored query or expression might say something else at another node; NULL: nothing. own: its constants travel as
-- text; elsewhere each node has computed them when the view or function was made, 'now' among them.
CREATE OR REPLACE FUNCTION allwrite.tree_hazard(tree text, own boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_name text; grouping text; aggregate record; same boolean;
BEGIN
  SELECT m[1] INTO found_name FROM regexp_matches(tree, '(?<!\\)\{([A-Z_]+)', 'g') m WHERE m[1] <> ALL (${words(passiveNodes)}) LIMIT 1;
  IF found_name = 'SQLVALUEFUNCTION' THEN RETURN 'CURRENT_DATE, CURRENT_TIMESTAMP, CURRENT_USER or the like'; END IF;
  IF found_name IS NOT NULL THEN RETURN 'an expression of kind ' || lower(found_name); END IF;
  found_name := CASE
    WHEN tree ~ ':commandType [^1]' OR tree ~ ':utilityStmt \{' OR tree LIKE '%:hasModifyingCTE true%' THEN 'a command that is no SELECT'
    WHEN tree LIKE '%:hasForUpdate true%' THEN 'a row lock'
    WHEN tree LIKE '%:hasDistinctOn true%' THEN 'DISTINCT ON'
    WHEN tree LIKE '%:subLinkType 6%' THEN 'ARRAY(SELECT …)'
    WHEN tree ~ ':limitOffset \{' OR (SELECT count(*) FROM regexp_matches(tree, ':limitCount \{', 'g'))
                                     <> (SELECT count(*) FROM regexp_matches(tree, ':limitOption 1\M', 'g')) THEN 'LIMIT or OFFSET'
    WHEN tree ~ ':varattno -' THEN 'a system column'
  END;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  -- ROWS, GROUPS and EXCLUDE (nodes/parsenodes.h, FRAMEOPTION_…).
  IF EXISTS (SELECT FROM regexp_matches(tree, ':frameOptions (\d+)', 'g') m WHERE m[1]::integer & (4 + 8 + 32768 + 65536 + 131072) <> 0) THEN
    RETURN 'a window frame of ROWS, GROUPS or EXCLUDE';
  END IF;
  SELECT format('the collation %I', c.collname) INTO found_name
    FROM regexp_matches(tree, 'coll(?:id|Oid|ation)? (\d+)', 'g') m JOIN pg_collation c ON c.oid = m[1]::oid WHERE NOT c.collisdeterministic LIMIT 1;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  SELECT 'an object’s number as ' || t.typname INTO found_name
    FROM regexp_matches(tree, ':(?:consttype|resulttype) (\d+)', 'g') m JOIN pg_type t ON t.oid = m[1]::oid
   WHERE t.oid IN (${numberTypes}) LIMIT 1;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  SELECT 'a cast to ' || t.typname INTO found_name
    FROM regexp_matches(tree, ':resulttype (\d+)', 'g') m JOIN pg_type t ON t.oid = m[1]::oid
   WHERE t.oid IN (${clockTypes}) OR t.oid >= 16384 AND t.typtype <> 'e' LIMIT 1;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  IF NOT own THEN
    SELECT 'a constant of type ' || t.typname || ' in a view or function' INTO found_name
      FROM regexp_matches(tree, ':consttype (\d+)', 'g') m JOIN pg_type t ON t.oid = m[1]::oid
     WHERE t.oid IN (${clockTypes}) OR t.oid >= 16384 AND t.typtype <> 'e' LIMIT 1;
    IF found_name IS NOT NULL THEN RETURN found_name; END IF;
  END IF;

  -- Grouping shows one of several equal values. Where rows are only ordered or divided, none is shown.
  grouping := regexp_replace(tree, ':(?:sortClause|orderClause|aggorder|partitionClause) \(\{SORTGROUPCLAUSE[^()]*\)', '', 'g');
  SELECT format('GROUP BY, DISTINCT or UNION of type %s', format_type(o.oprleft, NULL)) INTO found_name
    FROM regexp_matches(grouping, ':eqop (\d+)', 'g') m LEFT JOIN pg_operator o ON o.oid = m[1]::oid
   WHERE m[1] <> '0' AND (o.oprleft = 'anyarray'::regtype OR NOT (o.oprleft = 'anyenum'::regtype OR allwrite.equal_is_same(o.oprleft))) LIMIT 1;
  IF found_name IS NOT NULL THEN RETURN found_name; END IF;

  FOR aggregate IN
    SELECT p.oid, p.proname, p.prokind, p.oid < 16384 AS builtin, p.proargtypes[0] AS argument,
           -- The arguments come before aggdistinct, so an aggregate in one of them hides what this one says.
           m[3] = '(' AS is_distinct
      FROM regexp_matches(tree, ':(aggfnoid|winfnoid) (\d+)((?:(?!\{AGGREF).)*?:aggdistinct (.))?', 'g') r (all_of),
           LATERAL (SELECT ARRAY[r.all_of[1], r.all_of[2], r.all_of[4]] AS m) x LEFT JOIN pg_proc p ON p.oid = x.m[2]::oid LOOP
    same := aggregate.builtin AND CASE
      WHEN aggregate.proname = ANY (${words(orderlessAggregates)}) THEN true
      WHEN aggregate.proname = ANY (${words(exactSums)}) THEN aggregate.argument IN (${exactTypes})
      WHEN aggregate.proname IN ('min', 'max') THEN aggregate.argument = 'anyenum'::regtype OR allwrite.equal_is_same(aggregate.argument)
      WHEN aggregate.proname IN ('rank', 'dense_rank', 'percent_rank', 'cume_dist') THEN aggregate.prokind = 'w'
      WHEN aggregate.proname IN ('array_agg', 'string_agg') THEN aggregate.is_distinct AND aggregate.argument <> 'anyarray'::regtype
    END;
    IF same IS NOT TRUE THEN RETURN format('%s', aggregate.oid::regprocedure); END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION allwrite.has_clock_constant(tree text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM regexp_matches(tree, ':consttype (\d+)', 'g') m WHERE m[1]::oid IN (${clockTypes}))
$$;

-- The functions that a stored query or expression calls, its operators' included.
CREATE OR REPLACE FUNCTION allwrite.tree_functions(tree text) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT m[1]::oid FROM regexp_matches(tree, ':(?:funcid|opfuncid|startInRangeFunc|endInRangeFunc) (\d+)', 'g') m WHERE m[1] <> '0'
  UNION SELECT o.oprcode::oid FROM regexp_matches(tree, ':(?:opno|eqop|sortop) (\d+)', 'g') m JOIN pg_operator o ON o.oid = m[1]::oid
$$;

-- What allwrite.nondeterministic() guesses of a text, exactly: for an expression that is stored, by all the functions that it calls.
CREATE OR REPLACE FUNCTION allwrite.nondeterministic_tree(tree text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT tree ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR) '
      OR EXISTS (SELECT FROM allwrite.tree_functions(tree) f JOIN pg_proc p ON p.oid = f
                  WHERE p.provolatile = 'v' OR p.provolatile = 's' AND p.pronargs = 0)
$$;

-- Why a materialized view's content might differ from node to node (NULL: it can't), and the tables that it is made of.
CREATE OR REPLACE FUNCTION allwrite.materialized_view_reads(view oid, OUT hazard text, OUT tables oid[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relations oid[] := ARRAY[view]; seen oid[] := '{}'; functions oid[]; called oid[] := '{}';
  current record; function record; trees text[]; tree text;
BEGIN
  tables := '{}';
  WHILE cardinality(relations) > 0 LOOP
    SELECT c.oid, c.relkind, c.relrowsecurity, n.nspname, format('%I.%I', n.nspname, c.relname) AS name INTO current
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relations[1];
    seen := seen || relations[1];
    relations := relations[2:];
    trees := '{}';
    hazard := CASE
      WHEN current.oid IS NULL THEN 'something that is gone'
      WHEN current.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'allwrite') THEN 'system table or view ' || current.name
      WHEN current.relrowsecurity THEN 'row security of ' || current.name
      WHEN current.relkind = 'f' THEN 'foreign table ' || current.name
      WHEN current.relkind = 'S' THEN 'sequence ' || current.name
    END;
    IF hazard IS NOT NULL THEN RETURN; END IF;
    IF current.relkind IN ('r', 'p') THEN
      tables := tables || current.oid;
      relations := relations || ARRAY(SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = current.oid AND i.inhrelid <> ALL (seen || relations));
      -- Virtual columns are computed when they are read.
      trees := ARRAY(SELECT d.adbin::text FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                      WHERE d.adrelid = current.oid AND a.attgenerated = 'v');
    ELSIF current.relkind = 'v' OR current.oid = view THEN
      trees := ARRAY(SELECT r.ev_action::text FROM pg_rewrite r WHERE r.ev_class = current.oid AND r.rulename = '_RETURN');
    END IF;
    WHILE cardinality(trees) > 0 LOOP
      tree := trees[1];
      trees := trees[2:];
      hazard := allwrite.tree_hazard(tree, current.oid = view AND cardinality(called) = 0);
      IF hazard IS NOT NULL THEN RETURN; END IF;
      relations := relations || ARRAY(SELECT DISTINCT m[1]::oid FROM regexp_matches(tree, ':relid (\d+)', 'g') m
                                       WHERE m[1] <> '0' AND m[1]::oid <> ALL (seen || relations));
      functions := ARRAY(SELECT f FROM allwrite.tree_functions(tree) f WHERE f <> ALL (called));
      FOR function IN SELECT p.oid, p.proname, p.provolatile, p.proconfig, p.prokind, p.prosqlbody::text AS body, l.lanname, n.nspname,
                             p.oid::regprocedure AS signature
                        FROM unnest(functions) f LEFT JOIN pg_proc p ON p.oid = f LEFT JOIN pg_language l ON l.oid = p.prolang
                        LEFT JOIN pg_namespace n ON n.oid = p.pronamespace LOOP
        CONTINUE WHEN function.lanname IN ('internal', 'c', 'sql') AND function.oid < 16384 AND function.nspname = 'pg_catalog'
          AND (function.provolatile = 'i' OR function.provolatile = 's' AND (function.proname = ANY (${words(settledFunctions)})
                 OR function.proname ~ '^(date|timestamp|timestamptz)_(eq|ne|lt|le|gt|ge|cmp)_(date|timestamp|timestamptz)$'))
          -- An enum's value, a type's number: inside of the hash.
          AND function.proname !~ '^hash_?(enum|array|record|range|multirange|oid)' AND function.proname <> 'satisfies_hash_partition';
        CONTINUE WHEN function.lanname IN ('internal', 'c') AND function.oid >= 16384 AND function.provolatile = 'i';
        -- Its body is stored as it was understood. One that reads rows gives the first of them.
        IF function.lanname = 'sql' AND function.oid >= 16384 AND function.body IS NOT NULL AND function.proconfig IS NULL AND function.prokind = 'f'
           AND function.body !~ '\{RANGETBLENTRY' THEN
          called := called || function.oid;
          trees := trees || function.body;
          CONTINUE;
        END IF;
        hazard := format('function %s', function.signature);
        RETURN;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;

-- Its query as text whose constants mean the same under every setting of a session.
CREATE OR REPLACE FUNCTION allwrite.materialized_view_query(view oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = iso_8601
SET extra_float_digits = 1 SET bytea_output = hex AS $$
  SELECT rtrim(pg_get_viewdef(view), ';')
$$;

-- Makes a materialized view that a client has just made or filled what it will be at the other nodes; the text for those. It is
-- filled under the session's own settings, which travel: no SET clause but the search_path, which PostgreSQL replaces then.
CREATE OR REPLACE FUNCTION allwrite.materialized_view_text(tag text, view oid) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target record; reads record; refresh text; role text := current_setting('session_replication_role');
BEGIN
  SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relispopulated AS filled, c.reloptions, am.amname, ts.spcname,
         (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    INTO STRICT target
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
   WHERE c.oid = view;
  SELECT * INTO reads FROM allwrite.materialized_view_reads(view);
  IF reads.hazard IS NOT NULL THEN
    RAISE EXCEPTION 'materialized view % is not supported in a cluster: %', target.name, reads.hazard USING ERRCODE = '0A000',
      DETAIL = 'Every node fills it by itself; its rows might differ from node to node.',
      HINT = 'Leave out what depends on the session, the clock or the order of rows, or use a view, or CREATE TABLE AS.';
  END IF;
  refresh := format('REFRESH MATERIALIZED VIEW %s%s',
    CASE WHEN tag LIKE 'REFRESH %' AND NOT EXISTS (
           SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation = view AND l.mode = 'AccessExclusiveLock'
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
         THEN 'CONCURRENTLY ' ELSE '' END, target.name);
  IF target.filled AND reads.tables <> '{}' THEN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
      RAISE EXCEPTION 'filling a materialized view under % is not supported in a cluster', upper(current_setting('transaction_isolation'))
        USING ERRCODE = '0A000', HINT = 'Use READ COMMITTED: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM allwrite.await_decoding();
    PERFORM set_config('session_replication_role', 'replica', true);
    EXECUTE (SELECT format('LOCK TABLE %s IN SHARE MODE', string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (reads.tables));
    EXECUTE refresh;
    PERFORM set_config('session_replication_role', role, true);
  END IF;
  IF tag LIKE 'REFRESH %' THEN RETURN refresh || CASE WHEN target.filled THEN '' ELSE ' WITH NO DATA' END; END IF;
  RETURN format('CREATE MATERIALIZED VIEW %s (%s)', target.name, target.columns)
    || coalesce(' USING ' || quote_ident(target.amname), '') || coalesce(' WITH (' || array_to_string(target.reloptions, ', ') || ')', '')
    || coalesce(' TABLESPACE ' || quote_ident(target.spcname), '')
    || ' AS ' || allwrite.materialized_view_query(view) || CASE WHEN target.filled THEN '' ELSE ' WITH NO DATA' END;
END $$;
REVOKE ALL ON FUNCTION allwrite.materialized_view_text(text, oid) FROM PUBLIC;
`
