/**
 * The catalog query of {@link loadRelations}: all tables, unique indexes and foreign keys as one JSON text, so that they
 * come from one snapshot and need no type parsers.
 *
 * Source: PostgreSQL documentation, "System Catalogs": pg_class, pg_attribute, pg_index, pg_constraint, pg_collation.
 *
 * @module
 */

/** One row, one text column. Works on PostgreSQL 17 and newer. */
export const relationsSql = `
with recursive
domain (oid, base) as (
  select oid, typbasetype from pg_catalog.pg_type where typtype = 'd'
  union all
  select d.oid, t.typbasetype from domain d join pg_catalog.pg_type t on t.oid = d.base where t.typtype = 'd'
),
base (oid, base) as (
  select d.oid, d.base from domain d join pg_catalog.pg_type t on t.oid = d.base where t.typtype <> 'd'
),
relation as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relreplident,
         coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) as root
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
),
columns as (
  select a.attrelid, json_agg(json_build_object(
    'name', a.attname, 'typeSchema', tn.nspname, 'typeName', t.typname, 'isEnum', t.typtype = 'e',
    'deterministic', coalesce(co.collisdeterministic, true), 'generated', a.attgenerated) order by a.attnum) as list
  from pg_catalog.pg_attribute a
  join relation r on r.oid = a.attrelid
  left join base b on b.oid = a.atttypid
  join pg_catalog.pg_type t on t.oid = coalesce(b.base, a.atttypid)
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  left join pg_catalog.pg_collation co on co.oid = a.attcollation
  where a.attnum > 0 and not a.attisdropped
  group by a.attrelid
),
unique_index as (
  select i.*, coalesce(pg_catalog.pg_partition_root(i.indexrelid)::oid, i.indexrelid) as root
  from pg_catalog.pg_index i join relation r on r.oid = i.indrelid
  where i.indislive and (i.indisunique or i.indisexclusion)
),
index_columns as (
  select i.indexrelid, json_agg(json_build_object(
    'name', a.attname, 'deterministic', coalesce(co.collisdeterministic, true),
    'builtin', op.opcnamespace = 'pg_catalog'::regnamespace) order by k.n) as list
  from unique_index i
  cross join lateral generate_series(0, i.indnkeyatts - 1) as k (n)
  join pg_catalog.pg_opclass op on op.oid = i.indclass[k.n]
  left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[k.n] and a.attnum <> 0
  left join pg_catalog.pg_collation co on co.oid = i.indcollation[k.n]
  group by i.indexrelid
)
select json_build_object(
  'relations', (
    select coalesce(json_agg(json_build_object(
      'oid', r.oid::int8, 'schema', r.nspname, 'name', r.relname, 'rootSchema', rn.nspname, 'rootName', rc.relname,
      'partitioned', r.relkind = 'p', 'identity', r.relreplident, 'columns', coalesce(c.list, '[]'))
      order by r.nspname, r.relname), '[]')
    from relation r
    join pg_catalog.pg_class rc on rc.oid = r.root join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
    left join columns c on c.attrelid = r.oid),
  'indexes', (
    select coalesce(json_agg(json_build_object(
      'relation', i.indrelid::int8, 'oid', i.indexrelid::int8, 'rootOid', i.root::int8,
      'schema', rn.nspname, 'name', rc.relname, 'primary', i.indisprimary, 'unique', i.indisunique,
      'exclusion', i.indisexclusion, 'btree', am.amname = 'btree', 'expressions', i.indexprs is not null,
      'partial', i.indpred is not null, 'immediate', i.indimmediate, 'nullsNotDistinct', i.indnullsnotdistinct,
      'identity', i.indisreplident, 'columns', c.list)
      order by i.indisprimary desc, rn.nspname, rc.relname), '[]')
    from unique_index i
    join pg_catalog.pg_class ic on ic.oid = i.indexrelid join pg_catalog.pg_am am on am.oid = ic.relam
    join pg_catalog.pg_class rc on rc.oid = i.root join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
    join index_columns c on c.indexrelid = i.indexrelid),
  'foreignKeys', (
    select coalesce(json_agg(json_build_object(
      'relation', k.conrelid::int8, 'name', k.conname, 'index', k.conindid::int8,
      'tableSchema', tn.nspname, 'tableName', tc.relname,
      'columns', (select json_agg(a.attname order by p.n) from unnest(k.conkey) with ordinality as p (attnum, n)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.attnum),
      'referenced', (select json_agg(a.attname order by p.n) from unnest(k.confkey) with ordinality as p (attnum, n)
        join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = p.attnum))
      order by k.conname, k.oid), '[]')
    from pg_catalog.pg_constraint k
    join relation r on r.oid = k.conrelid join relation f on f.oid = k.confrelid
    join pg_catalog.pg_class tc on tc.oid = f.root join pg_catalog.pg_namespace tn on tn.oid = tc.relnamespace
    where k.contype = 'f')
)::text as catalog`
