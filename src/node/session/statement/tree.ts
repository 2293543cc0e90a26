/**
 * Reading libpg-query's JSON without trusting its shape: fields are absent when zero, lists hold `{NodeType: body}`.
 *
 * @module
 */

/** A node's body, or a `{NodeType: body}` wrapper. */
export type Tree = { readonly [field: string]: unknown }

/** The value as an object; an empty one if it is none, as protobuf JSON leaves out what is empty. */
export function tree(value: unknown): Tree {
  return isTree(value) ? value : {}
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as a list; empty if absent. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Splits a wrapper `{NodeType: body}`; `type` is empty if the value is none. */
export function unwrap(value: unknown): { readonly type: string; readonly body: Tree } {
  if (isTree(value)) {
    for (const type in value) return { type, body: tree(value[type]) }
  }
  return { type: '', body: {} }
}

/** The names in a list of String nodes: `pg_catalog`, `int4`. */
export function names(value: unknown): readonly string[] {
  return list(value).map((item) => text(tree(tree(item)['String'])['sval']) ?? '')
}

/** A constant or a bare word as SET and DefElem hold it, as text; undefined for anything else. */
export function constant(value: unknown): string | undefined {
  const { type, body } = unwrap(value)
  switch (type) {
    case 'A_Const':
      if (isTree(body['sval'])) return text(body['sval']['sval']) ?? ''
      if (isTree(body['ival'])) return scalar(body['ival']['ival'], '0')
      if (isTree(body['fval'])) return text(body['fval']['fval']) ?? ''
      if (isTree(body['boolval'])) return scalar(body['boolval']['boolval'], 'false')
      return undefined
    case 'TypeCast':
      return constant(body['arg'])
    case 'String':
      return text(body['sval']) ?? ''
    case 'Integer':
      return scalar(body['ival'], '0')
    case 'Float':
      return text(body['fval']) ?? ''
    case 'Boolean':
      return scalar(body['boolval'], 'false')
    default:
      return undefined
  }
}

/** A number or boolean as text; protobuf JSON leaves out zero and false. */
function scalar(value: unknown, absent: string): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : absent
}

/** PostgreSQL's boolean words, unique prefixes included (utils/adt/bool.c, parse_bool_with_len). */
export function booleanWord(word: string): boolean | undefined {
  const w = word.trim().toLowerCase()
  if (w === '') return undefined
  if (w === '1' || w === 'on' || 'true'.startsWith(w) || 'yes'.startsWith(w)) return true
  if (w === '0' || w === 'of' || w === 'off' || 'false'.startsWith(w) || 'no'.startsWith(w)) return false
  return undefined
}

/** A DefElem list's option as a switch, the way defGetBoolean reads it: absent is false, bare is true, odd is true. */
export function optionOn(options: unknown, name: string): boolean {
  let on = false
  for (const item of list(options)) {
    const option = tree(tree(item)['DefElem'])
    if (text(option['defname'])?.toLowerCase() !== name) continue
    const value = option['arg'] === undefined ? undefined : constant(option['arg'])
    on = value === undefined || (booleanWord(value) ?? true)
  }
  return on
}
