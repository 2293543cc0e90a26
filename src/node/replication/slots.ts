/**
 * Replication slots of the node's users, within bounds: a slot whose client is dead would keep WAL, and catalog rows, until the disk
 * is full (ADR 36).
 *
 * Not by `max_slot_wal_keep_size`: that goes for the agent's own slots as well, of which a long transaction may rightly keep more.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { Query } from '../recovery/progress.ts'
import { isReservedSlot } from './commands.ts'

/** Slots, and replication connections, that a node gives its users; the server has as many more than its agent needs. */
export const userSlotsMax = 16

export interface SlotWatchOptions {
  readonly query: Query
  /** A slot that keeps more WAL than that is dropped. */
  readonly walBytesMax: number
  readonly log: { warn(fields: object, message: string): void }
}

export interface SlotWatch {
  /** @throws AllwriteError 53400 */
  admit(): Promise<void>
  pluginOf(slot: string): Promise<string | undefined>
  /** Drops what is beyond the bounds; of a slot that is in use its client is ended first, and the next round drops it. */
  enforce(): Promise<void>
}

interface Slot {
  readonly name: string
  readonly activePid: number | undefined
  /** Bytes of WAL that are kept for it; 0 for one that the server has given up. */
  readonly heldBytes: number
}

/** All but the agent's own and what its peers copy through, which end with their connections. */
const slotsSql = `SELECT s.slot_name, s.active_pid::text,
    coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn), 0)::text AS held
  FROM pg_get_replication_slots() s LEFT JOIN LATERAL pg_stat_get_activity(s.active_pid) a ON s.active_pid IS NOT NULL
  WHERE NOT (s.temporary AND a.usesysid IS NOT DISTINCT FROM 'allwrite'::regrole)
  ORDER BY s.restart_lsn`

export const createSlotWatch = ({ query, walBytesMax, log }: SlotWatchOptions): SlotWatch => {
  const slots = async (): Promise<readonly Slot[]> =>
    (await query(slotsSql)).map((row) => ({
      name: row['slot_name'] ?? '',
      activePid: row['active_pid'] == null ? undefined : Number(row['active_pid']),
      heldBytes: Number(row['held']),
    }))

  const drop = async ({ name, activePid, heldBytes }: Slot, why: string): Promise<void> => {
    log.warn({ slot: name, heldBytes }, `a replication slot is dropped: ${why}`)
    if (activePid !== undefined) await query('SELECT pg_terminate_backend($1)', [activePid])
    else await query('SELECT pg_drop_replication_slot($1)', [name])
  }

  return {
    async admit() {
      if ((await slots()).length < userSlotsMax) return
      throw new AllwriteError('unavailable', 'all replication slots are in use', {
        sqlState: '53400',
        hint: `Free one: a node keeps at most ${userSlotsMax} of its users.`,
      })
    },
    async pluginOf(slot) {
      const [row] = await query('SELECT plugin FROM pg_replication_slots WHERE slot_name = $1', [slot])
      return row?.['plugin'] ?? undefined
    },
    async enforce() {
      for (const [index, slot] of (await slots()).entries()) {
        if (isReservedSlot(slot.name)) await drop(slot, 'its name is one of the cluster’s')
        else if (slot.heldBytes > walBytesMax) await drop(slot, 'it keeps more WAL than a node may')
        else if (index >= userSlotsMax) await drop(slot, 'there are more than a node keeps')
      }
    },
  }
}
