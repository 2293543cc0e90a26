/**
 * What the agent runs on the other nodes, inside its apply transaction. Whatever the texts evaluate, they evaluate in a
 * SECURITY DEFINER function owned by the role that they come from: there PostgreSQL refuses SET ROLE and SET SESSION
 * AUTHORIZATION, so neither a default expression nor a domain's CHECK of an ordinary user can climb to the agent's superuser.
 */
export const applySql = String.raw`
-- After ALTER TABLE ... ADD COLUMN ... DEFAULT now(): rows that were there before get the home node's value (RULES 7). It
-- stands once in pg_attribute, not in each row, so this is exact and costs nothing. value: the text of attmissingval.
CREATE OR REPLACE FUNCTION allwrite.set_missing(relation text, attribute text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET IntervalStyle = postgres
SET TimeZone = 'UTC' SET bytea_output = hex SET extra_float_digits = 1 SET xmloption = content AS $$
DECLARE
  target regclass := relation::regclass; column_type text; owner text;
BEGIN
  SELECT format_type(a.atttypid, a.atttypmod), pg_get_userbyid(c.relowner) INTO STRICT column_type, owner
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid = target AND a.attname = attribute;
  EXECUTE format('CREATE FUNCTION allwrite.missing_value(text) RETURNS %1$s[] LANGUAGE plpgsql SECURITY DEFINER '
                 'AS %2$L', column_type, format('BEGIN RETURN $1::%s[]; END', column_type));
  EXECUTE format('ALTER FUNCTION allwrite.missing_value(text) OWNER TO %I', owner);
  EXECUTE 'UPDATE pg_attribute SET attmissingval = allwrite.missing_value($1)::anyarray WHERE attrelid = $2 AND attname = $3 AND atthasmissing'
    USING value, target, attribute;
  EXECUTE 'DROP FUNCTION allwrite.missing_value(text)';
END $$;
REVOKE ALL ON FUNCTION allwrite.set_missing(text, text, text) FROM PUBLIC;

-- Runs another node's statement as its role, with its settings.
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
