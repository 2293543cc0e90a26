/**
 * The frames of a CopyBoth conversation: cuts a byte stream into protocol messages, and builds the few that either side
 * of a replication connection sends.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** Largest message of a replication connection we accept: PostgreSQL's 1 GB allocation limit plus framing. */
export const replicationMessageBytesMax = 0x4000_0000 + 1024

/** Called per message: type byte and the body as a view into `bytes`, valid during the call only. */
export type OnMessage = (type: number, bytes: Buffer, start: number, end: number) => void

/**
 * Returns a function to feed with socket chunks; it calls `onMessage` for every complete message. Bytes of an incomplete
 * one are kept; a large message is gathered in a list, not re-copied at every chunk.
 * @throws AllwriteError protocol on an impossible length
 */
export const createMessageCutter = (onMessage: OnMessage): ((chunk: Buffer) => void) => {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let needBytes = 0
  return (chunk) => {
    let bytes = chunk
    if (pendingBytes > 0) {
      pending.push(chunk)
      pendingBytes += chunk.length
      if (pendingBytes < needBytes) return
      bytes = Buffer.concat(pending, pendingBytes)
      pending = []
      pendingBytes = 0
    }
    let at = 0
    while (bytes.length - at >= 5) {
      const length = bytes.readUInt32BE(at + 1)
      if (length < 4 || length > replicationMessageBytesMax) {
        throw new AllwriteError('protocol', `impossible message length ${length} on a replication connection`)
      }
      const end = at + 1 + length
      if (end > bytes.length) break
      onMessage(bytes[at] as number, bytes, at + 5, end)
      at = end
    }
    if (at < bytes.length) {
      // A copy: the socket's chunk may be large and the rest small; and views must not outlive the call.
      const rest = Buffer.from(bytes.subarray(at))
      pending = [rest]
      pendingBytes = rest.length
      needBytes = rest.length >= 5 ? 1 + rest.readUInt32BE(1) : 5
    }
  }
}

/** Microseconds between the Unix and the PostgreSQL epoch (2000-01-01). */
const postgresEpochMicros = 946_684_800_000_000n

/** A millisecond Unix time as PostgreSQL's 64-bit timestamp. */
export const postgresTimestamp = (unixMs: number): bigint => BigInt(Math.round(unixMs * 1000)) - postgresEpochMicros

/**
 * CopyData with a standby status update: everything up to `lsn` is received, flushed and applied. With `reply` the server
 * answers at once with a keepalive.
 */
export const standbyStatusUpdate = (lsn: bigint, nowMs: number, reply = false): Buffer => {
  const message = Buffer.alloc(5 + 34)
  message.write('d', 0)
  message.writeUInt32BE(4 + 34, 1)
  message.write('r', 5)
  message.writeBigUInt64BE(lsn, 6)
  message.writeBigUInt64BE(lsn, 14)
  message.writeBigUInt64BE(lsn, 22)
  message.writeBigInt64BE(postgresTimestamp(nowMs), 30)
  message[38] = reply ? 1 : 0
  return message
}

/** CopyData with a primary keepalive; with `reply` the worker answers at once with its progress. */
export const keepalive = (lsn: bigint, nowMs: number, reply: boolean): Buffer => {
  const message = Buffer.alloc(5 + 18)
  message.write('d', 0)
  message.writeUInt32BE(4 + 18, 1)
  message.write('k', 5)
  message.writeBigUInt64BE(lsn, 6)
  message.writeBigInt64BE(postgresTimestamp(nowMs), 14)
  message[22] = reply ? 1 : 0
  return message
}
