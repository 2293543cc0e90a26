/**
 * A client's replication connection (`replication=database`), relayed to a WAL sender of the node's server (ADR 36).
 *
 * Contract
 * - The client's role is the WAL sender's, and PostgreSQL judges what it may do; here is only kept back what is the agent's
 *   (commands.ts, stream.ts).
 * - A WAL sender runs SQL, and commits without the agent. So only statements that are proven harmless are passed on, in a backend that is
 *   read-only besides; all else is refused (0A000).
 * - One Query at a time: the next one waits unread for the answer to the last, so that a refusal of ours comes in its place.
 * - Neither side is read while the other does not take what there is: a slow client costs no memory here, and its slot holds WAL back
 *   within bounds (slots.ts).
 *
 * Failure cases: either side's end is the other's. The client's bad frames end its connection (08P01). It is told 57P01 when
 * the node wants it gone.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { errorResponse, fieldsOfError } from '../../wire/pgwire/errors.ts'
import { parseParameterStatus } from '../../wire/pgwire/login-messages.ts'
import { typeByte } from '../../wire/pgwire/frames.ts'
import type { Handover } from '../session/session-options.ts'
import type { ClassifiedQuery, ClassifiedStatement, SessionFacts } from '../session/statement/contract.ts'
import { parseReplicationCommand } from './commands.ts'
import { createServerSieve, shownOf } from './stream.ts'

/** Longest message of a client: its queries are short, what it confirms is shorter. */
const clientMessageBytesMax = 1024 * 1024
/** How long a client may take to read the last words, ms. */
const lingerMsMax = 2_000

export interface ReplicationOptions {
  readonly classify: (text: string, facts: SessionFacts) => ClassifiedQuery
  /** The output plugin of a slot; undefined: there is no such slot. */
  readonly pluginOf: (slot: string) => Promise<string | undefined>
  /** @throws AllwriteError 53400: there are as many as there may be */
  readonly admitSlot: () => Promise<void>
}

/** A running relay, with what the node asks of any session. */
export interface Replication {
  /** Resolves when both connections are closed. Never rejects. */
  readonly closed: Promise<void>
  /** Ends it with 57P01, at once: the slot knows how far the client is. */
  end(): void
}

const type = {
  query: typeByte('Q'),
  bye: typeByte('X'),
  sync: typeByte('S'),
  flush: typeByte('H'),
  copyData: typeByte('d'),
  copyDone: typeByte('c'),
  copyFail: typeByte('f'),
  ready: typeByte('Z'),
  parameter: typeByte('S'),
} as const

const extended: ReadonlySet<number> = new Set(['P', 'B', 'E', 'C', 'D', 'F'].map(typeByte))

/** What every subscriber begins with (ALWAYS_SECURE_SEARCH_PATH_SQL of PostgreSQL's fe_utils). */
const secureSearchPath = /^\s*SELECT\s+pg_catalog\.set_config\('search_path',\s*'',\s*false\)\s*;?\s*$/i

const harmlessKinds: ReadonlySet<ClassifiedStatement['kind']> = new Set([
  'empty',
  'harmless',
  'setting',
  'begin',
  'commit',
  'rollback',
])

/** @throws AllwriteError 0A000, or what the statement is refused with */
const checkSql = (text: string, standardConformingStrings: boolean, classify: ReplicationOptions['classify']): void => {
  if (secureSearchPath.test(text)) return
  for (const statement of classify(text, { standardConformingStrings, temporaryObjects: false }).statements) {
    if (harmlessKinds.has(statement.kind)) continue
    if (statement.kind === 'refused') {
      const { message, sqlState, detail, hint } = statement
      const more = { ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }) }
      throw new AllwriteError('unsupported', message, { sqlState, ...more })
    }
    throw new AllwriteError('unsupported', 'this statement is not supported in a replication connection', {
      detail: 'Only what is proven to write nothing is run here: it would commit at this node alone.',
      hint: 'Give it in an ordinary connection.',
    })
  }
}

const readyForQuery = (status: number): Buffer => Buffer.from([type.ready, 0, 0, 0, 5, status])

/** Takes two logged-in connections over, in this very call. */
export const runReplication = (start: Handover, options: ReplicationOptions): Replication => {
  const { client, backend } = start
  /** The server has not answered the last Query. */
  let busy = false
  /** Of the last ReadyForQuery. */
  let status = typeByte('I')
  let standardStrings = start.parameters.get('standard_conforming_strings') !== 'off'
  let unread: Buffer = start.clientLeftover
  let over = false
  /** A message of the client's is being looked at. */
  let serving = false

  const sieve = createServerSieve({
    forward(bytes) {
      if (!client.write(bytes)) backend.pause()
    },
    onMessage(code, body) {
      if (code === type.ready) {
        busy = false
        status = body[0] ?? status
      } else if (code === type.parameter) {
        const [name, value] = parseParameterStatus(body)
        if (name === 'standard_conforming_strings') standardStrings = value !== 'off'
      }
    },
  })

  const closedOf = (socket: typeof client): Promise<void> =>
    socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', resolve))

  /** Ends both sides; the client is told why where it can be told. */
  const finish = (error?: AllwriteError): void => {
    if (over) return
    over = true
    backend.destroy()
    const timer = setTimeout(() => client.destroy(), lingerMsMax)
    client.once('close', () => clearTimeout(timer))
    // What it still sends is read and dropped, so that its end is seen.
    client.resume()
    if (error === undefined || sieve.midMessage) client.end()
    else client.end(errorResponse(fieldsOfError(error, 'FATAL')))
  }

  const send = (message: Buffer): void => {
    if (!backend.write(message)) client.pause()
  }

  const queryMessage = (text: string): Buffer => {
    const body = Buffer.from(`${text}\0`)
    const message = Buffer.alloc(5 + body.length)
    message[0] = type.query
    message.writeUInt32BE(4 + body.length, 1)
    body.copy(message, 5)
    return message
  }

  /** @throws AllwriteError a refusal */
  const query = async (message: Buffer): Promise<void> => {
    const text = message.toString('utf8', 5, message.length - 1)
    const command = parseReplicationCommand(text)
    if (command.kind === 'refused') throw command.error
    if (command.kind === 'sql') checkSql(text, standardStrings, options.classify)
    else {
      if (command.creates !== undefined) await options.admitSlot()
      if (command.streams !== undefined) sieve.show(shownOf(await options.pluginOf(command.streams)))
    }
    busy = true
    if (!over) send(command.kind === 'sql' ? message : queryMessage(command.text))
  }

  const refuse = (error: AllwriteError): void => {
    // Of a transaction that is open here the server does not know that it has failed.
    if (status !== typeByte('I')) return finish(error)
    client.write(Buffer.concat([errorResponse(fieldsOfError(error)), readyForQuery(status)]))
  }

  /** The next whole message; undefined: it has not come yet. @throws AllwriteError 08P01 */
  const take = (): Buffer | undefined => {
    if (unread.length < 5) return undefined
    const length = unread.readUInt32BE(1)
    if (length < 4 || length > clientMessageBytesMax) throw new AllwriteError('protocol', 'invalid message length')
    if (unread.length < 1 + length) return undefined
    if (busy && unread[0] === type.query) return undefined
    const message = unread.subarray(0, 1 + length)
    unread = unread.subarray(1 + length)
    return message
  }

  const serveOne = async (message: Buffer): Promise<void> => {
    const code = message[0] ?? 0
    if (code === type.query) {
      await query(message).catch((error: unknown) => refuse(AllwriteError.from(error)))
    } else if (extended.has(code)) {
      throw new AllwriteError('protocol', 'extended query protocol not supported in a replication connection')
    } else if (
      code === type.copyData ||
      code === type.copyDone ||
      code === type.copyFail ||
      code === type.sync ||
      code === type.flush ||
      code === type.bye
    ) {
      send(message)
    } else throw new AllwriteError('protocol', `invalid frontend message type ${code}`)
  }

  /** Reads the client, or does not, by what is unread and what the server has not taken. */
  const takeMore = (): void => {
    if (over) return
    if (unread.length > clientMessageBytesMax || backend.writableNeedDrain) client.pause()
    else client.resume()
  }

  const serve = async (): Promise<void> => {
    if (serving) return
    serving = true
    try {
      for (let message = take(); message !== undefined && !over; message = take()) await serveOne(message)
    } catch (error) {
      finish(AllwriteError.from(error))
    } finally {
      serving = false
    }
    takeMore()
  }

  client.on('error', () => undefined)
  backend.on('error', () => undefined)
  client.on('drain', () => backend.resume())
  backend.on('drain', takeMore)
  client.on('data', (chunk: Buffer) => {
    if (over) return
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    void serve()
    takeMore()
  })
  backend.on('data', (chunk: Buffer) => {
    if (over) return
    try {
      sieve.push(chunk)
    } catch (error) {
      return finish(AllwriteError.from(error))
    }
    if (!busy) void serve()
  })
  // The server has said why, if it had something to say.
  backend.on('close', () => finish())
  client.on('close', () => finish())
  if (start.backendLeftover.length > 0) sieve.push(start.backendLeftover)
  backend.resume()
  client.resume()
  void serve()

  return {
    closed: Promise.all([closedOf(client), closedOf(backend)]).then(() => undefined),
    end: () =>
      finish(
        new AllwriteError('unavailable', 'terminating connection due to administrator command', { sqlState: '57P01' }),
      ),
  }
}
