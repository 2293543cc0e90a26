/**
 * What a replication client is shown of its server's stream: everything but schema `allwrite`, whose tables are the agent's business
 * (statements of other sessions pass through them, with the passwords of user mappings), and the agent's own messages.
 *
 * Works on the bytes as they pass: of each message only its beginning is looked at and kept, whatever its size.
 *
 * Known formats: pgoutput (PostgreSQL manual, "Logical Replication Message Formats", protocols 1 to 4) and test_decoding. What other
 * plugins write is passed as it is.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { replicationMessageBytesMax } from '../../wire/pgoutput/copy-stream.ts'

const hiddenSchema = 'allwrite'

/** Judges one change; `bytes` is its beginning, whole if it is short. False: it is not shown. */
export type Shown = (bytes: Buffer) => boolean

/** For a slot of this plugin, from its START_REPLICATION on. */
export const shownOf = (plugin: string | undefined): Shown => {
  if (plugin === 'pgoutput') return pgoutputShown()
  if (plugin === 'test_decoding') return testDecodingShown
  return () => true
}

const testDecodingPattern = /^(?:table allwrite\.|message: transactional: \d prefix: allwrite(?:_flush)?, )/

const testDecodingShown: Shown = (bytes) => !testDecodingPattern.test(bytes.toString('latin1'))

/** A text that ends with a zero byte, at most so long as a name is. */
const cString = (bytes: Buffer, at: number): string => {
  const end = bytes.indexOf(0, at)
  return end < 0 ? '' : bytes.toString('utf8', at, end)
}

const pgoutputShown = (): Shown => {
  /** Relation ids of the schema's tables, as the stream has named them. */
  const hidden = new Set<number>()
  /** Between Stream Start and Stream Stop each message begins with a transaction id. */
  let streaming = false
  return (bytes) => {
    const type = String.fromCharCode(bytes[0] ?? 0)
    const at = streaming ? 5 : 1
    switch (type) {
      case 'S':
        streaming = true
        return true
      case 'E':
        streaming = false
        return true
      case 'R': {
        const relation = bytes.readUInt32BE(at)
        if (cString(bytes, at + 4) !== hiddenSchema) {
          hidden.delete(relation)
          return true
        }
        hidden.add(relation)
        return false
      }
      case 'I':
      case 'U':
      case 'D':
        return !hidden.has(bytes.readUInt32BE(at))
      case 'T':
        // Count and options are before the first relation; those of both kinds are never emptied together.
        return !hidden.has(bytes.readUInt32BE(at + 5))
      case 'M':
        return !/^allwrite(_flush)?$/.test(cString(bytes, at + 9))
      default:
        return true
    }
  }
}

/** Of a message's body that much is looked at: a change's frame (25 bytes) and the longest beginning that is judged. */
const peekBytesMax = 256
const copyData = 0x64
/** XLogData: its type, two LSNs and a time are before the change. */
const walData = 0x77
const walDataBytes = 25

export interface ServerSieve {
  /** Hands on what passes of a chunk. */
  push(chunk: Buffer): void
  /** How the changes that follow are judged. */
  show(shown: Shown): void
  /** Something of a message has been handed on, and not all: nothing else may be said. */
  readonly midMessage: boolean
}

export interface SieveOptions {
  readonly forward: (bytes: Buffer) => void
  /** Called for each message that passes, before any of it does; `body` is its beginning. */
  readonly onMessage: (type: number, body: Buffer) => void
}

/** Cuts the server's bytes at its messages. @throws AllwriteError protocol on an impossible length */
export const createServerSieve = ({ forward, onMessage }: SieveOptions): ServerSieve => {
  let shown: Shown = () => true
  let head: Buffer = Buffer.alloc(0)
  /** Bytes of the current message that are still to come. */
  let left = 0
  let passes = true

  const judge = (type: number, body: Buffer): boolean => {
    if (type !== copyData) onMessage(type, body)
    else if (body[0] === walData) return shown(body.subarray(walDataBytes))
    return true
  }

  return {
    push(chunk) {
      let bytes = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      head = Buffer.alloc(0)
      while (bytes.length > 0) {
        if (left > 0) {
          const part = bytes.subarray(0, left)
          left -= part.length
          bytes = bytes.subarray(part.length)
          if (passes) forward(part)
          continue
        }
        const length = bytes.length < 5 ? undefined : bytes.readUInt32BE(1)
        if (length !== undefined && (length < 4 || length > replicationMessageBytesMax))
          throw new AllwriteError('protocol', `impossible message length ${length} on a replication connection`)
        if (length === undefined || bytes.length < 5 + Math.min(length - 4, peekBytesMax)) {
          // A copy: the chunk may be large.
          head = Buffer.from(bytes)
          return
        }
        const peeked = Math.min(length - 4, peekBytesMax)
        passes = judge(bytes[0] as number, bytes.subarray(5, 5 + peeked))
        left = 1 + length
      }
    },
    show(next) {
      shown = next
    },
    get midMessage() {
      return left > 0 && passes
    },
  }
}
