/**
 * Nobody but the agent opens a session at the node's server (ADR 32): the second thing that a login must show, besides the role's
 * password. A client knows its own password, and dblink or postgres_fdw reach the server's socket with it: what they wrote there
 * would be at this node alone.
 *
 * A ticket is a random text in the start-up packet. It is good while a backend of the agent's role holds the advisory lock whose key
 * is the first eight bytes of the ticket's SHA-256; pg_locks, which everybody may read, shows the key and not the ticket. The agent
 * gives the lock up before the session's first statement: the session, which may read its ticket, finds it void.
 */
export const loginSql = String.raw`
CREATE OR REPLACE FUNCTION allwrite.admit_login() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  digest bytea;
BEGIN
  IF session_user = 'allwrite' THEN RETURN; END IF;
  digest := sha256(convert_to(coalesce(current_setting('allwrite.ticket', true), ''), 'UTF8'));
  IF EXISTS (
    SELECT FROM pg_lock_status() l, pg_stat_get_activity(l.pid) a
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.classid::bigint = ('x' || encode(substr(digest, 1, 4), 'hex'))::bit(32)::bigint
      AND l.objid::bigint = ('x' || encode(substr(digest, 5, 4), 'hex'))::bit(32)::bigint
      AND a.usesysid = 'allwrite'::regrole) THEN
    RETURN;
  END IF;
  RAISE EXCEPTION 'sessions at the node''s own server are opened by its agent only' USING ERRCODE = '28000',
    DETAIL = 'What is written in such a session would be at this node alone.',
    HINT = 'Connect to the port of the node or of the cluster.';
END $$;

-- ALWAYS: a login may ask for session_replication_role in its options.
DROP EVENT TRIGGER IF EXISTS allwrite_login;
CREATE EVENT TRIGGER allwrite_login ON login EXECUTE FUNCTION allwrite.admit_login();
ALTER EVENT TRIGGER allwrite_login ENABLE ALWAYS;
`
