/**
 * CREATE and DROP INDEX CONCURRENTLY on their way into the journal: one row of `allwrite.concurrent` (index-builds.ts).
 */
export const concurrentSql = String.raw`
-- PostgreSQL's own choice (ChooseIndexName, makeObjectName): made at home, so that it is the same everywhere.
CREATE OR REPLACE FUNCTION allwrite.choose_index_name(target oid, columns text[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation record; addition text := left(array_to_string(columns, '_'), 63); label text := 'idx'; pass integer := 0;
  first integer; second integer; chosen text;
BEGIN
  SELECT c.relname::text AS name, c.relnamespace INTO STRICT relation FROM pg_class c WHERE c.oid = target;
  LOOP
    first := octet_length(relation.name);
    second := octet_length(addition);
    WHILE first + second > 61 - octet_length(label) LOOP
      IF first > second THEN first := first - 1; ELSE second := second - 1; END IF;
    END LOOP;
    chosen := allwrite.clip(relation.name, first) || '_' || allwrite.clip(addition, second) || '_' || label;
    EXIT WHEN NOT EXISTS (SELECT FROM pg_class c WHERE c.relname = chosen AND c.relnamespace = relation.relnamespace);
    pass := pass + 1;
    label := 'idx' || pass;
  END LOOP;
  RETURN chosen;
END $$;

-- The longest beginning of whole characters within so many bytes.
CREATE OR REPLACE FUNCTION allwrite.clip(word text, bytes integer) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT left(word, n) FROM generate_series(length(word), 0, -1) n WHERE octet_length(left(word, n)) <= bytes LIMIT 1), '')
$$;

CREATE OR REPLACE FUNCTION allwrite.insert_concurrent(
  secret text, id uuid, kind text, statement text, schema_name text, table_name text, index_name text, settings jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM allwrite.secret s WHERE s.sha256 = sha256(convert_to(secret, 'UTF8'))) THEN
    RAISE EXCEPTION 'permission denied for function insert_concurrent' USING ERRCODE = '42501';
  END IF;
  INSERT INTO allwrite.concurrent VALUES (id, kind, statement, schema_name, table_name, index_name, allwrite.session_role(), settings);
END $$;

-- Journals the request (statement/concurrent.ts). Not NULL: nothing is to be done, and why; an empty text: the table is temporary. Runs as the invoker, with its
-- search_path: names mean what they mean to the client. What can be said now is said in PostgreSQL's words.
CREATE OR REPLACE FUNCTION allwrite.journal_concurrently(secret text, id text, request text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  wanted pg_catalog.jsonb := request;
  kind pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'kind');
  schema_name pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'schema');
  shown pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'name');
  may_miss pg_catalog.bool := pg_catalog.jsonb_extract_path_text(wanted, 'missingOk');
  index_name pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'index');
  statement pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'statement');
  tail pg_catalog.text := pg_catalog.jsonb_extract_path_text(wanted, 'tail');
  target record;
BEGIN
  IF schema_name IS NOT NULL AND pg_catalog.to_regnamespace(pg_catalog.quote_ident(schema_name)) IS NULL THEN
    IF may_miss THEN RETURN pg_catalog.format('schema "%s" does not exist, skipping', schema_name); END IF;
    RAISE EXCEPTION 'schema "%" does not exist', schema_name USING ERRCODE = '3F000';
  END IF;
  SELECT c.oid, c.relkind, c.relpersistence, n.nspname, c.relname, t.relname AS table_name INTO target
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid
    LEFT JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
   WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(pg_catalog.concat_ws('.', pg_catalog.quote_ident(schema_name), pg_catalog.quote_ident(shown)))::pg_catalog.oid;
  IF target.oid IS NULL AND may_miss THEN RETURN pg_catalog.format('index "%s" does not exist, skipping', shown); END IF;
  IF target.oid IS NULL AND kind OPERATOR(pg_catalog.=) 'drop' THEN
    RAISE EXCEPTION 'index "%" does not exist', shown USING ERRCODE = '42704';
  ELSIF target.oid IS NULL THEN
    RAISE EXCEPTION 'relation "%" does not exist', pg_catalog.concat_ws('.', schema_name, shown) USING ERRCODE = '42P01';
  ELSIF target.relpersistence OPERATOR(pg_catalog.=) 't' THEN
    RETURN '';
  END IF;
  IF kind OPERATOR(pg_catalog.=) 'create' THEN
    IF index_name IS NULL THEN
      index_name := allwrite.choose_index_name(target.oid, ARRAY(SELECT pg_catalog.jsonb_array_elements_text(pg_catalog.jsonb_extract_path(wanted, 'columns'))));
      statement := pg_catalog.concat(statement, ' ', pg_catalog.quote_ident(index_name), tail);
    END IF;
    PERFORM allwrite.insert_concurrent(secret, id::pg_catalog.uuid, kind, statement, target.nspname, target.relname, index_name, allwrite.session_settings());
    RETURN NULL;
  END IF;
  IF target.relkind OPERATOR(pg_catalog.=) 'I' THEN
    RAISE EXCEPTION 'cannot drop partitioned index "%" concurrently', shown USING ERRCODE = '0A000';
  ELSIF target.relkind OPERATOR(pg_catalog.<>) 'i' THEN
    RAISE EXCEPTION '"%" is not an index', shown USING ERRCODE = '42809';
  END IF;
  PERFORM allwrite.insert_concurrent(secret, id::pg_catalog.uuid, kind, statement, target.nspname, target.table_name, target.relname, allwrite.session_settings());
  RETURN NULL;
END $$;
`
