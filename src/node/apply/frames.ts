/**
 * The stream of changes inside a writeset: `u32 length` + message. Reads it from one piece or from the chunks of a large
 * writeset, whose borders fall anywhere.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

const broken = (): AllwriteError => new AllwriteError('journal_corrupt', 'a writeset does not end with a whole message')

/** Calls `onMessage` for every message of an inline writeset. */
export const forEachMessage = (bytes: Uint8Array, onMessage: (message: Buffer) => void): void => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at < view.length) {
    if (at + 4 > view.length) throw broken()
    const end = at + 4 + view.readUInt32BE(at)
    if (end > view.length) throw broken()
    onMessage(view.subarray(at + 4, end))
    at = end
  }
}

/** Returns a function to feed with chunks, and one that checks that the end was clean. */
export const createMessageJoiner = (
  onMessage: (message: Buffer) => void,
): { push(chunk: Uint8Array): void; end(): void } => {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let needBytes = 4
  return {
    push(chunk) {
      const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      pendingBytes += view.length
      if (pendingBytes < needBytes) {
        // A copy: chunks are views that their reader takes back.
        pending.push(Buffer.from(view))
        return
      }
      const bytes = pending.length === 0 ? view : Buffer.concat([...pending, view], pendingBytes)
      let at = 0
      needBytes = 4
      while (bytes.length - at >= 4) {
        const end = at + 4 + bytes.readUInt32BE(at)
        if (end > bytes.length) {
          needBytes = end - at
          break
        }
        onMessage(bytes.subarray(at + 4, end))
        at = end
      }
      pending = at < bytes.length ? [Buffer.from(bytes.subarray(at))] : []
      pendingBytes = bytes.length - at
    },
    end() {
      if (pendingBytes > 0) throw broken()
    },
  }
}
