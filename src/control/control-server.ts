/**
 * The supervisor's socket for the other commands: one JSON line in, lines of progress and one with the result back. It lies in the private runtime
 * folder: whoever can open it is the cluster's owner.
 *
 * @module
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import { parseNodeName } from '../core/ids.ts'
import { fieldsOf, type Fields } from './json.ts'
import type { ClusterStatus } from './status.ts'

/** What the commands may ask of the supervisor. */
export interface Controlled {
  status(): ClusterStatus
  stop(): Promise<void>
  killNode(id: number): Promise<void>
  stopNode(id: number): Promise<void>
  startNode(id: number): Promise<void>
  /** Those below tell their steps. */
  addNodes(count: number, tell: Tell): Promise<void>
  removeNode(id: number, tell: Tell): Promise<void>
  drainNode(id: number, tell: Tell): Promise<void>
  undrainNode(id: number): void
  setPaused(wanted: boolean): void
  /** @param ids undefined: all that run */
  restartNodes(ids: readonly number[] | undefined, pgBin: string | undefined, tell: Tell): Promise<void>
}

/** Takes a line for the person who waits. */
export type Tell = (text: string) => void

export const commands = [
  'status',
  'stop',
  'stop_node',
  'kill',
  'start',
  'add',
  'remove',
  'restart',
  'drain',
  'undrain',
  'pause',
  'resume',
] as const
export type Command = (typeof commands)[number]

/** One line of JSON. */
export interface ControlRequest {
  readonly command: Command
  /** For the commands on one node: its name. */
  readonly node?: string
  /** `restart`: names; absent: all. */
  readonly nodes?: readonly string[]
  /** `add`. */
  readonly count?: number
  /** `restart`: a folder of PostgreSQL programs, or `path`. */
  readonly pgBin?: string
}

export interface ControlError {
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

/** Any number of lines with progress, then one with `ok`. */
export type ControlAnswer = { readonly progress: string } | ControlResult

export type ControlResult =
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
    const send = (value: ControlAnswer) => `${JSON.stringify(value)}\n`
    // Who asked may have gone: what was begun goes on, and is told to nobody.
    const tell = (progress: string) => void (socket.writable && socket.write(send({ progress })))
    void answer(line, controlled, tell).then((result) => socket.end(send(result)))
  })
}

async function answer(line: string, controlled: Controlled, tell: Tell): Promise<ControlResult> {
  try {
    await run(fieldsOf(JSON.parse(line)), controlled, tell)
    return { ok: true, status: controlled.status() }
  } catch (thrown) {
    const { message, detail, hint } = AllwriteError.from(thrown)
    return {
      ok: false,
      error: { message, ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }) },
    }
  }
}

async function run(request: Fields, controlled: Controlled, tell: Tell): Promise<void> {
  const { node, nodes, count, pgBin } = request
  const command = commands.find((known) => known === request['command'])
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
    case 'add':
      return controlled.addNodes(typeof count === 'number' && count >= 1 ? count : 1, tell)
    case 'remove':
      return controlled.removeNode(nodeOf(node), tell)
    case 'drain':
      return controlled.drainNode(nodeOf(node), tell)
    case 'undrain':
      return controlled.undrainNode(nodeOf(node))
    case 'pause':
    case 'resume':
      return controlled.setPaused(command === 'pause')
    case 'restart': {
      const ids = Array.isArray(nodes) ? nodes.map(nodeOf) : undefined
      return controlled.restartNodes(ids, typeof pgBin === 'string' ? pgBin : undefined, tell)
    }
    case undefined:
      throw new AllwriteError('protocol', `unknown command ${JSON.stringify(request['command'])}`)
  }
}

function nodeOf(text: unknown): number {
  const node = typeof text === 'string' ? parseNodeName(text) : undefined
  if (node === undefined) throw new AllwriteError('configuration', `no node is named ${JSON.stringify(text)}`)
  return node
}
