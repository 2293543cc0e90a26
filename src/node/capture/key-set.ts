/**
 * The certification keys of one record while they are collected: without duplicates, bounded per table, packed at the end.
 *
 * Of a key named several times the strongest mode stays. A row that is both locked (an early-flagged key: FOR UPDATE, or
 * referenced) and written (a key without the flag) has the strongest mode of all, without the flag: wherever the record is
 * applied its write waits for others' locks on that row, so they are held off as by any write. With the flag each waiter for a
 * hot row would be judged by its early position and lose (RULES 11). A coarse key stands for many rows, the written and
 * the locked may be different ones: there both stay, and so do they for tables.
 *
 * @module
 */
import { keyBytes, KeyFlag, LockMode } from '../../core/writeset.ts'
import type { HashWords } from '../../core/hash.ts'

/** Keys of one table's rows in a record; beyond, the table itself is the key. 36 KB of record per table. */
export const rowKeysMax = 4096

/** A table as certification knows it: one number for the topmost table and all its partitions. */
export interface TableKey {
  readonly hash: HashWords
}

export interface KeySet {
  /** Names a row's key (or a whole index's): `tag` is mode and flags. The table's intention comes with it. */
  row(table: TableKey, hash: HashWords, tag: number, index?: { readonly coarse: boolean }): void
  /** Names the table itself: KEY SHARE is the intention of every row's writer, UPDATE excludes them all. */
  table(table: TableKey, tag: number): void
  /** Rows' keys, then tables', then `last`: the most telling one comes first, since the first that conflicts is named. */
  pack(last: { readonly hash: HashWords; readonly tag: number }): Uint8Array
}

interface TableState {
  readonly key: TableKey
  readonly number: number
  rows: number
  /** OR of 1 << tag for each tag the table was named with. */
  tags: number
  /** Too many rows: they are the table's key now. */
  escalated: boolean
}

const modeMask = 0x03
/** Beside a tag, in memory only: the key stands for one row. */
const oneRow = 0x100
/** What tells two keys of one hash apart. */
const flagMask = ~modeMask

export const createKeySet = (): KeySet => {
  const tables = new Map<TableKey, TableState>()
  const states: TableState[] = []
  // Per key: hash high, hash low, tag (and `oneRow`), table number.
  let keys = new Uint32Array(16 * 4)
  let count = 0
  // Open addressing: key number + 1, 0 where free. At least twice as long as the keys.
  let places = new Int32Array(64)

  const stateOf = (key: TableKey): TableState => {
    let state = tables.get(key)
    if (state === undefined) {
      state = { key, number: states.length, rows: 0, tags: 0, escalated: false }
      tables.set(key, state)
      states.push(state)
    }
    return state
  }

  const grow = (): void => {
    const larger = new Uint32Array(keys.length * 2)
    larger.set(keys)
    keys = larger
    places = new Int32Array(places.length * 2)
    for (let i = 0; i < count; i++) {
      let at = keys[i * 4 + 1]! & (places.length - 1)
      while (places[at] !== 0) at = (at + 1) & (places.length - 1)
      places[at] = i + 1
    }
  }

  /** Where the key is in `keys`; -1 - its free place where it is not. */
  const find = (high: number, low: number, tag: number): number => {
    let at = low & (places.length - 1)
    for (; places[at] !== 0; at = (at + 1) & (places.length - 1)) {
      const i = (places[at]! - 1) * 4
      if (keys[i] === high && keys[i + 1] === low && ((keys[i + 2]! ^ tag) & flagMask) === 0) return i
    }
    return -1 - at
  }

  const row: KeySet['row'] = (table, hash, plainTag, index) => {
    const tag = plainTag | (index?.coarse === false ? oneRow : 0)
    const state = stateOf(table)
    const early = tag & KeyFlag.early
    state.tags |= 1 << (LockMode.keyShare | early)
    if (state.escalated) {
      state.tags |= 1 << (LockMode.update | early)
      return
    }
    const [high, low] = [hash[0]!, hash[1]!]
    const found = find(high, low, tag)
    if (found >= 0) {
      if ((keys[found + 2]! & modeMask) < (tag & modeMask)) keys[found + 2] = tag
      return
    }
    if (state.rows === rowKeysMax) {
      escalate(state)
      state.tags |= 1 << (LockMode.update | early)
      return
    }
    state.rows++
    keys.set([high, low, tag, state.number], count * 4)
    places[-1 - found] = ++count
    if (count * 4 === keys.length) grow()
  }

  /** Its rows' keys stay where they are and are left out when packed: no more of them can come. */
  const escalate = (state: TableState): void => {
    state.escalated = true
    for (let i = 0; i < count; i++) {
      if (keys[i * 4 + 3] === state.number) state.tags |= 1 << (LockMode.update | (keys[i * 4 + 2]! & KeyFlag.early))
    }
  }

  const pack = (last: { readonly hash: HashWords; readonly tag: number }): Uint8Array => {
    const packed = new Uint8Array((count + states.length * 8 + 1) * keyBytes)
    const view = new DataView(packed.buffer)
    let at = 0
    const put = (high: number, low: number, tag: number): void => {
      view.setUint32(at, high)
      view.setUint32(at + 4, low)
      packed[at + 8] = tag
      at += keyBytes
    }
    for (let i = 0; i < count * 4; i += 4) {
      if (states[keys[i + 3]!]!.escalated) continue
      const tag = keys[i + 2]!
      const twin = (tag & oneRow) === 0 ? -1 : find(keys[i]!, keys[i + 1]!, tag ^ KeyFlag.early)
      const early = (tag & KeyFlag.early) !== 0
      if (twin >= 0 && early) continue
      const mode = twin < 0 ? tag & modeMask : Math.max(tag & modeMask, keys[twin + 2]! & modeMask)
      put(keys[i]!, keys[i + 1]!, mode | (early ? KeyFlag.early : 0))
    }
    for (const { key, tags } of states) for (const tag of strongest(tags)) put(key.hash[0]!, key.hash[1]!, tag)
    put(last.hash[0]!, last.hash[1]!, last.tag)
    return packed.slice(0, at)
  }

  return { row, table: (table, tag) => void (stateOf(table).tags |= 1 << tag), pack }
}

/** The strongest mode of each kind of key, of a set of tags: written, locked, only read. */
const strongest = (tags: number): number[] => {
  const chosen: number[] = []
  for (const flags of [0, KeyFlag.early, KeyFlag.early | KeyFlag.checkOnly]) {
    for (let mode: number = LockMode.update; mode >= LockMode.keyShare; mode--) {
      if ((tags & (1 << (mode | flags))) === 0) continue
      chosen.push(mode | flags)
      break
    }
  }
  return chosen
}
