/**
 * When are two values equal, seen from their text? Certification needs bytes that are equal exactly when the index's
 * operator says so; a type for which that can't be had from text alone gets none, and its index becomes one coarse key.
 * Whether a type is exact never depends on the value: equal values must take the same path.
 *
 * The texts are the walsender's, under the capture connection's fixed settings: DateStyle ISO, TimeZone UTC, extra_float_digits 3,
 * bytea_output hex. Each type's output function is then a function of the value alone.
 *
 * @module
 */

/** How to bring the text of a value to bytes that decide equality. `none`: it can't be done. */
export interface Equality {
  readonly form: 'text' | 'number' | 'float' | 'blank_padded' | 'jsonb' | 'none'
  /**
   * Values of two columns may be compared, that is hash alike, only within one family: `integer` and `numeric` share one,
   * `text` and `char(n)` don't, since what a foreign key compares is a cast of one of them.
   */
  readonly family: string
}

/** A type as the catalog names it, domains resolved to what they are made from. */
export interface TypeName {
  readonly schema: string
  readonly name: string
  readonly isEnum: boolean
}

const none: Equality = { form: 'none', family: 'none' }
const number: Equality = { form: 'number', family: 'number' }
const text: Equality = { form: 'text', family: 'text' }

const exact = (family: string): [string, Equality] => [family, { form: 'text', family }]

/** Types of pg_catalog with one text per value, or a simple rule (utils/adt: the type's _eq and _out functions). */
const equalities: ReadonlyMap<string, Equality> = new Map<string, Equality>([
  ['int2', number],
  ['int4', number],
  ['int8', number],
  ['numeric', number],
  ['float4', { form: 'float', family: 'float4' }],
  ['float8', { form: 'float', family: 'float8' }],
  ['text', text],
  ['varchar', text],
  ['name', text],
  ['bpchar', { form: 'blank_padded', family: 'bpchar' }],
  ['jsonb', { form: 'jsonb', family: 'jsonb' }],
  ...['oid', 'bool', 'uuid', 'bytea', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'char', 'pg_lsn'].map(
    exact,
  ),
  ...['inet', 'cidr', 'macaddr', 'macaddr8', 'bit', 'varbit'].map(exact),
])

/**
 * The equality of a column.
 * @param collationDeterministic false where the collation calls different strings equal
 */
export const equalityOf = (type: TypeName, collationDeterministic: boolean): Equality => {
  if (!collationDeterministic) return none
  if (type.isEnum) return { form: 'text', family: `enum ${type.schema}.${type.name}` }
  return (type.schema === 'pg_catalog' ? equalities.get(type.name) : undefined) ?? none
}

/** Bytes of `value` that are equal exactly where the values are; mostly a view of it. Never asked for `none`. */
export const canonical = (form: Equality['form'], value: Uint8Array): Uint8Array => {
  if (form === 'number') return trimFraction(value, value.length)
  // -0 equals 0; every other float has one shortest text.
  if (form === 'float') return value.length === 2 && value[0] === minus && value[1] === zero ? value.subarray(1) : value
  if (form === 'blank_padded') return trimBlanks(value)
  if (form === 'jsonb') return jsonbCanonical(value)
  return value
}

const minus = 0x2d
const point = 0x2e
const zero = 0x30
const nine = 0x39
const blank = 0x20
const quote = 0x22
const backslash = 0x5c

/** 1.50 → 1.5, 2.00 → 2: numeric keeps the scale it was written with, and compares without it. Integers, NaN and Infinity stay. */
const trimFraction = (value: Uint8Array, end: number): Uint8Array => {
  const at = value.indexOf(point)
  if (at < 0 || at >= end) return value
  let to = end
  while (value[to - 1] === zero) to--
  return value.subarray(0, to - 1 === at ? at : to)
}

const trimBlanks = (value: Uint8Array): Uint8Array => {
  let to = value.length
  while (to > 0 && value[to - 1] === blank) to--
  return to === value.length ? value : value.subarray(0, to)
}

/**
 * jsonb prints keys in one order, without duplicates, and strings with one spelling; only its numbers are numerics with a scale.
 * So numbers outside strings lose their trailing zeros.
 */
const jsonbCanonical = (value: Uint8Array): Uint8Array => {
  if (!value.includes(point)) return value
  const out = new Uint8Array(value.length)
  let length = 0
  for (let at = 0; at < value.length;) {
    const start = at
    const first = value[at++]
    if (first === quote) {
      while (value[at] !== quote && at < value.length) at += value[at] === backslash ? 2 : 1
      at++
    } else if (isNumberByte(first)) {
      while (isNumberByte(value[at])) at++
      const number = trimFraction(value.subarray(start, at), at - start)
      out.set(number, length)
      length += number.length
      continue
    }
    out.set(value.subarray(start, at), length)
    length += Math.min(at, value.length) - start
  }
  return out.subarray(0, length)
}

const isNumberByte = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= zero && byte <= nine) || byte === point || byte === minus)
