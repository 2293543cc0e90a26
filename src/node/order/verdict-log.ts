/**
 * What this node must remember to judge as before when it starts again: aborted records, and fences. Both lie behind its
 * applied position, where the journal's entries alone don't tell the verdict (RULES 9).
 *
 * Records are 12 bytes: u48 position, then for an abort u16 0 and u32 index in the group; for a fence u16 node ≥ 1 and u32
 * incarnation. Written before the position is executed; synced where the server's own data is: then no data survives a crash
 * of the machine whose verdicts do not. A disposable node's log survives whatever its agent does, not the machine.
 *
 * @module
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { assert } from '../../core/errors.ts'
import { incarnation, nodeId, position, type Incarnation, type NodeId, type Position } from '../../core/ids.ts'

const recordBytes = 12
/** The log is rewritten when it has grown past this, or to twice what the last rewrite kept: 350,000 aborts. */
const bytesMax = 4 * 1024 * 1024

/** A fence, and where it stands. */
export interface RememberedFence {
  readonly incarnation: Incarnation
  readonly position: Position
}

export interface Remembered {
  /** Position → indexes of aborted records. */
  readonly aborted: ReadonlyMap<Position, readonly number[]>
  /**
   * Fences per node in journal order: the newest below the floor, and all above it. The newest alone won't do: it is logged
   * when it is judged, and a crash may throw the node back behind it, where the older one is in force.
   */
  readonly fences: ReadonlyMap<NodeId, readonly RememberedFence[]>
}

export interface VerdictLog {
  readonly remembered: Remembered
  abort(at: Position, index: number): void
  fence(at: Position, node: NodeId, value: Incarnation): void
  close(): void
}

const syncFolder = (path: string): void => {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

const encode = (at: Position, node: number, value: number): Buffer => {
  const bytes = Buffer.alloc(recordBytes)
  bytes.writeUIntBE(at, 0, 6)
  bytes.writeUInt16BE(node, 6)
  bytes.writeUInt32BE(value, 8)
  return bytes
}

/**
 * @param keepFrom positions below are forgotten (aborts) when the log is rewritten; asked again at every rewrite
 * @param durable survives a crash of the machine: some 0.1 ms for each abort
 */
export const openVerdictLog = (path: string, keepFrom: () => Position, durable = false): VerdictLog => {
  const aborted = new Map<Position, number[]>()
  const fences = new Map<NodeId, RememberedFence[]>()

  /** False where it is known already. Fences come in journal order; after a restart the last ones come again. */
  const noteFence = (at: Position, node: NodeId, value: Incarnation): boolean => {
    const known = fences.get(node) ?? []
    if (known.some((fence) => fence.position >= at)) return false
    fences.set(node, [...known, { incarnation: value, position: at }])
    return true
  }

  const noteAbort = (at: Position, index: number): boolean => {
    const indexes = aborted.get(at)
    if (indexes === undefined) aborted.set(at, [index])
    else if (indexes.includes(index)) return false
    else indexes.push(index)
    return true
  }

  const load = (): void => {
    if (!existsSync(path)) return
    const bytes = readFileSync(path)
    // A torn last record belongs to a position that was not executed: it is judged again.
    for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
      const where = position(bytes.readUIntBE(at, 6))
      const node = bytes.readUInt16BE(at + 6)
      const value = bytes.readUInt32BE(at + 8)
      if (node > 0) noteFence(where, nodeId(node), incarnation(value))
      else noteAbort(where, value)
    }
  }

  let written = 0
  let rewriteAt = bytesMax
  let fd = -1
  const rewrite = (): void => {
    const floor = keepFrom()
    const parts: Buffer[] = []
    for (const [node, known] of fences) {
      // What a newer fence below the floor replaced is never asked for again.
      const needed = known.filter((_, i) => (known[i + 1]?.position ?? Infinity) > floor)
      fences.set(node, needed)
      for (const fence of needed) parts.push(encode(fence.position, node, fence.incarnation))
    }
    for (const [where, indexes] of aborted) {
      if (where < floor) aborted.delete(where)
      else for (const index of indexes) parts.push(encode(where, 0, index))
    }
    const bytes = Buffer.concat(parts)
    writeFileSync(`${path}.new`, bytes, { mode: 0o600, flush: durable })
    renameSync(`${path}.new`, path)
    if (durable) syncFolder(dirname(path))
    if (fd >= 0) closeSync(fd)
    fd = openSync(path, 'a', 0o600)
    written = bytes.length
    // Where most of it has to be kept, the next abort must not pay for another rewrite.
    rewriteAt = Math.max(bytesMax, 2 * written)
  }

  const append = (bytes: Buffer): void => {
    assert(
      writeSync(fd, bytes) === bytes.length,
      'the verdict log takes whole records: what follows half of one is lost',
    )
    if (durable) fdatasyncSync(fd)
    written += bytes.length
    if (written > rewriteAt) rewrite()
  }

  load()
  rewrite()
  return {
    remembered: { aborted, fences },
    abort(at, index) {
      if (noteAbort(at, index)) append(encode(at, 0, index))
    },
    fence(at, node, value) {
      if (noteFence(at, node, value)) append(encode(at, node, value))
    },
    close() {
      closeSync(fd)
    },
  }
}
