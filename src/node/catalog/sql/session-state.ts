/**
 * What a session loses where its transaction is rolled back at home and committed from the journal: the agent asks before the
 * submission and after the rollback, and tells the client that its session is lost only where the two differ.
 */
export const sessionStateSql = String.raw`
-- Settings, temporary objects (a changed one is still locked), WITH HOLD cursors and channels: all that a rollback undoes besides
-- data (prepared statements, advisory locks and currval() stay). NULL where that can't be said: settings with a dot in their name
-- show nowhere, so no function may set one.
CREATE OR REPLACE FUNCTION allwrite.session_state() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN NOT EXISTS (
      SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE p.oid >= 16384 AND n.nspname <> 'allwrite'
         AND (p.prosrc ~* '\mset_config\M|\mset\s+((session|local)\s+)?"?\w+"?\.'
              OR p.prosqlbody IS NOT NULL AND pg_get_functiondef(p.oid) ~* '\mset_config\M')) THEN
    md5(concat_ws(E'\n',
      session_user, current_setting('role'),
      (SELECT string_agg(concat_ws('=', s.name, s.setting), E'\n' ORDER BY s.name)
         FROM pg_settings s WHERE s.source = 'session' AND s.name NOT LIKE 'transaction\_%'),
      (SELECT concat_ws(' ', count(*), max(c.oid::bigint)) FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()),
      (SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.pid = pg_backend_pid() AND l.mode <> 'AccessShareLock' AND c.relnamespace = pg_my_temp_schema()),
      (SELECT string_agg(concat_ws(' ', t.oid, t.xmin), E'\n' ORDER BY t.oid)
         FROM pg_type t WHERE t.typnamespace = pg_my_temp_schema()),
      (SELECT string_agg(concat_ws(' ', p.oid, p.xmin), E'\n' ORDER BY p.oid)
         FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema()),
      (SELECT string_agg(c.name, E'\n' ORDER BY c.name) FROM pg_cursors c WHERE c.is_holdable),
      (SELECT string_agg(c, E'\n' ORDER BY c) FROM pg_listening_channels() c)))
  END
$$;
`
