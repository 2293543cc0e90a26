/**
 * Are all nodes equal? Compares data by table, and the catalogs by names (OIDs differ between nodes).
 *
 * Why polling is sound: nobody writes while we compare, every acknowledged commit is in its home's answer, and a node only
 * moves forward. So "all equal once" means that every node has everything.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Cluster } from './cluster.ts'
import { until } from './wait.ts'

/** What of a cluster is compared. */
export type Comparable = Pick<Cluster, 'nodes' | 'connect' | 'status'>

/** Table name → `<rows> rows, md5 <sum of the sorted rows as text>`. Of other databases than the first: `<database>: <table>`. */
export type Checksums = Readonly<Record<string, string>>

const userSchemas = `n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'allwrite') and n.nspname !~ '^pg_(temp|toast_temp)'`

/** Tables of one question: a question for each would be most of the time that a comparison takes. */
const tablesMax = 50

/** Count and checksum of every user table's and materialized view's rows, independent of their physical order. */
export const checksums = async (client: pg.Client): Promise<Checksums> => {
  const tables = await client.query<{ name: string; literal: string }>(
    `select name, quote_literal(name) as literal
     from (select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated) and ${userSchemas}) as names order by 1`,
  )
  const sums: Record<string, string> = {}
  for (let at = 0; at < tables.rows.length; at += tablesMax) {
    const questions = tables.rows
      .slice(at, at + tablesMax)
      .map(
        ({ name, literal }) =>
          `select ${literal} as name, count(*) as rows, md5(coalesce(string_agg(t::text, E'\\n' order by t::text collate "C"), '')) as md5 from ${name} t`,
      )
    const found = await client.query<{ name: string; rows: string; md5: string }>(questions.join('\nunion all\n'))
    for (const { name, rows, md5 } of found.rows) sums[name] = `${rows} rows, md5 ${md5}`
  }
  return sums
}

/** What must be the same in every node's catalogs, as sorted lines per kind of object. */
const catalogQueries: Readonly<Record<string, string>> = {
  relations: `select concat_ws(' ', format('%I.%I', n.nspname, c.relname), c.relkind, c.relpersistence, c.relispopulated, pg_get_userbyid(c.relowner),
      c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
      (select string_agg(i.inhparent::regclass::text, ',' order by i.inhseqno) from pg_inherits i where i.inhrelid = c.oid)) as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${userSchemas}`,
  acl: `select format('%I.%I %s', n.nspname, c.relname, array(select unnest(c.relacl)::text order by 1)) as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${userSchemas} and c.relacl is not null`,
  columns: `select concat_ws(' ', format('%I.%I.%s %I', n.nspname, c.relname, a.attnum, a.attname), format_type(a.atttypid, a.atttypmod),
      a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation, a.attstorage, a.attcompression,
      a.attstattarget, a.attoptions::text, array(select unnest(a.attacl)::text order by 1)) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'i', 'c') and ${userSchemas}`,
  indexes: `select pg_get_indexdef(i.indexrelid) as line from pg_index i join pg_class c on c.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace where i.indisvalid and ${userSchemas}`,
  constraints: `select concat_ws(' ', format('%I.%I', n.nspname, k.conname), k.conrelid::regclass, k.contypid::regtype, pg_get_constraintdef(k.oid),
      k.convalidated, k.conenforced, k.coninhcount, k.conislocal) as line
    from pg_constraint k join pg_namespace n on n.oid = k.connamespace where ${userSchemas}`,
  functions: `select concat_ws(' ', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), pg_get_userbyid(p.proowner),
      case when p.prokind <> 'a' then md5(pg_get_functiondef(p.oid)) end, array(select unnest(p.proacl)::text order by 1)) as line
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${userSchemas}`,
  aggregates: `select concat_ws(' ', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), a.aggtransfn, a.aggfinalfn,
      a.aggtranstype::regtype, a.agginitval) as line
    from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid join pg_namespace n on n.oid = p.pronamespace where ${userSchemas}`,
  operators: `select format('%I.%s (%s, %s) %s', n.nspname, o.oprname, o.oprleft::regtype, o.oprright::regtype, o.oprcode) as line
    from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where ${userSchemas}`,
  casts: `select concat_ws(' ', castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod) as line
    from pg_cast where oid >= 16384`,
  sequences: `select concat_ws(' ', format('%I.%I', n.nspname, c.relname), s.seqtypid::regtype, s.seqincrement, s.seqcycle, s.seqcache,
      (select concat_ws(' ', d.deptype, d.refobjid::regclass, d.refobjsubid) from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))) as line
    from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace where ${userSchemas}`,
  comments: `select concat_ws(' ', d.classoid::regclass, o.type, o.identity, d.description) as line
    from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o
    where d.objoid >= 16384 and o.identity !~ 'allwrite'`,
  policies: `select concat_ws(' ', polrelid::regclass, polname, polcmd, polpermissive, array(select r::regrole::text from unnest(polroles) r order by 1),
      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) as line from pg_policy`,
  rules: `select pg_get_ruledef(r.oid) as line from pg_rewrite r join pg_class c on c.oid = r.ev_class
    join pg_namespace n on n.oid = c.relnamespace where r.rulename <> '_RETURN' and ${userSchemas}`,
  statistics: `select pg_get_statisticsobjdef(s.oid) as line from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where ${userSchemas}`,
  collations: `select concat_ws(' ', format('%I.%I', n.nspname, c.collname), c.collprovider, c.collisdeterministic, c.collcollate, c.colllocale) as line
    from pg_collation c join pg_namespace n on n.oid = c.collnamespace where ${userSchemas}`,
  defaults: `select concat_ws(' ', defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace, defaclobjtype, array(select unnest(defaclacl)::text order by 1)) as line
    from pg_default_acl`,
  triggers: `select concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) as line from pg_trigger t join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace where not t.tgisinternal and ${userSchemas}`,
  types: `select concat_ws(' ', format('%I.%I', n.nspname, t.typname), t.typtype, nullif(t.typbasetype, 0)::regtype, t.typnotnull, t.typdefault,
      pg_get_userbyid(t.typowner), array(select unnest(t.typacl)::text order by 1),
      array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)) as line
    from pg_type t join pg_namespace n on n.oid = t.typnamespace where ${userSchemas}`,
  views: `select format('%I.%I %s', n.nspname, c.relname, pg_get_viewdef(c.oid)) as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('v', 'm') and ${userSchemas}`,
  schemas: `select concat_ws(' ', format('%I', n.nspname), pg_get_userbyid(n.nspowner), array(select unnest(n.nspacl)::text order by 1)) as line from pg_namespace n where ${userSchemas}`,
  extensions: `select format('%I %s', extname, extversion) as line from pg_extension`,
  roles: `select concat_ws(' ', format('%I', rolname), rolsuper, rolcanlogin, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
      rolconnlimit, rolvaliduntil, shobj_description(oid, 'pg_authid')) as line
    from pg_roles where rolname !~ '^(pg_|allwrite)'`,
  foreign: `select concat_ws(' ', 'wrapper', fdwname, fdwoptions::text, fdwacl::text) as line from pg_foreign_data_wrapper
    union all select concat_ws(' ', 'server', srvname, srvoptions::text, srvacl::text) from pg_foreign_server
    union all select concat_ws(' ', 'mapping', srvname, usename, umoptions::text) from pg_user_mappings
    union all select concat_ws(' ', 'table', ftrelid::regclass, ftoptions::text) from pg_foreign_table`,
  publications: `select concat_ws(' ', format('%I', p.pubname), pg_get_userbyid(p.pubowner), p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete,
      p.pubtruncate, p.pubviaroot, p.pubgencols,
      array(select format('%s %s %s', r.prrelid::regclass, r.prattrs, pg_get_expr(r.prqual, r.prrelid)) from pg_publication_rel r where r.prpubid = p.oid order by 1),
      array(select s.pnnspid::regnamespace::text from pg_publication_namespace s where s.pnpubid = p.oid order by 1)) as line from pg_publication p
    where pg_get_userbyid(p.pubowner) <> 'allwrite'`,
  event_triggers: `select concat_ws(' ', format('%I', evtname), evtevent, pg_get_userbyid(evtowner), evtfoid::regproc, evtenabled, evttags::text) as line from pg_event_trigger
    where pg_get_userbyid(evtowner) <> 'allwrite'`,
  languages: `select format('%I %s', lanname, lanacl) as line from pg_language`,
  settings: `select concat_ws(' ', d.datname, r.rolname, setconfig::text) as line from pg_db_role_setting s
    left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole where s.setrole = 0 or r.rolname !~ '^allwrite'`,
  members: `select concat_ws(' ', m.member::regrole, 'of', m.roleid::regrole, m.admin_option, m.inherit_option, m.set_option) as line from pg_auth_members m`,
  databases: `select format('%I %s %s %s %s %s %s %s %s', datname, case when oid >= 2147483648 then oid end, pg_get_userbyid(datdba), encoding,
      datcollate, datctype, datconnlimit, datistemplate, array(select unnest(datacl)::text order by 1)) as line from pg_database`,
}

const allCatalogs = Object.entries(catalogQueries)
  .map(([kind, query]) => `select '${kind}' as kind, line from (${query}) as lines`)
  .join('\nunion all\n')

/** The catalogs' lines by kind, sorted. */
export const catalogs = async (client: pg.Client): Promise<Readonly<Record<string, readonly string[]>>> => {
  const { rows } = await client.query<{ kind: string; line: string }>(allCatalogs)
  const found = Object.fromEntries(Object.keys(catalogQueries).map((kind): [string, string[]] => [kind, []]))
  for (const { kind, line } of rows) found[kind]?.push(line)
  for (const lines of Object.values(found)) lines.sort()
  return found
}

/** Databases of a node but the first, by name: of those that clients may connect to. */
const otherDatabases = async (client: pg.Client): Promise<string[]> => {
  const { rows } = await client.query<{ name: string }>(
    `select datname::text as name from pg_database
      where datallowconn and datname not in (current_database(), 'template0', 'template1') order by datname`,
  )
  return rows.map(({ name }) => name)
}

/**
 * Asks each database of a node; answers of others than the first have the database's name before theirs.
 * @param connect to a database of that node
 */
export const inEveryDatabase = async <T>(
  first: pg.Client,
  connect: (database: string) => Promise<pg.Client>,
  ask: (client: pg.Client) => Promise<Readonly<Record<string, T>>>,
): Promise<Record<string, T>> => {
  const answers: Record<string, T> = { ...(await ask(first)) }
  for (const database of await otherDatabases(first)) {
    const client = await connect(database)
    try {
      for (const [name, answer] of Object.entries(await ask(client))) answers[`${database}: ${name}`] = answer
    } finally {
      await client.end()
    }
  }
  return answers
}

/** What every node answers, by node id. */
const fromEveryNode = async <T>(
  cluster: Comparable,
  ask: (client: pg.Client) => Promise<Readonly<Record<string, T>>>,
): Promise<Map<string, Readonly<Record<string, T>>>> => {
  const answers = await Promise.all(
    cluster.nodes.map(async ({ id }) => {
      const number = Number(id.slice(1))
      const client = await cluster.connect(number)
      try {
        return [id, await inEveryDatabase(client, (database) => cluster.connect(number, database), ask)] as const
      } finally {
        await client.end()
      }
    }),
  )
  return new Map(answers)
}

/** What nodes say of themselves is as old as this, ms, and a little older where the machine is busy. */
const statusMsMax = 300

/** Resolves once every node says that it serves at the same position with nothing left in the journal. */
const whenAllSay = (cluster: Comparable, msMax: number): Promise<true> =>
  until(
    'all nodes serve at the same position',
    async () => {
      const nodes = await cluster.status()
      const still = nodes.filter(
        ({ state, lag, position }) => state !== 'serving' || lag !== 0 || position !== nodes[0]?.position,
      )
      if (still.length > 0) throw new Error(JSON.stringify(nodes))
      return true
    },
    { msMax, everyMs: 50 },
  )

/** Waits until every node is serving at the same position with nothing left in the journal. Nobody may write meanwhile. */
export const whenQuiescent = async (cluster: Comparable, msMax = 60_000): Promise<void> => {
  await delay(statusMsMax)
  await whenAllSay(cluster, msMax)
}

/** Positions are equal already; what is left is a word that was too old, ms. */
const sameMsMax = 10_000

const assertSame = async <T>(
  cluster: Comparable,
  ask: (client: pg.Client) => Promise<Readonly<Record<string, T>>>,
  msMax: number,
): Promise<Readonly<Record<string, T>>> => {
  let answers = new Map<string, Readonly<Record<string, T>>>()
  const compare = (): Readonly<Record<string, T>> => {
    const [first, ...others] = answers
    assert(first)
    for (const [id, answer] of others) assert.deepEqual(answer, first[1], `${id} differs from ${first[0]}`)
    return first[1]
  }
  const look = async (): Promise<Readonly<Record<string, T>>> => {
    answers = await fromEveryNode(cluster, ask)
    return compare()
  }
  await whenAllSay(cluster, msMax)
  const atOnce = await look().catch(() => undefined)
  if (atOnce !== undefined) return atOnce
  await whenQuiescent(cluster, msMax)
  try {
    return await until('all nodes answer the same', look, { msMax: Math.min(msMax, sameMsMax), everyMs: 100 })
  } catch (error) {
    if (answers.size === cluster.nodes.length) compare() // shows the difference itself
    throw error
  }
}

/**
 * Every node holds the same rows in every user table of every database, after quiescence.
 * @returns the common checksums
 * @throws AssertionError with the difference
 */
export const assertAllEqual = (cluster: Comparable, msMax = 60_000): Promise<Checksums> =>
  assertSame(cluster, checksums, msMax)

/**
 * Every node's catalogs name the same objects, defined the same way.
 * @throws AssertionError with the difference
 */
export const assertSameCatalogs = async (cluster: Comparable, msMax = 60_000): Promise<void> => {
  await assertSame(cluster, catalogs, msMax)
}
