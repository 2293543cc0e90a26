/**
 * What the agent runs on the other nodes, inside its apply transaction.
 */
export const applySql = String.raw`
-- The base type whose values a column of this type stores, if reading one runs only code that a superuser installed.
CREATE OR REPLACE FUNCTION allwrite.plain_type(type oid) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE base oid := type; kind "char"; element oid;
BEGIN
  LOOP
    SELECT t.typtype, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END INTO kind, element FROM pg_type t WHERE t.oid = base;
    EXIT WHEN kind <> 'd';
    base := element;
  END LOOP;
  IF kind NOT IN ('b', 'e') THEN RETURN NULL; END IF;
  IF element <> 0 AND (SELECT t.typtype NOT IN ('b', 'e') OR t.typelem <> 0 FROM pg_type t WHERE t.oid = element) THEN RETURN NULL; END IF;
  RETURN base;
END $$;

-- After ALTER TABLE ... ADD COLUMN ... DEFAULT now(): rows that were there before get the home node's value (RULES 7). It
-- stands once in pg_attribute, not in each row, so this is exact and costs nothing. value: the text of attmissingval. A
-- domain's value is stored as its base type's, so no CHECK of an ordinary user runs here as the agent.
CREATE OR REPLACE FUNCTION allwrite.set_missing(relation text, attribute text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 SET xmloption = content AS $$
DECLARE target regclass := relation::regclass; base oid; modifier integer;
BEGIN
  SELECT allwrite.plain_type(atttypid), atttypmod INTO STRICT base, modifier FROM pg_attribute WHERE attrelid = target AND attname = attribute;
  IF base IS NULL THEN RAISE EXCEPTION 'column "%" of % has no plain type', attribute, relation USING ERRCODE = 'XX000'; END IF;
  UPDATE pg_attribute SET attmissingval = array_in(value::cstring, base, modifier)::anyarray
   WHERE attrelid = target AND attname = attribute AND atthasmissing;
END $$;
REVOKE ALL ON FUNCTION allwrite.set_missing(text, text, text) FROM PUBLIC;

-- A column's values, in whatever order their rows stand: what two nodes compare behind an ALTER TYPE (journal_digests).
CREATE OR REPLACE FUNCTION allwrite.column_digest(target regclass, attribute text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 AS $$
DECLARE digest text;
BEGIN
  EXECUTE format('SELECT concat(count(*), '' '', sum(hashtextextended(concat(t.%1$I), num_nulls(t.%1$I))::numeric)) FROM ONLY %2$s t', attribute, target)
    INTO digest;
  RETURN digest;
END $$;
REVOKE ALL ON FUNCTION allwrite.column_digest(regclass, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION allwrite.compare_digest(relation text, attribute text, digest text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF allwrite.column_digest(relation::regclass, attribute) <> digest THEN
    RAISE EXCEPTION 'ALTER TYPE has given column "%" of % other values here than at its home', attribute, relation USING ERRCODE = 'XX001';
  END IF;
END $$;
REVOKE ALL ON FUNCTION allwrite.compare_digest(text, text, text) FROM PUBLIC;

-- The stream names tables and partitions, PostgreSQL wants to be told of every table that references one of them: a partitioned one too, of
-- which home has emptied all partitions, since it would have refused otherwise.
CREATE OR REPLACE FUNCTION allwrite.truncate(VARIADIC tables text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE named oid[] := ARRAY(SELECT t::regclass::oid FROM unnest(tables) t);
BEGIN
  EXECUTE 'TRUNCATE ' || (
    SELECT string_agg(CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || c.oid::regclass, ', ')
      FROM pg_class c
     WHERE c.oid = ANY (named)
        OR c.relkind = 'p' AND EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f')
           AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) p WHERE p.isleaf AND p.relid <> ALL (named)));
END $$;
REVOKE ALL ON FUNCTION allwrite.truncate(text[]) FROM PUBLIC;

-- Runs another node's statement with its settings, in a SECURITY DEFINER function owned by its role: there PostgreSQL
-- refuses SET ROLE and SET SESSION AUTHORIZATION, so what an ordinary user's statement evaluates can't climb to the agent's
-- superuser.
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
  IF statement OPERATOR(pg_catalog.~*) '\muser\M.*\mmapping\M' THEN
    -- Its options hold passwords: an error must show neither the statement nor where it stood.
    PERFORM pg_catalog.set_config('log_min_error_statement', 'panic', true);
    BEGIN
      EXECUTE 'SELECT allwrite.as_role($1)' USING statement;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION 'a user mapping could not be made as at its home: %', SQLSTATE USING ERRCODE = SQLSTATE;
    END;
  ELSE
    EXECUTE 'SELECT allwrite.as_role($1)' USING statement;
  END IF;
  FOR name, value IN SELECT * FROM pg_catalog.jsonb_each_text(saved) LOOP
    PERFORM pg_catalog.set_config(name, value, true);
  END LOOP;
  -- DROP OWNED BY that role has dropped it already.
  EXECUTE 'DROP FUNCTION IF EXISTS allwrite.as_role(text)';
END $$;
REVOKE ALL ON FUNCTION allwrite.apply_statement(text, text, jsonb) FROM PUBLIC;
`
