/**
 * Names of what can be wrong with a history, and which of it an isolation level forbids.
 *
 * Cycles are classified as by Adya, Liskov and O'Neil, "Generalized Isolation Level Definitions" (ICDE 2000), refined as in
 * Kingsbury and Alvaro, "Elle" (VLDB 2020): by the number of anti-dependencies (rw) and whether two of them are adjacent.
 * Snapshot isolation forbids exactly the cycles without two adjacent rw edges: Cerone and Gotsman, "Analysing Snapshot
 * Isolation" (PODC 2016). A session or real-time edge orders a commit before a later start, as ww and wr do.
 *
 * @module
 */

export const cycleClasses = ['G0', 'G1c', 'G-single', 'G-nonadjacent', 'G2-item'] as const
export type CycleClass = (typeof cycleClasses)[number]

/** Which order beside the data's a cycle needs: none, that of its sessions, or that of real time. */
export const layers = ['', '-process', '-realtime'] as const
export type Layer = (typeof layers)[number]

/**
 * `internal`: a transaction contradicts its own reads and appends. `G1a`: read of an aborted append. `G1b`: of an
 * intermediate one. `duplicate`: an append that happened twice. `garbage`: a value that nobody appended.
 * `incompatible-order`: two reads of one key, neither a prefix of the other. `lost`: an acknowledged append that a node does
 * not have at the end. `divergent`: nodes that differ at the end.
 */
export const plainAnomalies = [
  'internal',
  'G1a',
  'G1b',
  'duplicate',
  'garbage',
  'incompatible-order',
  'lost',
  'divergent',
] as const
export type PlainAnomaly = (typeof plainAnomalies)[number]

export type AnomalyName = PlainAnomaly | `${CycleClass}${Layer}`

const cycles = (classes: readonly CycleClass[], ofLayers: readonly Layer[]): AnomalyName[] =>
  ofLayers.flatMap((layer) => classes.map((name): AnomalyName => `${name}${layer}`))

const unordered = ['G0', 'G1c'] as const
const snapshot = ['G0', 'G1c', 'G-single', 'G-nonadjacent'] as const
const data = [''] as const
const session = ['', '-process'] as const

/**
 * What each level forbids. `prefix-snapshot` is the promise of a cluster whose nodes show prefixes of one order: snapshot
 * isolation, own commits are read back, commits are ordered as they were acknowledged; a read at another node may lag behind.
 */
const forbiddenBy = {
  'snapshot-isolation': [...plainAnomalies, ...cycles(snapshot, data)],
  'session-snapshot-isolation': [...plainAnomalies, ...cycles(snapshot, session)],
  'prefix-snapshot': [...plainAnomalies, ...cycles(snapshot, session), ...cycles(unordered, ['-realtime'])],
  'strong-snapshot-isolation': [...plainAnomalies, ...cycles(snapshot, layers)],
  serializable: [...plainAnomalies, ...cycles(cycleClasses, data)],
  'session-serializable': [...plainAnomalies, ...cycles(cycleClasses, session)],
  'strict-serializable': [...plainAnomalies, ...cycles(cycleClasses, layers)],
} as const satisfies Readonly<Record<string, readonly AnomalyName[]>>

export type Level = keyof typeof forbiddenBy

export const forbids = (level: Level, name: AnomalyName): boolean =>
  (forbiddenBy[level] as readonly AnomalyName[]).includes(name)
