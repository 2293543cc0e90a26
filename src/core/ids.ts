/**
 * The identities that every part shares. They are branded numbers, so that a position can't be passed for a node.
 *
 * @module
 */

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/**
 * A journal sequence number: dense, starting at 1; one per journal *entry* (an append). `0` means "before the first entry".
 * Below 2^53, so a plain number holds it: at 10,000 entries a second that is 28,000 years.
 */
export type Position = Branded<number, 'Position'>

/** A node's number in the cluster, 1 … 65,535. Its printed name is `n<number>`. */
export type NodeId = Branded<number, 'NodeId'>

/** How often a node's agent has started: 1, 2, …; every append names it, and a newer one voids the older (RULES 1). */
export type Incarnation = Branded<number, 'Incarnation'>

/**
 * A database of the cluster: 0 for the first, which every cluster has; else the OID that `CREATE DATABASE … OID` gave it, the same at
 * every node (ADR 30). Renames don't change it, and it is never used again.
 */
export type DatabaseId = Branded<number, 'DatabaseId'>

/** A PostgreSQL 64-bit transaction id (`xid8`): epoch in the upper half. */
export type Xid = Branded<bigint, 'Xid'>

/** A PostgreSQL log sequence number, a 64-bit byte address. */
export type Lsn = Branded<bigint, 'Lsn'>

export const position = (value: number): Position => {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a journal position: ${value}`)
  return value as Position
}

export const nodeId = (value: number): NodeId => {
  if (!Number.isInteger(value) || value < 1 || value > 0xffff) throw new RangeError(`not a node number: ${value}`)
  return value as NodeId
}

export const incarnation = (value: number): Incarnation => {
  if (!Number.isInteger(value) || value < 1 || value > 0xffff_ffff) throw new RangeError(`not an incarnation: ${value}`)
  return value as Incarnation
}

export const databaseId = (value: number): DatabaseId => {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`not a database: ${value}`)
  return value as DatabaseId
}

/** The database that every cluster has: it is never dropped, renamed, or a template. */
export const firstDatabase = databaseId(0)

export const xid = (value: bigint): Xid => value as Xid
export const lsn = (value: bigint): Lsn => value as Lsn

/** `n3` for node 3, as the command line, errors and logs print it. */
export const nodeName = (node: NodeId): string => `n${node}`

/** The node that `n3` names; undefined where the text names none. */
export const parseNodeName = (text: string): NodeId | undefined => {
  const match = /^n?([1-9]\d{0,4})$/.exec(text)
  const value = Number(match?.[1])
  return match && value <= 0xffff ? nodeId(value) : undefined
}

/**
 * The LSN under which a journal position is stored as replication-origin progress. The lower 8 bits are kept free, so
 * that parts of one position could be told apart later without a change of format.
 */
export const lsnOfPosition = (value: Position): Lsn => (BigInt(value) << 8n) as Lsn
export const positionOfLsn = (value: Lsn): Position => position(Number(value >> 8n))
