/**
 * From a client's message to the connection's: prepared statements get names that are ours, and are prepared where they are not yet.
 *
 * @module
 */
import { errorResponse } from '../../wire/pgwire/errors.ts'
import { typeByte } from '../../wire/pgwire/frames.ts'
import { close, query, readBind, readQuery, readTarget, describe } from '../../wire/pgwire/messages.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { noStatement, parseMessage, type AnswerKind } from './answers.ts'
import type { ServerConnection } from './server-connection.ts'
import { namedStatement, namePrefix, type SessionState, type Statement } from './session-state.ts'

export const frontend = {
  bind: typeByte('B'),
  close: typeByte('C'),
  copyData: typeByte('d'),
  copyDone: typeByte('c'),
  copyFail: typeByte('f'),
  describe: typeByte('D'),
  execute: typeByte('E'),
  call: typeByte('F'),
  flush: typeByte('H'),
  parse: typeByte('P'),
  query: typeByte('Q'),
  sync: typeByte('S'),
  terminate: typeByte('X'),
} as const

/** What sending a message came to: done; or its statement can't be had as the client knows it: this error is the answer. */
export type Forwarded = 'sent' | { readonly errorFrame: Buffer }

const statementKind = 'S'.charCodeAt(0)

/** A promise only where a statement has to be prepared first. */
type Forwarding = Forwarded | Promise<Forwarded>

/** Sends one message on. @throws ConnectionLost */
export function forward(frame: ClientFrame, state: SessionState, connection: ServerConnection): Forwarding {
  const { bytes, type } = frame
  switch (type) {
    case frontend.query: {
      // It destroys the unnamed statement, also where it fails.
      state.unnamed = undefined
      connection.forward('query', renamedDeallocate(bytes, state, connection) ?? bytes)
      return 'sent'
    }
    case frontend.parse:
      return forwardParse(bytes, state, connection)
    case frontend.bind: {
      const { portal, statement: name } = readBind(bytes)
      const statement = statementOf(state, name)
      return behind(statement ? provide(statement, connection) : 'sent', () => {
        const serverName = serverNameOf(statement, name)
        connection.forward('bind', name === '' ? bytes : renamedBind(bytes, portal, name, serverName))
      })
    }
    case frontend.describe:
    case frontend.close: {
      if (bytes[5] !== statementKind) {
        connection.forward(type === frontend.close ? 'close' : 'describe', bytes)
        return 'sent'
      }
      const { name } = readTarget(bytes)
      return type === frontend.close ? forwardClose(name, state, connection) : forwardDescribe(name, state, connection)
    }
    default:
      connection.forward(kindOf(type), bytes)
      return 'sent'
  }
}

function kindOf(type: number): AnswerKind | undefined {
  if (type === frontend.execute) return 'execute'
  if (type === frontend.sync) return 'sync'
  if (type === frontend.call) return 'call'
  return undefined
}

const statementOf = (state: SessionState, name: string): Statement | undefined =>
  name === '' ? state.unnamed : state.statements.get(name)

/** What the server is asked for: a name that nobody prepared must not be one of ours. */
const serverNameOf = (statement: Statement | undefined, name: string): string =>
  statement?.serverName ?? (name.startsWith(namePrefix) ? `${name}?` : name)

/** Sends once the statement is there. */
function behind(ready: Forwarding, send: () => void): Forwarding {
  if (ready instanceof Promise) return ready.then((later) => behindNow(later, send))
  return behindNow(ready, send)
}

function behindNow(ready: Forwarded, send: () => void): Forwarded {
  if (ready === 'sent') send()
  return ready
}

function forwardParse(bytes: Buffer, state: SessionState, connection: ServerConnection): Forwarding {
  const nameEnd = bytes.indexOf(0, 5)
  const name = bytes.toString('latin1', 5, nameEnd)
  const body = bytes.subarray(nameEnd + 1)
  if (name === '') {
    const statement: Statement = { serverName: '', body, description: undefined }
    state.unnamed = statement
    connection.unnamed = statement
    connection.forward('parse', renamedDeallocateParse(body, state, connection) ?? bytes, (answered) => {
      if (answered) return
      if (connection.unnamed === statement) connection.unnamed = undefined
      if (state.unnamed === statement) state.unnamed = undefined
    })
    return 'sent'
  }
  const existing = state.statements.get(name)
  if (existing) {
    // The server says that there is one of this name: so there must be.
    return behind(provide(existing, connection), () =>
      connection.forward('parse', parseMessage(existing.serverName, body)),
    )
  }
  const statement = namedStatement(state, body)
  state.statements.set(name, statement)
  // Prepared anew for whoever asks: what is there may be older than the last change of its tables.
  connection.forget(statement.serverName)
  connection.remember(statement.serverName, undefined)
  connection.forward('parse', parseMessage(statement.serverName, body), (answered) => {
    if (answered) return
    connection.statements.delete(statement.serverName)
    if (state.statements.get(name) === statement) state.statements.delete(name)
  })
  return 'sent'
}

/**
 * Sees to it that the connection has the statement. A description that the client has seen must be the same here, as PostgreSQL
 * sees to it for its own plans: else the client would read columns that are others.
 */
function provide(statement: Statement, connection: ServerConnection): Forwarding {
  const { serverName, description } = statement
  if (serverName === '') return connection.unnamed === statement ? 'sent' : prepare(statement, connection)
  const { statements } = connection
  if (statements.has(serverName) && (description === undefined || statements.get(serverName) === description))
    return 'sent'
  return prepare(statement, connection)
}

async function prepare(statement: Statement, connection: ServerConnection): Promise<Forwarded> {
  const { serverName, body, description } = statement
  const answer = await connection.prepare(serverName, body)
  if (answer.errorFrame) return { errorFrame: answer.errorFrame }
  if (serverName === '') connection.unnamed = statement
  else connection.remember(serverName, answer.description)
  return description === undefined || answer.description === description ? 'sent' : fail(connection)
}

/** The batch fails at the server as well: nothing of it may be committed. */
function fail(connection: ServerConnection): { readonly errorFrame: Buffer } {
  connection.forwardFailure()
  return { errorFrame: planChanged }
}

const planChanged = errorResponse({
  severity: 'ERROR',
  sqlState: '0A000',
  message: 'cached plan must not change result type',
})

function forwardDescribe(name: string, state: SessionState, connection: ServerConnection): Forwarding {
  const statement = statementOf(state, name)
  return behind(statement ? provide(statement, connection) : 'sent', () => {
    const sent = name === '' ? describe('S', '') : describe('S', serverNameOf(statement, name))
    connection.forward('describe', sent, (answered, description) => {
      if (!answered || !statement) return
      statement.description = description
      if (statement.serverName !== '') connection.remember(statement.serverName, description)
    })
  })
}

/** The connection keeps the statement: others may have use of it. */
function forwardClose(name: string, state: SessionState, connection: ServerConnection): Forwarded {
  if (name === '') {
    state.unnamed = undefined
    connection.unnamed = undefined
  } else state.statements.delete(name)
  connection.forward('close', close('S', name === '' ? '' : noStatement))
  return 'sent'
}

function renamedBind(bytes: Buffer, portal: string, name: string, serverName: string): Buffer {
  const restStart = 5 + portal.length + 1 + name.length + 1
  const headLength = 5 + portal.length + 1 + serverName.length + 1
  const whole = Buffer.allocUnsafe(headLength + bytes.length - restStart)
  whole.write(`B\0\0\0\0${portal}\0${serverName}\0`, 'latin1')
  whole.writeUInt32BE(whole.length - 1, 1)
  bytes.copy(whole, headLength, restStart)
  return whole
}

const deallocate = /^\s*DEALLOCATE\s+(?:PREPARE\s+)?(?:"([^"]+)"|([A-Za-z_][\w$]*))\s*;?\s*$/i
/** Longer texts are no DEALLOCATE. */
const deallocateBytesMax = 200

/** The statement's name on the connection, if the text is a DEALLOCATE of one of the protocol's: drivers drop theirs so. */
function deallocated(text: Buffer, state: SessionState, connection: ServerConnection): string | undefined {
  if (text.length > deallocateBytesMax || state.statements.size === 0) return undefined
  const [, inQuotes, plain] = deallocate.exec(text.toString('latin1')) ?? []
  const name = inQuotes ?? plain?.toLowerCase()
  const statement = name === undefined ? undefined : state.statements.get(name)
  if (name === undefined || statement === undefined) return undefined
  state.statements.delete(name)
  const { serverName } = statement
  // For the tag's sake: what the client drops need not be prepared here.
  if (!connection.statements.delete(serverName))
    connection.ask(`PREPARE "${serverName}" AS SELECT 1`).catch(() => undefined)
  return `DEALLOCATE "${serverName}"`
}

function renamedDeallocate(bytes: Buffer, state: SessionState, connection: ServerConnection): Buffer | undefined {
  if (state.statements.size === 0) return undefined
  const text = deallocated(readQuery(bytes), state, connection)
  return text === undefined ? undefined : query(text, 'latin1')
}

function renamedDeallocateParse(body: Buffer, state: SessionState, connection: ServerConnection): Buffer | undefined {
  const end = body.indexOf(0)
  const text = deallocated(body.subarray(0, end), state, connection)
  return text === undefined
    ? undefined
    : parseMessage('', Buffer.concat([Buffer.from(text, 'latin1'), body.subarray(end)]))
}

/** A message of COPY … FROM STDIN. */
export const isCopy = (type: number): boolean =>
  type === frontend.copyData || type === frontend.copyDone || type === frontend.copyFail

/** Behind it nothing of its unit comes. */
export const endsUnit = (type: number): boolean =>
  type === frontend.query || type === frontend.call || type === frontend.sync || isCopy(type)

/** A Query that is nothing but a ROLLBACK: what has lost its transaction hears of it in answer to anything else. */
export const isRollback = ({ type, bytes }: ClientFrame): boolean =>
  type === frontend.query &&
  /^\s*(?:rollback|abort)(?:\s+(?:work|transaction))?\s*;?\s*\0$/i.test(bytes.toString('latin1', 5))

/** The message may change which prepared statements there are; texts may as well. */
export const changesStatements = (type: number, bytes: Buffer): boolean =>
  type === frontend.close || (type === frontend.parse && bytes[5] !== 0)
