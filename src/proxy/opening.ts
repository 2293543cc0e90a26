/**
 * The first bytes of a connection, as far as the choice of a node depends on them (PostgreSQL documentation, "Message
 * Formats": StartupMessage, SSLRequest, GSSENCRequest, CancelRequest; each is int32 length, int32 code, …).
 *
 * @module
 */
import type { Socket } from 'node:net'

const cancelCode = 80_877_102
const sslCode = 80_877_103
const gssCode = 80_877_104

/** Bytes of length and code. */
const headBytes = 8

/** A CancelRequest's process id ends here; its key follows. */
const cancelHeadBytes = 12

/** Encryption requests that one client may make before its start-up packet: SSL and GSS, once each. */
const requestsMax = 2

/** What a client wants; `bytes` is everything read so far, to be passed on first. */
export type Opening =
  | { readonly kind: 'session'; readonly bytes: Buffer }
  | { readonly kind: 'cancel'; readonly bytes: Buffer; readonly node: number }
  /** Ended, failed or said nothing in time. */
  | { readonly kind: 'gone' }

/** The node whose backend a CancelRequest names: agents hand out process ids as node << 20 | serial. */
export const cancelledNode = (processId: number): number => processId >>> 20

/**
 * Reads until the kind is known, leaves the socket paused. Requests for encryption are answered 'N' where
 * `refuseEncryption`: then a CancelRequest that follows one (libpq 17 and newer) is seen as well. Otherwise they belong to the node.
 * @param withinMs PostgreSQL's authentication_timeout
 */
export function readOpening(client: Socket, refuseEncryption: boolean, withinMs: number): Promise<Opening> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0)
    let requests = 0
    const finish = (opening: Opening) => {
      clearTimeout(timer)
      client.off('readable', onReadable).off('end', onGone).off('error', onGone).off('close', onGone)
      resolve(opening)
    }
    const onGone = () => finish({ kind: 'gone' })
    const onReadable = () => {
      for (let chunk = readChunk(client); chunk; chunk = readChunk(client)) bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const opening = recognise(bytes, refuseEncryption && requests < requestsMax)
        if (opening === 'more') return
        if (opening !== 'request') return finish(opening)
        requests++
        bytes = bytes.subarray(headBytes)
        client.write('N')
      }
    }
    const timer = setTimeout(onGone, withinMs)
    client.on('readable', onReadable).once('end', onGone).once('error', onGone).once('close', onGone)
  })
}

function recognise(bytes: Buffer, answerRequests: boolean): Opening | 'more' | 'request' {
  if (bytes.length < headBytes) return 'more'
  const code = bytes.readInt32BE(4)
  if (answerRequests && bytes.readInt32BE(0) === headBytes && (code === sslCode || code === gssCode)) return 'request'
  if (code !== cancelCode) return { kind: 'session', bytes }
  if (bytes.length < cancelHeadBytes) return 'more'
  return { kind: 'cancel', bytes, node: cancelledNode(bytes.readUInt32BE(8)) }
}

function readChunk(client: Socket): Buffer | undefined {
  const chunk: unknown = client.read()
  return Buffer.isBuffer(chunk) ? chunk : undefined
}
