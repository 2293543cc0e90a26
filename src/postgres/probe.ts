/**
 * Asks a server whether it takes connections, the way `pg_isready` does: by the first bytes of a login that is then
 * given up. No password is needed, so it works for servers that are not ours, too.
 *
 * @module
 */
import { connect } from 'node:net'

/**
 * `ready`: it asks for a password or refuses for a reason of its own; `starting`: 57P03 (starting up, recovering, or
 * shutting down); `silent`: nobody listens, or no answer in time.
 */
export type ProbeResult = 'ready' | 'starting' | 'silent'

/** Longest answer that matters: an ErrorResponse's head with its SQLSTATE. */
const answerBytesMax = 512

/**
 * @param path a server's Unix socket
 * @param timeoutMs how long to wait for an answer
 */
export function probe(path: string, timeoutMs = 2000): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    let answer = Buffer.alloc(0)
    const finish = (result: ProbeResult) => {
      socket.removeAllListeners()
      // An error after this one has no one to tell.
      socket.on('error', () => undefined)
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => finish('silent'))
    socket.once('error', () => finish('silent'))
    socket.once('close', () => finish('silent'))
    socket.once('connect', () => socket.write(startupPacket))
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      if (answer[0] !== 0x45 /* E */) return finish('ready')
      const text = answer.toString('latin1')
      if (text.includes('C57P03\0')) return finish('starting')
      if (text.endsWith('\0\0') || answer.length > answerBytesMax) finish('ready')
    })
  })
}

/** Protocol 3.0 start-up for a user that exists in every server of ours. */
const startupPacket = (() => {
  const parameters = Buffer.from('user\0allwrite\0database\0postgres\0application_name\0allwrite probe\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + parameters.length, 0)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, parameters])
})()
