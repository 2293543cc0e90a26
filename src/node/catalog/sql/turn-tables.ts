/**
 * Which tables a schema change of a client's own transaction locks against writers, for the turn that is asked for before it runs
 * (docs/adr/0018).
 */
export const turnTablesSql = String.raw`
-- Not those that the transaction has made: nobody else knows them. System columns keep the xmin of their table's creation.
-- Below each of them its partitions and children. With drops, tables on the other side of a foreign key too: their triggers go as well.
CREATE OR REPLACE FUNCTION allwrite.turn_reach(relations oid[], drops boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE tables AS (
    SELECT coalesce(x.indrelid, r.relation) AS relation
      FROM unnest(relations) AS r (relation) LEFT JOIN pg_index x ON x.indexrelid = r.relation
    UNION SELECT i.inhrelid FROM tables t JOIN pg_inherits i ON i.inhparent = t.relation
  ), reached AS (
    SELECT relation FROM tables
    UNION SELECT CASE WHEN k.conrelid = t.relation THEN k.confrelid ELSE k.conrelid END
      FROM tables t JOIN pg_constraint k ON k.contype = 'f' AND t.relation IN (k.conrelid, k.confrelid) WHERE drops
  )
  SELECT string_agg(concat(n.nspname, '.', c.relname), E'\n' ORDER BY n.nspname, c.relname)
    FROM reached r JOIN pg_class c ON c.oid = r.relation JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
     AND NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attname = 'tableoid' AND allwrite.own_write(a.xmin))
$$;

-- The isolation level, then a line for each table. names: a JSON array of names as the statement has them, read by the caller's
-- search_path. Says nothing where a name may not be looked up: the statement itself will tell.
CREATE OR REPLACE FUNCTION allwrite.turn_tables(names text, drops boolean) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  level text := pg_catalog.current_setting('transaction_isolation');
BEGIN
  RETURN pg_catalog.concat_ws(E'\n', level, allwrite.turn_reach(ARRAY(
    SELECT pg_catalog.to_regclass(one)::pg_catalog.oid FROM pg_catalog.json_array_elements_text(names::pg_catalog.json) AS one), drops));
EXCEPTION WHEN OTHERS THEN
  RETURN level;
END $$;
`
