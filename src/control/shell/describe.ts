/**
 * Our prompt's backslash commands, and the catalog queries behind them.
 *
 * @module
 */

export type Meta =
  | { readonly kind: 'quit' }
  | { readonly kind: 'help' }
  | { readonly kind: 'timing' }
  | { readonly kind: 'query'; readonly title: string; readonly text: string; readonly values: readonly string[] }
  | { readonly kind: 'unknown'; readonly name: string }

export const helpText = `  \\d [NAME]   tables, or the columns of one      \\timing   show how long statements take
  \\dt         tables                             \\?        this help
  \\l          databases                          \\q        leave
Everything else is SQL, ended by a semicolon.
`

const tables = `
select n.nspname as "Schema", c.relname as "Name",
       case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
                      when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table' end as "Type",
       pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = any (string_to_array($1, ',')::"char"[])
   and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'allwrite')
   and pg_catalog.pg_table_is_visible(c.oid)
 order by 1, 2`

const columns = `
select a.attname as "Column", pg_catalog.format_type(a.atttypid, a.atttypmod) as "Type",
       case when a.attnotnull then 'not null' else '' end as "Nullable",
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') as "Default"
  from pg_catalog.pg_attribute a
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attrelid = $1::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped
 order by a.attnum`

const databases = `
select datname as "Name", pg_catalog.pg_get_userbyid(datdba) as "Owner",
       pg_catalog.pg_encoding_to_char(encoding) as "Encoding", coalesce(datlocale, datcollate) as "Locale"
  from pg_catalog.pg_database order by 1`

/** What a line that begins with a backslash asks for. */
export function parseMeta(line: string): Meta {
  const [name = '', argument] = line.trim().replace(/;$/, '').split(/\s+/, 2)
  switch (name) {
    case '\\q':
      return { kind: 'quit' }
    case '\\?':
      return { kind: 'help' }
    case '\\timing':
      return { kind: 'timing' }
    case '\\l':
      return { kind: 'query', title: 'List of databases', text: databases, values: [] }
    case '\\dt':
      return { kind: 'query', title: 'List of tables', text: tables, values: ['r,p'] }
    case '\\d':
      return argument === undefined
        ? { kind: 'query', title: 'List of relations', text: tables, values: ['r,p,v,m,S,f'] }
        : { kind: 'query', title: `Table "${argument}"`, text: columns, values: [argument] }
    default:
      return { kind: 'unknown', name }
  }
}
