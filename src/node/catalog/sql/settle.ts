/**
 * allwrite.settle(): brings a server's tables and sequences into the state that replication needs. Runs at the end of
 * DDL, at home in the creating transaction and at the other nodes in the apply transaction, and when an agent starts.
 * Catalog rows are updated directly: ALTER TABLE ... REPLICA IDENTITY would need a stronger lock than CREATE INDEX has.
 */
export const settleSql = String.raw`
CREATE OR REPLACE FUNCTION allwrite.settle_tables() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target record; role text := current_setting('session_replication_role'); subscription oid;
BEGIN
  -- UNLOGGED tables would differ from node to node. Several rounds: a logged table must not reference an unlogged one.
  WHILE EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'S') AND c.relpersistence = 'u' AND n.nspname <> 'allwrite') LOOP
    PERFORM set_config('session_replication_role', 'replica', true);
    SELECT c.oid::regclass AS name, c.relkind INTO STRICT target
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'S') AND c.relpersistence = 'u' AND n.nspname <> 'allwrite'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('i', 'a') AND d.refclassid = 'pg_class'::regclass
                          AND (SELECT relpersistence FROM pg_class WHERE oid = d.refobjid) = 'u' AND c.relkind = 'S')
       AND NOT EXISTS (SELECT FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid
                        WHERE f.contype = 'f' AND f.conrelid = c.oid AND p.relpersistence = 'u' AND p.oid <> c.oid)
     ORDER BY c.oid LIMIT 1;
    EXECUTE format('ALTER %s %s SET LOGGED', CASE target.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, target.name);
    PERFORM set_config('session_replication_role', role, true);
    RAISE NOTICE '"%" is LOGGED: unlogged data is not replicated', target.name;
  END LOOP;

  -- FULL where old values beyond the primary key are needed (RULES 6), or where there is no usable key at all. With a virtual
  -- column PostgreSQL refuses to UPDATE under FULL: then the primary key has to do, and what is not known of old rows costs the table.
  FOR target IN
    SELECT c.oid, c.relreplident,
           NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND NOT i.indisexclusion)
           OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 'v' AND NOT a.attisdropped)
           AND (EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique AND NOT i.indisprimary OR i.indisexclusion))
             OR NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)) AS needs_full
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
       AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'allwrite') LOOP
    IF target.needs_full AND target.relreplident <> 'f' OR NOT target.needs_full AND target.relreplident IN ('f', 'n') THEN
      UPDATE pg_class SET relreplident = CASE WHEN target.needs_full THEN 'f' ELSE 'd' END::"char" WHERE oid = target.oid;
      UPDATE pg_index SET indisreplident = false WHERE indrelid = target.oid AND indisreplident;
    END IF;
  END LOOP;

  -- Internal, so that \d and pg_dump do not show them. A rewritten row of pg_trigger alone would not be noticed by other sessions.
  FOR target IN
    SELECT c.oid, c.oid::regclass AS name, g.oid AS trigger
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_trigger g ON g.tgrelid = c.oid AND g.tgname = 'allwrite_truncate'
     WHERE c.relkind = 'r' AND c.relpersistence = 'p'
       AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'allwrite')
       AND (g.oid IS NULL OR g.tgenabled <> 'O') LOOP
    IF target.trigger IS NULL THEN
      PERFORM set_config('session_replication_role', 'replica', true);
      EXECUTE format('CREATE TRIGGER allwrite_truncate BEFORE TRUNCATE ON %s EXECUTE FUNCTION allwrite.before_truncate()', target.name);
      PERFORM set_config('session_replication_role', role, true);
    END IF;
    UPDATE pg_trigger SET tgisinternal = true, tgenabled = 'O' WHERE tgrelid = target.oid AND tgname = 'allwrite_truncate';
    UPDATE pg_class SET relhastriggers = true WHERE oid = target.oid;
  END LOOP;

  -- The apply worker skips a table without such a row silently.
  SELECT s.oid INTO subscription FROM pg_subscription s
   WHERE s.subname = 'allwrite' AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database());
  IF subscription IS NOT NULL THEN
    INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate, srsublsn)
    SELECT subscription, c.oid, 'r', NULL
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
       AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
       AND (n.nspname <> 'allwrite' OR c.relname IN ('sequence', 'heartbeat', 'notification', 'pinned', 'connection'))
       AND NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srsubid = subscription AND r.srrelid = c.oid);
  END IF;
END $$;
REVOKE ALL ON FUNCTION allwrite.settle_tables() FROM PUBLIC;

CREATE OR REPLACE FUNCTION allwrite.settle() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM allwrite.settle_tables();
  PERFORM allwrite.settle_sequences(false, NULL);
END $$;
REVOKE ALL ON FUNCTION allwrite.settle() FROM PUBLIC;
`
