/**
 * Publications of the user: what they may not hold. Run at the end of a command that makes or changes one, or a table in it.
 */
export const publicationsSql = String.raw`
CREATE OR REPLACE FUNCTION allwrite.check_publications(tag text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE found record;
BEGIN
  IF tag NOT IN ('CREATE PUBLICATION', 'ALTER PUBLICATION', 'CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'CREATE TABLE AS', 'SELECT INTO')
     OR NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname <> 'allwrite' OR allwrite.own_write(p.xmin)) THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM pg_publication p WHERE (p.pubname = 'allwrite' OR p.pubowner = 'allwrite'::regrole) AND allwrite.own_write(p.xmin)) THEN
    RAISE EXCEPTION 'publication "allwrite" belongs to the cluster' USING ERRCODE = '0A000', HINT = 'Leave it as it is.';
  END IF;
  IF EXISTS (SELECT FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid WHERE c.relnamespace = 'allwrite'::regnamespace)
     OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnnspid = 'allwrite'::regnamespace) THEN
    RAISE EXCEPTION 'tables of schema allwrite can''t be published' USING ERRCODE = '0A000', HINT = 'They belong to the cluster.';
  END IF;
  -- What PostgreSQL would say at the table's next UPDATE or DELETE, for the identity that settle_tables() has given it.
  SELECT p.pubname, format('%I.%I', t.schemaname, t.tablename) AS name INTO found
    FROM pg_publication p JOIN pg_publication_tables t USING (pubname)
    JOIN pg_class c ON c.relname = t.tablename JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname
   WHERE p.pubname <> 'allwrite' AND (p.pubupdate OR p.pubdelete) AND c.relreplident = 'f'
     AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (t.attnames))
   LIMIT 1;
  IF found.pubname IS NOT NULL THEN
    RAISE EXCEPTION 'publication "%" without all columns of table % is not supported in a cluster', found.pubname, found.name
      USING ERRCODE = '0A000', DETAIL = 'Old rows of this table are published as a whole: it has a unique index besides its primary key, or no primary key.',
      HINT = 'Publish all its columns, stored generated ones by publish_generated_columns, or only inserts and truncates.';
  END IF;
  SELECT p.pubname INTO found FROM pg_publication p WHERE p.puballtables AND tag = 'CREATE PUBLICATION' AND allwrite.own_write(p.xmin);
  IF found.pubname IS NOT NULL THEN
    RAISE NOTICE 'publication "%" has the tables of schema allwrite in its list, whose changes are not shown', found.pubname
      USING HINT = 'A PostgreSQL subscriber wants a table for each of the list: publish FOR TABLES IN SCHEMA instead.';
  END IF;
END $$;
REVOKE ALL ON FUNCTION allwrite.check_publications(text) FROM PUBLIC;
`
