/**
 * The supervisor's socket for the other commands: one JSON line in, one JSON line back. It lies in the private runtime
 * folder: whoever can open it is the cluster's owner.
 *
 * @module
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import { parseNodeName } from '../core/ids.ts'
import { fieldsOf } from './json.ts'
import type { ClusterStatus } from './status.ts'

/** What the commands may ask of the supervisor. */
export interface Controlled {
  status(): ClusterStatus
  stop(): Promise<void>
  killNode(id: number): Promise<void>
  stopNode(id: number): Promise<void>
  startNode(id: number): Promise<void>
}

export const commands = ['status', 'stop', 'stop_node', 'kill', 'start'] as const
export type Command = (typeof commands)[number]

export interface ControlError {
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

export type ControlAnswer =
  { readonly ok: true; readonly status: ClusterStatus } | { readonly ok: false; readonly error: ControlError }

/** A request is a few words. */
const requestBytesMax = 4096

/** Listens at `path`; a socket that a killed predecessor left there is replaced (we hold the cluster's lock). */
export async function serveControl(path: string, controlled: Controlled): Promise<AsyncDisposable> {
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    answerLine(socket, controlled)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(AllwriteError.from(error, 'configuration')))
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        // Answers that are on their way are delivered by end(); listeners that only wait are told nothing.
        for (const socket of sockets) socket.end()
        server.close(() => resolve())
        setTimeout(() => sockets.forEach((socket) => socket.destroy()), 200).unref()
      }),
  }
}

function answerLine(socket: Socket, controlled: Controlled): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    const end = text.indexOf('\n')
    if (end < 0 && text.length <= requestBytesMax) return
    socket.removeAllListeners('data').resume()
    const line = text.slice(0, Math.max(end, 0))
    void answer(line, controlled).then((result) => socket.end(`${JSON.stringify(result)}\n`))
  })
}

async function answer(line: string, controlled: Controlled): Promise<ControlAnswer> {
  try {
    const { command, node } = fieldsOf(JSON.parse(line))
    await run(command, node, controlled)
    return { ok: true, status: controlled.status() }
  } catch (thrown) {
    const { message, detail, hint } = AllwriteError.from(thrown)
    return {
      ok: false,
      error: { message, ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }) },
    }
  }
}

async function run(name: unknown, node: unknown, controlled: Controlled): Promise<void> {
  const command = commands.find((known) => known === name)
  switch (command) {
    case 'status':
      return
    case 'stop':
      // Not awaited: the socket that would carry the answer is closed by it. The client waits for the process to end.
      setImmediate(() => void controlled.stop().catch(() => undefined))
      return
    case 'stop_node':
      return controlled.stopNode(nodeOf(node))
    case 'kill':
      return controlled.killNode(nodeOf(node))
    case 'start':
      return controlled.startNode(nodeOf(node))
    case undefined:
      throw new AllwriteError('protocol', `unknown command ${JSON.stringify(name)}`)
  }
}

function nodeOf(text: unknown): number {
  const node = typeof text === 'string' ? parseNodeName(text) : undefined
  if (node === undefined) throw new AllwriteError('configuration', `no node is named ${JSON.stringify(text)}`)
  return node
}
