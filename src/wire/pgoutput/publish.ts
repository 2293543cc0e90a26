/**
 * Builds what an apply worker reads from its publisher: transactions in pgoutput's unstreamed form, in XLogData frames.
 *
 * Every frame carries LSN 0, so that the worker's "received" position never runs ahead of what it has committed; only
 * the keepalive behind a transaction carries its LSN, and the worker answers it after the commit (see
 * `LogicalRepApplyLoop` and `send_feedback` in PostgreSQL's worker.c).
 *
 * @module
 */
import { MessageType } from './messages.ts'

/** Fits the few rows of an ordinary transaction; it grows. */
const initialBytes = 2 * 1024
/** CopyData header, `w`, two LSNs and a timestamp. */
const frameHeaderBytes = 5 + 25

/** A growing buffer of frames; `take` hands out what was gathered. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafe(initialBytes)
  #at = 0

  get byteLength(): number {
    return this.#at
  }

  /** Adds a frame for a message of `length` bytes and returns the view to fill. */
  frame(length: number): Buffer {
    const total = frameHeaderBytes + length
    if (this.#at + total > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + total))
      this.#buffer.copy(grown, 0, 0, this.#at)
      this.#buffer = grown
    }
    const at = this.#at
    this.#buffer[at] = 0x64
    this.#buffer.writeUInt32BE(total - 1, at + 1)
    this.#buffer[at + 5] = 0x77
    this.#buffer.fill(0, at + 6, at + frameHeaderBytes)
    this.#at += total
    return this.#buffer.subarray(at + frameHeaderBytes, at + total)
  }

  /** Adds bytes that are framed already. */
  raw(bytes: Buffer): void {
    if (this.#at + bytes.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes.length))
      this.#buffer.copy(grown, 0, 0, this.#at)
      this.#buffer = grown
    }
    bytes.copy(this.#buffer, this.#at)
    this.#at += bytes.length
  }

  /** What was gathered; the writer starts anew with a buffer of its own. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at)
    this.#buffer = Buffer.allocUnsafe(initialBytes)
    this.#at = 0
    return taken
  }
}

/** @param lsn becomes the origin's progress when the worker commits; `time` in PostgreSQL microseconds */
export const writeBegin = (out: FrameWriter, lsn: bigint, time: bigint): void => {
  const message = out.frame(21)
  message[0] = MessageType.begin
  message.writeBigUInt64BE(lsn, 1)
  message.writeBigInt64BE(time, 9)
  message.writeUInt32BE(0, 17)
}

export const writeCommit = (out: FrameWriter, lsn: bigint, time: bigint): void => {
  const message = out.frame(26)
  message[0] = MessageType.commit
  message[1] = 0
  message.writeBigUInt64BE(lsn, 2)
  message.writeBigUInt64BE(lsn, 10)
  message.writeBigInt64BE(time, 18)
}

/** @param body namespace, name, identity and columns, as a record carries them */
export const writeRelation = (out: FrameWriter, id: number, body: Uint8Array): void => {
  const message = out.frame(5 + body.length)
  message[0] = MessageType.relation
  message.writeUInt32BE(id, 1)
  message.set(body, 5)
}

/**
 * Writes an insert, update or delete of a record, under the connection's relation id. The values go on as they are.
 */
export const writeRowChange = (out: FrameWriter, relation: number, change: Uint8Array): void => {
  const message = out.frame(change.length)
  message.set(change)
  message.writeUInt32BE(relation, 1)
}

/** Writes a truncate; identities are never restarted by the worker: sequences have their own way (RULES 14). */
export const writeTruncate = (out: FrameWriter, relations: readonly number[], cascade: boolean): void => {
  const message = out.frame(6 + 4 * relations.length)
  message[0] = MessageType.truncate
  message.writeUInt32BE(relations.length, 1)
  message[5] = cascade ? 1 : 0
  for (const [i, relation] of relations.entries()) message.writeUInt32BE(relation, 6 + 4 * i)
}
