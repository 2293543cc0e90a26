/**
 * Keeps a node from being made anew for ever. An inconsistent node is replaced by a copy; where the same record trips the copy
 * too, or one trip follows another, copying is no cure: the node then stays out of service, with its data, for people.
 *
 * The trips are remembered in a file beside the data folder, which outlives a rebuild.
 *
 * @module
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeName, type NodeId, type Position } from '../../core/ids.ts'

export interface Trip {
  /** The record that can't be applied, or what the node had applied when it was found inconsistent. */
  readonly position: Position
  /** Unix time, ms. */
  readonly at: number
}

/** So many rebuilds within this time are tried, whatever the reasons. */
export const rebuildsMax = 3
export const rebuildsWithinMs = 30 * 60_000
/** Trips that are remembered. */
const rememberedMax = 16

const fileOf = (nodeDir: string): string => join(nodeDir, 'trips')

/** Why a copy would not help; undefined where it may. */
export const whyNoRebuild = (earlier: readonly Trip[], trip: Trip): string | undefined => {
  if (earlier.some(({ position }) => position === trip.position)) {
    return `position ${trip.position} has tripped it before, and a copy of a peer did not help`
  }
  const recent = earlier.filter(({ at }) => at > trip.at - rebuildsWithinMs).length
  if (recent < rebuildsMax) return undefined
  return `it was made anew ${recent} times within ${rebuildsWithinMs / 60_000} minutes`
}

const readTrips = (nodeDir: string): readonly Trip[] => {
  try {
    return JSON.parse(readFileSync(fileOf(nodeDir), 'utf8')) as readonly Trip[]
  } catch {
    // None yet, or cut off by a crash of the machine: at worst one rebuild more.
    return []
  }
}

/** Remembers a trip. @returns why the node is not to be made anew by itself, and what a person can do; undefined if it is */
export const rememberTrip = (node: NodeId, nodeDir: string, trip: Trip): string | undefined => {
  const earlier = readTrips(nodeDir)
  const path = fileOf(nodeDir)
  writeFileSync(`${path}.new`, `${JSON.stringify([...earlier, trip].slice(-rememberedMax))}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  const why = whyNoRebuild(earlier, trip)
  if (why === undefined) return undefined
  const name = nodeName(node)
  return (
    `Not made anew: ${why}. Its data are kept. ` +
    `When the cause is cured: remove "${path}", make an empty file "${join(nodeDir, 'rebuild')}", then "allwrite kill ${name}" and "allwrite start ${name}": it becomes a copy of a live node.`
  )
}
