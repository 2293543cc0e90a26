/**
 * The segment store: the durable list of entries in one directory, for one process.
 *
 * Contract
 * 1. Appends are taken in order and written in groups: all that arrived while the last group was synced share one write
 *    and one fdatasync. An append is answered, and shown to readers, after that fdatasync.
 * 2. One group at a time is in flight; nothing is admitted before it is about to be written, so that a refusal leaves
 *    no trace.
 * 3. A failed write or sync is final: what the disk holds is unknown (a second fsync may lie), so everything after is
 *    refused and `onFatal` is told. The process must end; recovery reads what is there.
 *
 * Failures: `journal_full` where no room is left for the next segment (tried again with later appends), `unavailable`
 * after a fatal error or the end, `journal_corrupt` at the start or in a read. DESIGN.md has the reasons.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AllwriteError, assert } from '../../core/errors.ts'
import { position as asPosition } from '../../core/ids.ts'
import type { Incarnation, NodeId, Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import { Admissions } from '../admission.ts'
import { payloadBytesMax } from '../contract.ts'
import type { JournalTail } from '../contract.ts'
import { Cursor } from './cursor.ts'
import type { CursorSource } from './cursor.ts'
import { errnoOf, nodeDisk } from './disk.ts'
import type { Disk, DiskFile } from './disk.ts'
import { encodeHeader, identityBytes } from './header.ts'
import { encodeRecord, fitsU48, recordHeaderBytes } from './record.ts'
import { recover } from './recover.ts'
import type { Log } from './recover.ts'
import { capBytesDefault, planTrim, Reporters, retainBytesDefault } from './retention.ts'
import type { RetentionLimits } from './retention.ts'
import { RecordRing, ringBytesDefault } from './ring.ts'
import type { RecordRun } from './ring.ts'
import { addIndexPoint, fillZeros, segmentBytesDefault, segmentPath, spareName } from './segment.ts'
import type { Segment } from './segment.ts'

export interface StoreOptions {
  readonly directory: string
  readonly disk?: Disk
  readonly segmentBytes?: number
  readonly retainBytes?: number
  readonly capBytes?: number
  readonly ringBytes?: number
  /** A monotonic clock, ms. */
  readonly nowMs?: () => number
  readonly log?: Log
  /** Told once, of the first failed write or sync. The process should end with a non-zero status. */
  readonly onFatal?: (error: AllwriteError) => void
}

export type AppendOutcome =
  { readonly ok: true; readonly position: Position } | { readonly ok: false; readonly error: AllwriteError }

interface Request {
  readonly id: AppendId
  readonly payload: Uint8Array
  readonly done: (outcome: AppendOutcome) => void
}

/** A group that is ready to be written. */
interface Group {
  readonly bytes: Buffer
  readonly first: number
  readonly ids: readonly AppendId[]
  readonly answers: readonly { readonly request: Request; readonly position: Position }[]
}

/** Bytes of one write, beyond which the rest waits for the next; one entry may be longer. Bounds a group's latency. */
export const groupBytesMax = 8 * 1024 * 1024

/**
 * An fdatasync that takes less than this, ms, is called on this thread: the way through the thread pool costs about
 * 0.04 ms (DESIGN.md), and while it runs the requests wait in the sockets as well as they would in a queue.
 */
const blockingSyncMsMax = 0.5

/** Share of a segment that is filled when the next one's file is prepared. */
const spareShare = 0.5

/** How long after a failed try to prepare a segment appends are refused without another try, ms. */
const fullRetryMs = 500

/** How often a report may lead to a look at retention, ms. */
const trimIntervalMs = 1000

/** A store, open. Made by {@link openStore}. */
export class Store implements AsyncDisposable {
  readonly identity: Buffer
  readonly #directory: string
  readonly #disk: Disk
  readonly #segmentBytes: number
  readonly #limits: RetentionLimits
  readonly #nowMs: () => number
  readonly #log: Log
  readonly #onFatal: (error: AllwriteError) => void
  readonly #reporters: Reporters
  readonly #source: CursorSource
  readonly #ring: RecordRing
  readonly #segments: Segment[]
  readonly #admissions: Admissions
  /** What tail() tells: durable, unlike the admissions while a group is being synced. */
  readonly #nodes = new Map<NodeId, { incarnation: Incarnation; number: number }>()
  readonly #listeners = new Set<() => void>()
  #file: DiskFile
  #spare: Promise<DiskFile> | undefined
  #requests: Request[] = []
  #durable: number
  #busy = false
  #scheduled = false
  #syncMsMean = 0
  #fullSinceMs: number | undefined
  #trimmedMs = -Infinity
  #fatal: AllwriteError | undefined
  #closing = false
  #idle: (() => void) | undefined

  /** Takes over what {@link openStore} prepared. */
  constructor(
    options: StoreOptions,
    opened: { identity: Buffer; segments: Segment[]; file: DiskFile; admissions: Admissions },
  ) {
    this.identity = opened.identity
    this.#directory = options.directory
    this.#disk = options.disk ?? nodeDisk
    this.#segmentBytes = options.segmentBytes ?? segmentBytesDefault
    const retainBytes = options.retainBytes ?? retainBytesDefault
    this.#limits = { retainBytes, capBytes: Math.max(options.capBytes ?? capBytesDefault, retainBytes) }
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#log = options.log ?? (() => {})
    this.#onFatal = options.onFatal ?? (() => {})
    this.#reporters = new Reporters(this.#nowMs())
    this.#ring = new RecordRing(options.ringBytes ?? ringBytesDefault)
    this.#segments = opened.segments
    this.#admissions = opened.admissions
    this.#file = opened.file
    this.#durable = this.#active.last
    for (const [node, { incarnation, number }] of opened.admissions.snapshot()) {
      this.#nodes.set(node, { incarnation, number })
    }
    const durable = (): number => this.#durable
    this.#source = { disk: this.#disk, ring: this.#ring, segments: this.#segments, durable }
  }

  get #active(): Segment {
    const segment = this.#segments.at(-1)
    assert(segment !== undefined, 'a store always has a segment')
    return segment
  }

  /** Queues an append; `done` is called once, never before this returns. `payload` must not change until then. */
  append(id: AppendId, payload: Uint8Array, done: (outcome: AppendOutcome) => void): void {
    this.#requests.push({ id, payload, done })
    this.#schedule()
  }

  /** What is durable now. */
  tail(): JournalTail {
    const first = this.#segments[0]?.first ?? 1
    return { first: asPosition(first), last: asPosition(this.#durable), nodes: new Map(this.#nodes) }
  }

  /** See the Journal contract. */
  report(node: NodeId, safe: Position): void {
    this.#reporters.report(node, safe, this.#nowMs())
    if (this.#nowMs() - this.#trimmedMs >= trimIntervalMs) this.trim()
  }

  /** A reader's place. The caller closes it. */
  cursor(position: number): Cursor {
    return new Cursor(this.#source, position)
  }

  /** Calls `listener` whenever more is durable, and at the end; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Why the store takes nothing any more; undefined while it does. */
  get ended(): AllwriteError | undefined {
    return this.#fatal ?? (this.#closing ? new AllwriteError('unavailable', 'the journal is shutting down') : undefined)
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled) return
    this.#scheduled = true
    // After the poll phase: all sockets that were readable have been read, so their appends share the write.
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#busy) return
    if (this.ended !== undefined) return this.#refuseAll(this.ended)
    if (this.#requests.length === 0) return
    this.#busy = true
    if (!this.#takesNext()) {
      void this.#roll().then(
        () => this.#release(),
        (error: unknown) => this.#rollFailed(error),
      )
      return
    }
    const group = this.#admit()
    if (group.ids.length === 0) return this.#publish(group)
    try {
      this.#file.writeNow(group.bytes, this.#active.end)
    } catch (error) {
      return this.#fail(error, group)
    }
    const startMs = this.#nowMs()
    const synced = (): void => {
      // A running mean over about the last eight; one slow sync does not change the way.
      this.#syncMsMean += (Math.min(this.#nowMs() - startMs, 10) - this.#syncMsMean) / 8
      this.#publish(group)
    }
    if (this.#syncMsMean >= blockingSyncMsMax) {
      void this.#file.datasync().then(synced, (error: unknown) => this.#fail(error, group))
      return
    }
    try {
      this.#file.datasyncNow()
    } catch (error) {
      return this.#fail(error, group)
    }
    synced()
  }

  /** True where the first request fits the segment. An empty segment takes anything. */
  #takesNext(): boolean {
    const request = this.#requests[0]
    return request === undefined || this.#fits(recordHeaderBytes + request.payload.length, 0)
  }

  #fits(bytes: number, before: number): boolean {
    const used = this.#active.end - this.#active.headerBytes + before
    return used === 0 || used + bytes <= this.#segmentBytes
  }

  /** Judges the waiting requests in order, up to what one write takes, and encodes the new ones. */
  #admit(): Group {
    const answers: { request: Request; position: Position }[] = []
    const news: { request: Request; position: Position }[] = []
    const refusals: { request: Request; error: AllwriteError }[] = []
    const first = this.#durable + 1
    let size = 0
    let taken = 0
    for (const request of this.#requests) {
      const { id, payload } = request
      const bytes = recordHeaderBytes + payload.length
      if (size > 0 && (size + bytes > groupBytesMax || !this.#fits(bytes, size))) break
      taken++
      const verdict = payload.length > payloadBytesMax ? tooLarge(payload.length) : this.#admissions.judge(id)
      if (verdict.kind === 'refused') {
        refusals.push({ request, error: verdict.error })
      } else if (verdict.kind === 'repeat') {
        answers.push({ request, position: verdict.position })
      } else if (!fitsU48(id.number)) {
        refusals.push({ request, error: new AllwriteError('protocol', `append number ${id.number} is out of range`) })
      } else if (!this.#fits(bytes, size)) {
        // Only refusals and repeats were before it: it is the next group's first, behind a new segment.
        taken--
        break
      } else {
        const position = asPosition(first + news.length)
        this.#admissions.accept(id, position)
        const admitted = { request, position }
        news.push(admitted)
        answers.push(admitted)
        size += bytes
      }
    }
    this.#requests = taken === this.#requests.length ? [] : this.#requests.slice(taken)
    const bytes = Buffer.allocUnsafe(size)
    let at = 0
    news.forEach(({ request, position }, place) => {
      addIndexPoint(this.#active, position, this.#active.end + at)
      at = encodeRecord(bytes, at, this.#active.salt, position, request.id, place, request.payload)
    })
    for (const { request, error } of refusals) request.done({ ok: false, error })
    return { bytes, first, ids: news.map(({ request }) => request.id), answers }
  }

  /** The group is durable: readers see it, its appends are answered. */
  #publish(group: Group): void {
    const segment = this.#active
    if (group.ids.length > 0) {
      const run: RecordRun = { first: group.first, last: group.first + group.ids.length - 1, bytes: group.bytes }
      segment.end += group.bytes.length
      segment.last = run.last
      this.#durable = run.last
      for (const { node, incarnation, number } of group.ids) this.#nodes.set(node, { incarnation, number })
      this.#ring.push(run)
    }
    for (const { request, position } of group.answers) {
      assert(position <= this.#durable, 'an append is answered when it is durable')
      request.done({ ok: true, position })
    }
    if (group.ids.length > 0) this.#notify()
    if (segment.end - segment.headerBytes > this.#segmentBytes * spareShare) void this.#prepareSpare()
    this.#release()
  }

  #release(): void {
    this.#busy = false
    if (this.#requests.length > 0) this.#schedule()
    else this.#idle?.()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  #prepareSpare(): Promise<DiskFile> {
    if (this.#spare !== undefined) return this.#spare
    const prepare = async (): Promise<DiskFile> => {
      const file = this.#disk.open(join(this.#directory, spareName), 'create')
      try {
        await fillZeros(file, 0, this.#segmentBytes)
        return file
      } catch (error) {
        // Give the blocks back at once: others may need them.
        file.truncateNow(0)
        file.close()
        throw error
      }
    }
    this.#spare = prepare()
    // Whoever needs the spare sees its failure; nobody may need it.
    this.#spare.catch(() => {})
    return this.#spare
  }

  /** Makes the next segment the active one. */
  async #roll(): Promise<void> {
    const sinceMs = this.#fullSinceMs
    if (sinceMs !== undefined && this.#nowMs() - sinceMs < fullRetryMs) throw new FullError('still no room')
    let file: DiskFile
    try {
      file = await this.#prepareSpare()
    } catch (error) {
      this.#spare = undefined
      if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT') throw new FullError('no room', { cause: error })
      throw error
    }
    this.#spare = undefined
    const before = this.#active
    const segment = startSegment(this.#disk, this.#directory, file, {
      identity: this.identity,
      first: this.#durable + 1,
      previousFirst: before.first,
      admissions: this.#admissions,
    })
    this.#segments.push(segment)
    // The preallocated rest of the old one is of no use; its truncation needs no sync.
    this.#file.truncateNow(before.end)
    this.#file.close()
    this.#file = file
    this.#fullSinceMs = undefined
    this.trim()
  }

  #rollFailed(error: unknown): void {
    if (!(error instanceof FullError)) return this.#fail(error)
    if (this.#fullSinceMs === undefined || this.#nowMs() - this.#fullSinceMs >= fullRetryMs) {
      this.#log('error', 'journal: no room for the next segment: appends are refused until there is')
      this.#fullSinceMs = this.#nowMs()
      this.trim()
    }
    const requests = this.#requests
    this.#requests = []
    const full = new AllwriteError('journal_full', 'the journal has no room for another entry', {
      hint: `Free space on the file system of ${this.#directory}.`,
      cause: error.cause,
    })
    for (const { done } of requests) done({ ok: false, error: full })
    this.#release()
  }

  /** Deletes what retention lets go. */
  trim(): void {
    this.#trimmedMs = this.#nowMs()
    const floor = this.#reporters.floor(this.#nowMs())
    const sizes = this.#segments.map(({ last, end }) => ({ last, bytes: end }))
    const plan = planTrim(sizes, floor, this.#limits)
    if (plan.needed > 0) {
      const message = `journal: over its cap of ${this.#limits.capBytes} bytes: ${plan.needed} segments above position ${floor} go`
      this.#log('warn', `${message} although nodes may need them; those nodes must be rebuilt`)
    }
    for (let count = 0; count < plan.segments; count++) {
      const segment = this.#segments[0]!
      try {
        this.#disk.unlink(segment.path)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') {
          this.#log('warn', `journal: can't delete ${segment.path}: ${String(error)}`)
          return
        }
      }
      this.#segments.shift()
    }
  }

  #fail(thrown: unknown, group?: Group): void {
    const message = 'the journal failed to write or sync; what its disk holds is unknown'
    this.#fatal = new AllwriteError('unavailable', message, { cause: thrown })
    this.#busy = false
    this.#log('error', `journal: ${message}: ${String(thrown)}`)
    // `unavailable` promises nothing: recovery may find the group in flight. The server does not even pass it on.
    for (const { request } of group?.answers ?? []) request.done({ ok: false, error: this.#fatal })
    this.#refuseAll(this.#fatal)
    this.#notify()
    this.#onFatal(this.#fatal)
  }

  #refuseAll(error: AllwriteError): void {
    const requests = this.#requests
    this.#requests = []
    for (const { done } of requests) done({ ok: false, error })
    this.#idle?.()
  }

  /** Lets what was queued become durable, then closes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return
    while (this.#fatal === undefined && (this.#busy || this.#requests.length > 0)) {
      await new Promise<void>((resolve) => (this.#idle = resolve))
    }
    this.#closing = true
    this.#notify()
    await this.#spare?.then(
      (file) => file.close(),
      () => {},
    )
    this.#file.close()
  }
}

class FullError extends Error {}

const tooLarge = (length: number): { readonly kind: 'refused'; readonly error: AllwriteError } => {
  const message = `an append of ${length} bytes is over the limit of ${payloadBytesMax}`
  return { kind: 'refused', error: new AllwriteError('too_large', message) }
}

/** Writes a prepared file's header and gives it its name; all of it durable. */
const startSegment = (
  disk: Disk,
  directory: string,
  file: DiskFile,
  start: { identity: Buffer; first: number; previousFirst: number; admissions: Admissions },
): Segment => {
  const salt = randomBytes(4).readUInt32BE()
  const { identity, first, previousFirst } = start
  const header = encodeHeader({ identity, salt, first, previousFirst, nodes: start.admissions.snapshot() })
  file.writeNow(header, 0)
  file.datasyncNow()
  const path = segmentPath(directory, first)
  disk.rename(join(directory, spareName), path)
  disk.syncDirectory(directory)
  return { path, first, salt, headerBytes: header.length, last: first - 1, end: header.length, index: [] }
}

/**
 * Opens or creates the store of a directory. The caller holds the directory's lock (`lock.ts`).
 * @throws AllwriteError journal_corrupt | journal_full
 */
export const openStore = async (options: StoreOptions): Promise<Store> => {
  const { directory, disk = nodeDisk, segmentBytes = segmentBytesDefault, log = () => {} } = options
  disk.makeDirectory(directory)
  if (disk.list(directory).includes(spareName)) disk.unlink(join(directory, spareName))
  try {
    const recovered = await recover(disk, directory, log)
    if (recovered !== undefined) {
      const active = recovered.segments.at(-1)
      assert(active !== undefined, 'a recovered store has a segment')
      await fillZeros(recovered.file, Math.max(recovered.file.size(), active.end), segmentBytes)
      return new Store(options, recovered)
    }
    const file = disk.open(join(directory, spareName), 'create')
    await fillZeros(file, 0, segmentBytes)
    const identity = randomBytes(identityBytes)
    const admissions = new Admissions()
    const segment = startSegment(disk, directory, file, { identity, first: 1, previousFirst: 0, admissions })
    return new Store(options, { identity, segments: [segment], file, admissions })
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC')
      throw new AllwriteError('journal_full', 'no room for the journal', { cause: error })
    throw AllwriteError.from(error)
  }
}
