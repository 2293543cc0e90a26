/**
 * What a node tells of itself: its log, its status.
 *
 * @module
 */
import type { Position } from '../core/ids.ts'

export interface NodeLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface NodeStatus {
  readonly state: 'starting' | 'catching_up' | 'serving' | 'inconsistent' | 'stopping'
  readonly position: Position
  /** The last entry of the journal that this node has seen. */
  readonly journalPosition: Position
  readonly postgresPid: number
  /** For how long its server has not answered, ms. */
  readonly serverSilentMs: number
  readonly note: string | undefined
}
