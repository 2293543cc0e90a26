/**
 * A copy of a running server's data folder, taken over a replication connection with BASE_BACKUP (PostgreSQL manual,
 * "Streaming Replication Protocol"). The write-ahead log of the time of the copy comes with it, so the copy starts by itself:
 * it recovers to the moment at which the backup ended, exactly as the donor would have after a crash there.
 *
 * Contract
 * 1. The result appears under its name with one rename, when all of it is written and, where asked, synced: a folder with
 *    that name is whole. Before, it is `<target>.partial`, which a failure removes and a crash leaves for the next call.
 * 2. Memory is bounded: the next bytes are read from the socket when the last ones were given to the file system.
 * 3. Files are 0600, folders 0700, all the server's user's.
 * 4. The donor keeps its write-ahead log for as long as the connection lives, and not longer (a temporary slot).
 *
 * Failure: AllwriteError `postgres` with the donor's words, `unsupported` (tablespaces), `unavailable` (it went away or fell
 * silent), `cancelled`, `configuration` (the target is in use); foreign errors of the file system as they are.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { parseErrorFields } from '../wire/pgwire/errors.ts'
import { FrameScanner, type FrameRules } from '../wire/pgwire/frames.ts'
import { query } from '../wire/pgwire/messages.ts'
import { createBackupFiles } from './backup-files.ts'
import { syncFolder } from './data-dir.ts'
import { assertReachable, ensureOwned, serverIdentity } from './identity.ts'
import { createTarReader } from './tar.ts'

export interface BaseBackupOptions {
  /** A replication connection that was logged in and waits for a command. It is used up. */
  readonly socket: Socket
  /** The folder to make: absent or empty. Its parent exists, on the same file system as it will be. */
  readonly target: string
  /** False: the copy need not survive a crash of the machine. */
  readonly fsync: boolean
  /** The donor sends no more than this, bytes a second: PostgreSQL's MAX_RATE, 32 kB … 1 GB. Absent: as fast as it can. */
  readonly rateBytesMax?: number
  /** Stands in the copy's backup_label, and at the donor in pg_stat_replication. */
  readonly label: string
  /** Bytes so far, and the donor's estimate of all; more than that may come. */
  readonly onProgress?: (bytes: number, total: number) => void
  /** The copy is whole on disk, still under the given name: a last step, or a last objection. */
  readonly beforeRename?: (folder: string) => Promise<void>
  readonly signal?: AbortSignal
}

export interface BaseBackup {
  readonly bytes: number
  /** The donor's position in its log where the copy becomes consistent, as PostgreSQL prints it. */
  readonly endLsn: string
}

/** A donor that sends nothing for so long is gone, ms. Its checkpoint at the start may take its time on a busy disk. */
const silentMsMax = 300_000

/** The largest message of a base backup: the donor sends data 32 KiB at a time (basebackup_copy.c). */
const messageBytesMax = 1024 * 1024

const rules: FrameRules = { lengthMax: new Float64Array(256).fill(messageBytesMax), streamed: new Uint8Array(256) }

interface Frame {
  /** The type's letter. */
  readonly type: string
  readonly body: Buffer
}

/** @throws AllwriteError as the module's comment says */
export const takeBaseBackup = async (options: BaseBackupOptions): Promise<BaseBackup> => {
  const { socket, target, signal } = options
  const partial = `${target}.partial`
  const identity = serverIdentity()
  assertReachable(target, identity)
  const onAbort = (): void => {
    socket.destroy(new AllwriteError('cancelled', 'the base backup was cancelled'))
  }
  const onSilence = (): void => {
    socket.destroy(new AllwriteError('unavailable', `the donor sent nothing for ${silentMsMax / 1000} s`))
  }
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { mode: 0o700 })
  socket.setTimeout(silentMsMax, onSilence)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    ensureOwned(partial, identity)
    const backup = await receive(options, partial)
    socket.end()
    await options.beforeRename?.(partial)
    if (signal?.aborted) throw new AllwriteError('cancelled', 'the base backup was cancelled')
    // Only an empty folder gives way to it.
    renameSync(partial, target)
    if (options.fsync) await syncFolder(dirname(target))
    return backup
  } finally {
    signal?.removeEventListener('abort', onAbort)
    socket.destroy()
    rmSync(partial, { recursive: true, force: true })
  }
}

const receive = async (options: BaseBackupOptions, folder: string): Promise<BaseBackup> => {
  const { socket, fsync } = options
  const frames = framesOf(socket)
  const slot = `allwrite_copy_${randomBytes(8).toString('hex')}`
  using files = createBackupFiles({ folder, identity: serverIdentity(), fsync })
  // Without a slot, a long copy of a busy donor loses the beginning of its log to the donor's checkpoints.
  socket.write(query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY PHYSICAL (RESERVE_WAL)`))
  await resultsOf(frames)
  const label = options.label.replaceAll("'", "''")
  const rate = options.rateBytesMax === undefined ? '' : `, MAX_RATE ${rateOf(options.rateBytesMax)}`
  socket.write(
    query(`BASE_BACKUP (LABEL '${label}', PROGRESS true, CHECKPOINT 'fast', WAL true, MANIFEST 'no'${rate})`),
  )

  const tar = createTarReader()
  let total = 0
  let bytes = 0
  const onCopy = async (body: Buffer): Promise<void> => {
    const kind = String.fromCharCode(body[0] ?? 0)
    const data = body.subarray(1)
    if (kind === 'd') {
      bytes += data.length
      for (const part of tar.push(data)) {
        const syncing = files.take(part)
        if (syncing) await syncing
      }
      options.onProgress?.(bytes, total)
    } else if (kind === 'n') requireOwnFolder(data)
    else if (kind !== 'p') throw new AllwriteError('protocol', `a base backup sent data of an unknown kind, "${kind}"`)
  }
  const results = await resultsOf(frames, onCopy, ([, spaces = []]) => {
    total = totalOf(spaces)
  })
  if (!tar.ended) throw new AllwriteError('protocol', 'the base backup ended before its archive did')
  await files.finish()
  return { bytes, endLsn: results.at(-1)?.[0]?.[0] ?? '' }
}

/** In kB, within what PostgreSQL takes (MAX_RATE_LOWER and MAX_RATE_UPPER, basebackup_sink.h). */
const rateOf = (bytes: number): number => Math.min(Math.max(Math.round(bytes / 1024), 32), 1_048_576)

/** The archive's name and its tablespace's place; a data folder's own archive has none. */
const requireOwnFolder = (data: Buffer): void => {
  const [name, place] = data.toString('utf8').split('\0')
  if (place !== '') throw tablespaces(`"${name}" is of the tablespace in "${place}".`)
}

/** Bytes, from the list of tablespaces: OID, place, size in KiB. The data folder's row has neither OID nor place. */
const totalOf = (spaces: readonly Row[]): number => {
  for (const [oid, place] of spaces) if (oid != null) throw tablespaces(`Tablespace ${oid} is in "${place}".`)
  return 1024 * spaces.reduce((sum, [, , size]) => sum + Number(size ?? 0), 0)
}

const tablespaces = (detail: string): AllwriteError =>
  new AllwriteError('unsupported', 'a server with tablespaces can not be copied', {
    detail,
    hint: 'Move its tables to the default tablespace, and drop the others.',
  })

type Row = readonly (string | null)[]

/** The rest of a command's answer: the rows of each of its results. Copied data goes to `onCopy`, after `onCopyBegin`. */
const resultsOf = async (
  frames: AsyncGenerator<Frame>,
  onCopy?: (body: Buffer) => Promise<void>,
  onCopyBegin?: (results: readonly (readonly Row[])[]) => void,
): Promise<readonly (readonly Row[])[]> => {
  const results: Row[][] = []
  for (;;) {
    const { value: frame, done } = await frames.next()
    if (done === true) throw new AllwriteError('unavailable', 'the donor closed the connection')
    const { type, body } = frame
    if (type === 'Z') return results
    if (type === 'T') results.push([])
    else if (type === 'D') results.at(-1)?.push(rowOf(body))
    else if (type === 'H') onCopyBegin?.(results)
    else if (type === 'd' && onCopy) await onCopy(body)
    else if (type === 'E') throw refusal(body)
    // C: a command's end; N: a notice; S: a parameter; c: the copy's end.
    else if (!'CNSc'.includes(type))
      throw new AllwriteError('protocol', `unexpected message "${type}" in a base backup`)
  }
}

async function* framesOf(socket: Socket): AsyncGenerator<Frame> {
  let whole: Frame[] = []
  const scanner = new FrameScanner(rules, (type, buffer, start, end) => {
    whole.push({ type: String.fromCharCode(type), body: buffer.subarray(start + 5, end) })
  })
  try {
    // The next chunk is asked for when all frames of this one were consumed: that is the back-pressure.
    for await (const chunk of socket) {
      scanner.push(chunk as Buffer)
      const frames = whole
      whole = []
      yield* frames
    }
  } catch (error) {
    throw AllwriteError.from(error, 'unavailable')
  }
}

const rowOf = (body: Buffer): Row => {
  const row: (string | null)[] = []
  let at = 2
  for (let column = 0; column < body.readUInt16BE(0); column++) {
    const length = body.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : body.toString('utf8', at, at + length))
    at += Math.max(length, 0)
  }
  return row
}

const refusal = (body: Buffer): AllwriteError => {
  const { message, sqlState, detail, hint } = parseErrorFields(body)
  return new AllwriteError('postgres', `base backup: ${message}`, {
    sqlState,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
}
