/**
 * Where each certification key was last written or locked: hash → the newest journal position per class, a class being a lock
 * mode with or without {@link KeyFlag.early}. The certifier's memory; it knows nothing of records or verdicts.
 *
 * Shape: 256 shards by the hash's top byte, each one `Int32Array` of 16-byte slots with linear probing. One array holds no
 * pointers, so the garbage collector never walks ten million keys; shards grow one by one, so no insertion stops
 * for more than the 1/256th of the table. All classes of a hash lie in one probe chain: one walk sees them all.
 *
 * Eviction: a slot at or below the floor is dead. It stays in the chain until an insertion reuses it or its shard is rebuilt;
 * it can't change an answer before, because every read position asked with is at least the floor.
 *
 * @module
 */
import { assert } from './errors.ts'
import { KeyFlag, LockMode } from './writeset.ts'

/** Bit `m` of element `n` is set where mode `n` waits for mode `m`: PostgreSQL, "Conflicting Row-Level Locks" (13.3.2). */
const conflictsWith: readonly number[] = (() => {
  const { keyShare, share, noKeyUpdate, update } = LockMode
  const bits = (...modes: LockMode[]): number => modes.reduce((sum: number, mode) => sum | (1 << mode), 0)
  const table = [0, 0, 0, 0]
  table[keyShare] = bits(update)
  table[share] = bits(noKeyUpdate, update)
  table[noKeyUpdate] = bits(share, noKeyUpdate, update)
  table[update] = bits(keyShare, share, noKeyUpdate, update)
  return table
})()

/** Whether two modes of one key exclude each other; symmetric. */
export const modesConflict = (a: LockMode, b: LockMode): boolean => ((conflictsWith[a]! >> b) & 1) === 1

/** A packed key's tag without {@link KeyFlag.checkOnly}: mode in bits 0–1, early in bit 2. */
export type KeyClass = number
const modeMask = 0x03
const classMask = modeMask | KeyFlag.early

/** A slot: hash high, hash low, position low, then position high << 4 | used | class. An unused slot is all zero. */
const slotWords = 4
const used = 0x08
const shardCount = 256
/** Where a shard starts: 64 slots of 16 bytes are 256 KiB in all, next to nothing for an idle node. */
const shardSlotsMin = 64
/** A shard is rebuilt when it is fuller than this; longer chains would cost more than the memory saves. */
const fullMax = 0.6
/** A rebuilt shard is at most this full of live keys, so that many insertions pay for the next rebuild. */
const fullAfterRebuild = 0.35

interface Shard {
  slots: Int32Array
  /** Slots in use, dead ones included. */
  filled: number
}

export interface KeyIndex {
  /**
   * The newest position at which the key is held in a conflicting mode: above `early` where the entry is early-flagged or
   * `early` is asked for by the key's own class, else above `late`. 0 where there is none.
   */
  conflict(high: number, low: number, keyClass: KeyClass, early: number, late: number): number
  /** Holds the key at `position`, which is above every position entered before. Slots at or below `floor` may be dropped. */
  enter(high: number, low: number, keyClass: KeyClass, position: number, floor: number): void
  /** For metrics: slots in use, dead ones included, and the bytes of all shards. */
  size(): { readonly slots: number; readonly bytes: number }
}

export const createKeyIndex = (): KeyIndex => {
  const shards: Shard[] = Array.from({ length: shardCount }, () => emptyShard(shardSlotsMin))

  const conflict = (high: number, low: number, keyClass: KeyClass, early: number, late: number): number => {
    const { slots } = shards[high >>> 24]!
    const mask = slots.length - 1
    const conflicting = conflictsWith[keyClass & modeMask]!
    const own = (keyClass & KeyFlag.early) === 0 ? late : early
    let newest = 0
    for (let at = (low * slotWords) & mask; slots[at + 3] !== 0; at = (at + slotWords) & mask) {
      if (slots[at] !== (high | 0) || slots[at + 1] !== (low | 0)) continue
      const tag = slots[at + 3]!
      if (((conflicting >> (tag & modeMask)) & 1) === 0) continue
      const position = positionAt(slots, at)
      if (position > ((tag & KeyFlag.early) === 0 ? own : early) && position > newest) newest = position
    }
    return newest
  }

  const enter = (high: number, low: number, keyClass: KeyClass, position: number, floor: number): void => {
    const shard = shards[high >>> 24]!
    const slots = shard.slots
    const mask = slots.length - 1
    let free = -1
    let at = (low * slotWords) & mask
    for (; slots[at + 3] !== 0; at = (at + slotWords) & mask) {
      if (
        slots[at] === (high | 0) &&
        slots[at + 1] === (low | 0) &&
        (slots[at + 3]! & classMask) === (keyClass & classMask)
      ) {
        put(slots, at, high, low, keyClass, position)
        return
      }
      // Reusing a dead slot breaks no chain: it stays in use. But the key itself may come later, so the walk goes on.
      if (free < 0 && positionAt(slots, at) <= floor) free = at
    }
    put(slots, free < 0 ? at : free, high, low, keyClass, position)
    if (free >= 0) return
    shard.filled++
    if (shard.filled > (slots.length / slotWords) * fullMax) rebuild(shard, floor)
  }

  const size = (): { slots: number; bytes: number } => {
    let slots = 0
    let bytes = 0
    for (const shard of shards) {
      slots += shard.filled
      bytes += shard.slots.byteLength
    }
    return { slots, bytes }
  }

  return { conflict, enter, size }
}

const emptyShard = (slots: number): Shard => ({ slots: new Int32Array(slots * slotWords), filled: 0 })

const positionAt = (slots: Int32Array, at: number): number => (slots[at + 3]! >>> 4) * 2 ** 32 + (slots[at + 2]! >>> 0)

const put = (slots: Int32Array, at: number, high: number, low: number, keyClass: KeyClass, position: number): void => {
  slots[at] = high
  slots[at + 1] = low
  slots[at + 2] = position
  slots[at + 3] = (Math.floor(position / 2 ** 32) << 4) | used | (keyClass & classMask)
}

/** Copies what is above `floor` into a shard of the right size, larger or smaller. */
const rebuild = (shard: Shard, floor: number): void => {
  const old = shard.slots
  let live = 0
  for (let at = 0; at < old.length; at += slotWords) if (old[at + 3] !== 0 && positionAt(old, at) > floor) live++
  let capacity = shardSlotsMin
  while (live > capacity * fullAfterRebuild) capacity *= 2
  const slots = new Int32Array(capacity * slotWords)
  const mask = slots.length - 1
  for (let from = 0; from < old.length; from += slotWords) {
    if (old[from + 3] === 0 || positionAt(old, from) <= floor) continue
    let at = (old[from + 1]! * slotWords) & mask
    while (slots[at + 3] !== 0) at = (at + slotWords) & mask
    // Word by word: a view for each slot would cost more than the copy.
    for (let word = 0; word < slotWords; word++) slots[at + word] = old[from + word]!
  }
  assert(live < capacity, 'a shard always has an empty slot, or its walks would not end')
  shard.slots = slots
  shard.filled = live
}
