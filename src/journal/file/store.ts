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
import type { JournalTail } from '../contract.ts'
import { Cursor } from './cursor.ts'
import type { CursorSource } from './cursor.ts'
import { errnoOf, nodeDisk } from './disk.ts'
import type { Disk, DiskFile } from './disk.ts'
import { admitGroup, fitsSegment, recordBytes } from './group.ts'
import type { AppendOutcome, Group, Request } from './group.ts'
import { identityBytes } from './header.ts'
import { recover } from './recover.ts'
import type { Log } from './recover.ts'
import { capBytesDefault, planTrim, Reporters, retainBytesDefault } from './retention.ts'
import type { RetentionLimits } from './retention.ts'
import { RecordRing, ringBytesDefault } from './ring.ts'
import type { RecordRun } from './ring.ts'
import { isFull, Spare, startSegment } from './rollover.ts'
import { fillZeros, segmentBytesDefault, spareName } from './segment.ts'
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
  readonly #spare: Spare
  readonly #listeners = new Set<() => void>()
  #file: DiskFile
  #requests: Request[] = []
  #durable: number
  #busy = false
  #scheduled = false
  #syncMsMean = 0
  /** The last failed try to make a segment. */
  #full: { readonly sinceMs: number; readonly error: unknown } | undefined
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
    this.#spare = new Spare(this.#disk, this.#directory, this.#segmentBytes)
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
    return request === undefined || fitsSegment(this.#active, this.#segmentBytes, recordBytes(request), 0)
  }

  /** Takes the next group off the queue; refuses what is refused. */
  #admit(): Group {
    const { group, taken, refusals } = admitGroup(this.#requests, {
      admissions: this.#admissions,
      segment: this.#active,
      segmentBytes: this.#segmentBytes,
      first: this.#durable + 1,
    })
    this.#requests = taken === this.#requests.length ? [] : this.#requests.slice(taken)
    for (const { request, error } of refusals) request.done({ ok: false, error })
    return group
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
    if (segment.end - segment.headerBytes > this.#segmentBytes * spareShare) this.#spare.prepare()
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

  /** Makes the next segment the active one. */
  async #roll(): Promise<void> {
    if (this.#full !== undefined && this.#nowMs() - this.#full.sinceMs < fullRetryMs) throw this.#full.error
    const file = await this.#spare.take()
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
    this.#full = undefined
    this.trim()
  }

  #rollFailed(error: unknown): void {
    if (!isFull(error)) return this.#fail(error)
    if (error !== this.#full?.error) {
      this.#log('error', 'journal: no room for the next segment: appends are refused until there is')
      this.#full = { sinceMs: this.#nowMs(), error }
      this.trim()
    }
    const requests = this.#requests
    this.#requests = []
    const full = new AllwriteError('journal_full', 'the journal has no room for another entry', {
      hint: `Free space on the file system of ${this.#directory}.`,
      cause: error,
    })
    for (const { id, done } of requests) {
      const verdict = this.#admissions.judge(id)
      // Nothing is in flight here: what is known is stored, and a repeat of it needs no room. It must not look refused.
      if (verdict.kind === 'repeat') done({ ok: true, position: verdict.position })
      else done({ ok: false, error: verdict.kind === 'new' ? full : verdict.error })
    }
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
    await this.#spare.close()
    this.#file.close()
  }
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
    const file = await new Spare(disk, directory, segmentBytes).take()
    const identity = randomBytes(identityBytes)
    const admissions = new Admissions()
    const segment = startSegment(disk, directory, file, { identity, first: 1, previousFirst: 0, admissions })
    return new Store(options, { identity, segments: [segment], file, admissions })
  } catch (error) {
    if (isFull(error)) throw new AllwriteError('journal_full', 'no room for the journal', { cause: error })
    throw AllwriteError.from(error)
  }
}
