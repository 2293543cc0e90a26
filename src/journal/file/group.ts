/**
 * Groups: which of the waiting appends go into the next write, and their bytes.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { position as asPosition } from '../../core/ids.ts'
import type { Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import type { Admissions } from '../admission.ts'
import { payloadBytesMax } from '../contract.ts'
import { encodeRecord, fitsU48, recordHeaderBytes } from './record.ts'
import { addIndexPoint } from './segment.ts'
import type { Segment } from './segment.ts'

/** What became of an append. */
export type AppendOutcome =
  { readonly ok: true; readonly position: Position } | { readonly ok: false; readonly error: AllwriteError }

/** An append that waits. `done` is called once. */
export interface Request {
  readonly id: AppendId
  readonly payload: Uint8Array
  readonly done: (outcome: AppendOutcome) => void
}

interface Answer {
  readonly request: Request
  readonly position: Position
}

/** A group that is ready to be written. */
export interface Group {
  readonly bytes: Buffer
  /** Position of its first entry. */
  readonly first: number
  /** Of its entries, in order. */
  readonly ids: readonly AppendId[]
  /** Whom to answer when it is durable: its own appends, and repeats of stored ones. */
  readonly answers: readonly Answer[]
}

/** Bytes of one write, beyond which the rest waits for the next; one entry may be longer. Bounds a group's latency. */
export const groupBytesMax = 8 * 1024 * 1024

/** Bytes of a request's record. */
export const recordBytes = ({ payload }: Request): number => recordHeaderBytes + payload.length

/** True where `bytes` fit into a segment behind `before` others. An empty segment takes anything. */
export const fitsSegment = (segment: Segment, segmentBytes: number, bytes: number, before: number): boolean => {
  const used = segment.end - segment.headerBytes + before
  return used === 0 || used + bytes <= segmentBytes
}

/**
 * Judges the waiting requests in order, up to what one write and the segment take; accepts and encodes the new ones.
 * Returns how many requests were taken, and those to be refused.
 */
export const admitGroup = (
  requests: readonly Request[],
  into: { admissions: Admissions; segment: Segment; segmentBytes: number; first: number },
): { group: Group; taken: number; refusals: { request: Request; error: AllwriteError }[] } => {
  const { admissions, segment, segmentBytes, first } = into
  const answers: Answer[] = []
  const news: Answer[] = []
  const refusals: { request: Request; error: AllwriteError }[] = []
  let size = 0
  let taken = 0
  for (const request of requests) {
    const error = refusalOf(request)
    const verdict = error === undefined ? admissions.judge(request.id) : ({ kind: 'refused', error } as const)
    if (verdict.kind === 'new') {
      const bytes = recordBytes(request)
      if ((size > 0 && size + bytes > groupBytesMax) || !fitsSegment(segment, segmentBytes, bytes, size)) break
      const position = asPosition(first + news.length)
      admissions.accept(request.id, position)
      news.push({ request, position })
      answers.push({ request, position })
      size += bytes
    } else if (verdict.kind === 'repeat') {
      answers.push({ request, position: verdict.position })
    } else {
      refusals.push({ request, error: verdict.error })
    }
    taken++
  }
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  news.forEach(({ request: { id, payload }, position }, place) => {
    addIndexPoint(segment, position, segment.end + at)
    at = encodeRecord(bytes, at, segment.salt, position, id, place, payload)
  })
  return { group: { bytes, first, ids: news.map(({ request }) => request.id), answers }, taken, refusals }
}

const refusalOf = ({ id, payload }: Request): AllwriteError | undefined => {
  if (payload.length > payloadBytesMax) {
    const message = `an append of ${payload.length} bytes is over the limit of ${payloadBytesMax}`
    return new AllwriteError('too_large', message)
  }
  return fitsU48(id.number) ? undefined : new AllwriteError('protocol', `append number ${id.number} is out of range`)
}
