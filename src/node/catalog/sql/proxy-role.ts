/**
 * The role that proxies ask their own questions as, and what it may ask: who may log in, and what became of a pool's lost connection.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import { proxyKeys, proxyRole } from '../../../login/vouching.ts'
import { defaultIterations } from '../../../wire/pgwire/scram.ts'
import { verifierOfPassword } from '../../../wire/pgwire/scram-client.ts'

const saltBytes = 16

/** @param agentSecret the same at all nodes, so that the role's verifier is */
export const proxyRoleSql = (agentSecret: string): string => {
  const salt = createHmac('sha256', agentSecret).update('proxy salt').digest().subarray(0, saltBytes)
  const verifier = verifierOfPassword(proxyKeys(agentSecret).password, salt, defaultIterations)
  return String.raw`
DO $$ BEGIN
  CREATE ROLE ${proxyRole} LOGIN NOINHERIT PASSWORD '${verifier}';
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END $$;

-- memberOf: directly or not.
CREATE OR REPLACE FUNCTION allwrite.role_record(
  name text, OUT verifier text, OUT can_login bool, OUT expired bool, OUT connection_limit int, OUT superuser bool, OUT member_of text[]
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.rolpassword, r.rolcanlogin, coalesce(r.rolvaliduntil < clock_timestamp(), false), r.rolconnlimit, r.rolsuper, ARRAY(
    WITH RECURSIVE above AS (
      SELECT m.roleid FROM pg_auth_members m WHERE m.member = r.oid
      UNION SELECT m.roleid FROM pg_auth_members m JOIN above a ON m.member = a.roleid)
    SELECT g.rolname::text FROM pg_authid g WHERE g.oid IN (SELECT a.roleid FROM above a) ORDER BY 1)
  FROM pg_authid r WHERE r.rolname = $1
$$;
REVOKE ALL ON FUNCTION allwrite.role_record(text), allwrite.close_connections(text[]), allwrite.forget_connections(text[]) FROM PUBLIC;
GRANT USAGE ON SCHEMA allwrite TO ${proxyRole};
GRANT EXECUTE ON FUNCTION allwrite.role_record(text), allwrite.close_connections(text[]), allwrite.forget_connections(text[]) TO ${proxyRole};
`
}
