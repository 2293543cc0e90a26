/**
 * Hashes of an index's values and of whole rows: a chain over the columns, each one's hash the seed of the next, seeded by
 * the index's or table's name. The length takes part in each link, so ('ab', 'c') and ('a', 'bc') differ.
 *
 * @module
 */
import { hash64 } from '../../core/hash.ts'
import type { HashWords } from '../../core/hash.ts'
import type { Value } from '../../wire/pgoutput/messages.ts'
import { canonical } from './canonical.ts'
import type { IndexPlan, Layout } from './key-plan.ts'

const noBytes = new Uint8Array(0)
/** Told apart from an empty text by another seed; any constant does. */
const nullSeed = 0x6e756c6c

/**
 * Hashes a row's key in an index into `out`.
 * @returns `none`: a NULL makes it unlike every other; `unknown`: a value it needs was not in the stream
 */
export const hashIndex = (index: IndexPlan, values: readonly Value[], out: HashWords): 'key' | 'none' | 'unknown' => {
  out.set(index.hash)
  if (index.coarse) return 'key'
  let unknown = false
  for (const at of index.at) {
    if (values[at] === undefined) unknown = true
    else if (values[at] === null && !index.nullsNotDistinct) return 'none'
  }
  if (unknown) return 'unknown'
  for (let i = 0; i < index.at.length; i++) link(index.equalities[i]!.form, values[index.at[i]!], out)
  return 'key'
}

/**
 * Hashes a whole row into `out`. Columns without an exact equality are left out, which only makes more rows alike.
 * @returns false where a value was not in the stream
 */
export const hashRow = (layout: Layout, values: readonly Value[], out: HashWords): boolean => {
  out.set(layout.rowHash)
  for (let at = 0; at < layout.equalities.length; at++) {
    const { form } = layout.equalities[at]!
    if (form === 'none') continue
    if (values[at] === undefined) return false
    link(form, values[at], out)
  }
  return true
}

const link = (form: Parameters<typeof canonical>[0], value: Value, out: HashWords): void => {
  const bytes = value === null || value === undefined ? noBytes : canonical(form, value)
  const seed = value === null ? out[0]! ^ nullSeed : out[0]!
  hash64(bytes, 0, bytes.length, seed, out[1]!, out)
}
