/**
 * Commands that make, drop or rename a database, on their way into the journal: one row of `allwrite.database_command`
 * (node/database-commands.ts).
 */

/** Databases of a cluster, the first included. Each has WAL senders, workers and connections set aside, used or not (ADR 30). */
export const databasesMax = 32

export const databasesSql = String.raw`
-- The row travels: at its position each node does what it says, and removes its row. target: the database's OID, the same at every node.
CREATE TABLE IF NOT EXISTS allwrite.database_command (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('create', 'drop', 'rename')),
  target oid NOT NULL,
  name text NOT NULL,
  new_name text,
  template oid,
  role text NOT NULL,
  statement text NOT NULL
);
REVOKE ALL ON allwrite.database_command FROM PUBLIC;

-- Waits as PostgreSQL does (CountOtherDBBackends) for clients of this node to leave the database.
CREATE OR REPLACE FUNCTION allwrite.await_no_clients(database oid, message text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  others bigint; deadline timestamptz := clock_timestamp() + interval '5 s';
BEGIN
  LOOP
    PERFORM pg_stat_clear_snapshot();
    SELECT count(*) INTO others FROM pg_stat_activity a
     WHERE a.datid = database AND a.backend_type = 'client backend' AND a.usename <> 'allwrite' AND a.pid <> pg_backend_pid();
    EXIT WHEN others = 0;
    IF clock_timestamp() > deadline THEN
      RAISE EXCEPTION '%', message USING ERRCODE = '55006', DETAIL = CASE others
        WHEN 1 THEN 'There is 1 other session using the database.'
        ELSE format('There are %s other sessions using the database.', others) END;
    END IF;
    PERFORM pg_sleep(0.1);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.await_no_clients(oid, text) FROM PUBLIC;

-- Journals the request (statement/databases.ts). Not NULL: nothing is to be done, and why. What can be said now is said in
-- PostgreSQL's words; the rest when the command is run, which comes out alike at all nodes.
CREATE OR REPLACE FUNCTION allwrite.journal_database(secret text, id text, request text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted jsonb := request;
  command text := wanted->>'command';
  shown text := wanted->>'name';
  renamed text := wanted->>'newName';
  model text := coalesce(wanted->>'template', 'template1');
  me pg_roles; target pg_database; source pg_database; chosen oid;
BEGIN
  IF NOT EXISTS (SELECT FROM allwrite.secret s WHERE s.sha256 = sha256(convert_to(secret, 'UTF8'))) THEN
    RAISE EXCEPTION 'permission denied for function journal_database' USING ERRCODE = '42501';
  END IF;
  SELECT * INTO STRICT me FROM pg_roles WHERE rolname = allwrite.session_role();
  SELECT * INTO target FROM pg_database WHERE datname = shown;
  IF command = 'create' THEN
    IF NOT me.rolsuper AND NOT me.rolcreatedb THEN
      RAISE EXCEPTION 'permission denied to create database' USING ERRCODE = '42501';
    END IF;
    IF target.oid IS NOT NULL THEN
      RAISE EXCEPTION 'database "%" already exists', shown USING ERRCODE = '42P04';
    END IF;
    SELECT * INTO source FROM pg_database WHERE datname = model;
    IF source.oid IS NULL THEN
      RAISE EXCEPTION 'template database "%" does not exist', model USING ERRCODE = '3D000';
    ELSIF NOT source.datistemplate AND NOT me.rolsuper AND NOT pg_has_role(me.oid, source.datdba, 'USAGE') THEN
      RAISE EXCEPTION 'permission denied to copy database "%"', model USING ERRCODE = '42501';
    ELSIF model = 'postgres' OR model = current_database() THEN
      RAISE EXCEPTION 'database "%" as a template is not supported', model USING ERRCODE = '0A000', DETAIL =
        CASE model WHEN 'postgres' THEN 'The agents of all nodes are always connected to it.' ELSE 'It is the database of this session.' END,
        HINT = 'Copy another database, from a session elsewhere.';
    ELSIF model NOT IN ('template0', 'template1') THEN
      PERFORM allwrite.await_no_clients(source.oid, format('source database "%s" is being accessed by other users', model));
    END IF;
    IF (SELECT count(*) FROM pg_database WHERE datname NOT IN ('template0', 'template1')) >= ${databasesMax} THEN
      RAISE EXCEPTION 'a cluster has % databases at most', ${databasesMax} USING ERRCODE = '53400';
    END IF;
    -- Above all that servers give out by themselves, for long; and not one that was there before.
    LOOP
      chosen := ((2147483648 + floor(random() * 2147483647))::bigint)::oid;
      EXIT WHEN NOT EXISTS (SELECT FROM pg_database WHERE oid = chosen);
    END LOOP;
    INSERT INTO allwrite.database_command VALUES (
      journal_database.id::uuid, command, chosen, shown, NULL, source.oid, me.rolname, wanted->>'statement');
    RETURN NULL;
  END IF;

  IF target.oid IS NULL THEN
    IF (wanted->>'missingOk')::boolean THEN RETURN format('database "%s" does not exist, skipping', shown); END IF;
    RAISE EXCEPTION 'database "%" does not exist', shown USING ERRCODE = '3D000';
  ELSIF NOT me.rolsuper AND NOT pg_has_role(me.oid, target.datdba, 'USAGE') THEN
    RAISE EXCEPTION 'must be owner of database %', shown USING ERRCODE = '42501';
  ELSIF command = 'drop' AND shown = current_database() THEN
    RAISE EXCEPTION 'cannot drop the currently open database' USING ERRCODE = '55006';
  ELSIF command = 'drop' AND target.datistemplate THEN
    RAISE EXCEPTION 'cannot drop a template database' USING ERRCODE = '42809';
  ELSIF command = 'rename' AND NOT me.rolsuper AND NOT me.rolcreatedb THEN
    RAISE EXCEPTION 'permission denied to rename database' USING ERRCODE = '42501';
  ELSIF command = 'rename' AND EXISTS (SELECT FROM pg_database WHERE datname = renamed) THEN
    RAISE EXCEPTION 'database "%" already exists', renamed USING ERRCODE = '42P04';
  ELSIF command = 'rename' AND shown = current_database() THEN
    RAISE EXCEPTION 'current database cannot be renamed' USING ERRCODE = '0A000';
  ELSIF shown IN ('postgres', 'template0', 'template1') THEN
    RAISE EXCEPTION '% of database "%" is not supported', upper(command), shown USING ERRCODE = '0A000',
      DETAIL = 'Every cluster has it.';
  END IF;
  -- FORCE or not.
  IF command = 'drop' AND EXISTS (SELECT FROM pg_get_replication_slots() s, LATERAL pg_stat_get_activity(s.active_pid) a
                                   WHERE s.datoid = target.oid AND s.active_pid IS NOT NULL AND a.usesysid <> 'allwrite'::regrole) THEN
    RAISE EXCEPTION 'database "%" is used by an active logical replication slot', shown USING ERRCODE = '55006';
  END IF;
  IF NOT coalesce((wanted->>'force')::boolean, false) THEN
    PERFORM allwrite.await_no_clients(target.oid, format('database "%s" is being accessed by other users', shown));
  END IF;
  INSERT INTO allwrite.database_command VALUES (
    journal_database.id::uuid, command, target.oid, shown, renamed, NULL, me.rolname, wanted->>'statement');
  RETURN NULL;
END $$;
`
