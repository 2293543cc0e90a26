/**
 * Nodes of a scripted cluster for the pool's tests: they speak the protocol, login included, and know as much of transactions, settings
 * and counted connections as a pool looks at. `INSERT x` writes x; `SELECT x` answers x; other texts are answered by their first word.
 *
 * @module
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { authenticate } from '../../login/authenticate.ts'
import { createByteReader } from '../../login/byte-reader.ts'
import { loginAtServer } from '../../login/server-login.ts'
import { closeChannel, openChannel, readOpening } from '../../login/login-channel.ts'
import { errorResponse } from '../../wire/pgwire/errors.ts'
import { FrameScanner, frontendRules } from '../../wire/pgwire/frames.ts'
import { backendKeyData, parameterStatus, startupMessage } from '../../wire/pgwire/login-messages.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  dataRow,
  dataRowOfText,
  noData,
  parseComplete,
  readBind,
  readParse,
  readQuery,
  readTarget,
  readyForQuery,
  rowDescription,
} from '../../wire/pgwire/messages.ts'
import { createThrottle } from '../../login/throttle.ts'
import { defaultRules } from '../../wire/hba/rules.ts'
import { keysOfPassword, verifierOfPassword } from '../../wire/pgwire/scram-client.ts'
import type { EndpointRoutes } from '../contract.ts'
import { fixedRoutes } from './fixed-routes.fixture.ts'

export const password = 'secret'
const salt = Buffer.alloc(16, 1)
const iterations = 4096
const verifier = verifierOfPassword(password, salt, iterations)
const roleRecordOf = (superuser: boolean): string =>
  JSON.stringify({
    verifier,
    can_login: true,
    expired: false,
    connection_limit: -1,
    superuser,
    member_of: [],
  })

/** The verifier's salt is known, so hashing the password once is enough for any number of clients. */
const clientKeys = keysOfPassword(password, salt, iterations)

/** A client of what stands in front of scripted nodes: logged in, and paused without listeners. */
export async function loginAtFakes(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const reader = createByteReader(socket)
  socket.write(
    startupMessage([
      ['user', 'app'],
      ['database', 'postgres'],
    ]),
  )
  await loginAtServer(socket, reader, { kind: 'keys', ...clientKeys })
  reader.release()
  return socket
}

/** What a pool in front of scripted nodes needs besides its routes, its settings and its log. */
export const fakePool = () => ({
  host: '127.0.0.1',
  port: 0,
  keys: { password, vouchKey: Buffer.alloc(32, 2), mockSecret: Buffer.alloc(32, 3) },
  database: 'postgres',
  rules: defaultRules,
  reload: () => Promise.resolve(),
  throttle: createThrottle(),
})

/** What all nodes hold. */
export class FakeCluster {
  /** Committed writes, in order. */
  readonly ledger: string[] = []
  readonly connections = new Map<string, number>()
  readonly closed = new Set<string>()
  /** All roles are. */
  superuser = true
}

/** Told of each statement before it runs; 'die': the node is killed then; 'die after': when it has run, before it answers; 'conflict': it loses. */
export type Script = (text: string, session: FakeSession) => 'die' | 'die after' | 'conflict' | Buffer | undefined

export class FakeNode {
  readonly number: number
  readonly cluster: FakeCluster
  readonly sessions = new Set<FakeSession>()
  /** Texts that were run, of all sessions but those of the pool itself. */
  readonly texts: string[] = []
  script: Script = () => undefined
  #server = this.#newServer()
  readonly #sockets = new Set<Socket>()
  #serial = 0
  /** 0 before it listens. */
  port = 0

  constructor(number: number, cluster: FakeCluster) {
    this.number = number
    this.cluster = cluster
  }

  async listen(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  get listening(): boolean {
    return this.#server.listening
  }

  /** After `kill`, at the same port. */
  async restart(): Promise<void> {
    this.#server = this.#newServer()
    await this.listen()
  }

  #newServer(): Server {
    return createServer({ noDelay: true }, (socket) => void this.#serve(socket))
  }

  /** As kill -9 of the agent: nothing more is said, nobody is let in. */
  kill(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    const channel = openChannel(socket)
    try {
      const opening = await readOpening(channel, undefined)
      if (opening.kind !== 'startup') {
        closeChannel(channel)
        return
      }
      await authenticate(channel, opening.user, {
        role: { verifier, canLogin: true, expired: false, connectionLimit: -1, superuser: true, memberOf: [] },
        wrongCertificate: false,
        mockSecret: Buffer.alloc(32),
      })
      const parameters = new Map(opening.settings)
      const session = new FakeSession(this, socket, parameters, ++this.#serial)
      this.sessions.add(session)
      socket.on('close', () => this.sessions.delete(session))
      const scanner = new FrameScanner(frontendRules, (type, buffer, start, end) =>
        session.take(String.fromCharCode(type), buffer.subarray(start, end)),
      )
      const leftover = channel.reader.release()
      socket.on('data', (chunk: Buffer) => scanner.push(chunk))
      if (leftover.length > 0) scanner.push(leftover)
      socket.resume()
    } catch {
      socket.destroy()
    }
  }
}

export class FakeSession {
  readonly node: FakeNode
  readonly parameters: ReadonlyMap<string, string>
  readonly settings = new Map<string, string>()
  readonly statements = new Map<string, string>()
  /** What the state query answers besides settings. */
  readonly pins = new Set<string>()
  status: 'I' | 'T' | 'E' = 'I'
  /** Of the one column that every result has. */
  description = describe('v')
  readonly #socket: Socket
  readonly #id: string
  readonly #touches: boolean
  #writes: string[] = []
  #bound = ''
  #skips = false

  constructor(node: FakeNode, socket: Socket, parameters: ReadonlyMap<string, string>, serial: number) {
    this.node = node
    this.parameters = parameters
    this.#socket = socket
    this.#id = parameters.get('allwrite.connection') ?? ''
    this.#touches = parameters.has('allwrite.connection')
    this.send(
      ...reported,
      parameterStatus('application_name', parameters.get('application_name') ?? ''),
      backendKeyData(serial, Buffer.alloc(4, serial)),
      readyForQuery(status('I')),
    )
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames))
  }

  take(type: string, frame: Buffer): void {
    if (this.#socket.destroyed) return
    if (type === 'Q') this.#query(readQuery(frame).toString())
    else if (type === 'S') {
      this.#skips = false
      this.#settle()
    } else if (!this.#skips) this.#extended(type, frame)
  }

  #query(text: string): void {
    this.statements.delete('')
    const answer = this.#run(text)
    if (answer === undefined) return
    this.send(answer)
    this.#settle()
  }

  /** ReadyForQuery; outside a block what was written is committed before. */
  #settle(): void {
    if (this.status === 'I') this.#commit()
    this.send(readyForQuery(status(this.status)))
  }

  #commit(): void {
    const writes = this.#writes
    this.#writes = []
    if (writes.length === 0) return
    const { cluster } = this.node
    const count = cluster.connections.get(this.#id)
    if (this.#id !== '' && (count === undefined || cluster.closed.has(this.#id)))
      throw new Error('a connection that was given up commits')
    if (count !== undefined) {
      cluster.connections.set(this.#id, count + 1)
      this.send(parameterStatus('allwrite.transactions', String(count + 1)))
    }
    cluster.ledger.push(...writes)
  }

  #extended(type: string, frame: Buffer): void {
    if (type === 'P') {
      const { name, sql } = readParse(frame)
      if (name !== '' && this.statements.has(name))
        return this.#fail('42P05', `prepared statement "${name}" already exists`)
      this.statements.set(name, sql.toString())
      this.send(parseComplete)
    } else if (type === 'B') {
      const text = this.statements.get(readBind(frame).statement)
      if (text === undefined) return this.#fail('26000', 'prepared statement does not exist')
      this.#bound = text
      this.send(bindComplete)
    } else if (type === 'C') {
      const { kind, name } = readTarget(frame)
      if (kind === 'S') this.statements.delete(name)
      this.send(closeComplete)
    } else if (type === 'D') {
      const { kind, name } = readTarget(frame)
      const text = kind === 'P' ? this.#bound : (this.statements.get(name) ?? '')
      const columns = /^(?:SELECT|SHOW)/i.test(text) ? this.description : noData
      this.send(...(kind === 'S' ? [noParameters, columns] : [columns]))
    } else if (type === 'E') {
      const answer = this.#run(this.#bound)
      if (answer) this.send(withoutDescription(answer))
    }
    return undefined
  }

  #fail(sqlState: string, message: string): void {
    this.#skips = true
    this.send(this.#error(sqlState, message))
  }

  #error(sqlState: string, message: string): Buffer {
    if (this.status === 'T') this.status = 'E'
    this.#writes = []
    return errorResponse({ severity: 'ERROR', sqlState, message })
  }

  /** Undefined: the node is dead. */
  #run(text: string): Buffer | undefined {
    const { node } = this
    if (this.#touches) node.texts.push(text)
    const scripted = this.#touches ? node.script(text, this) : undefined
    if (scripted === 'die') {
      node.kill()
      return undefined
    }
    if (Buffer.isBuffer(scripted)) return scripted
    if (scripted === 'conflict') {
      const error = this.#error('40001', 'could not serialize access due to concurrent update on another node')
      if (text === 'COMMIT') this.status = 'I'
      return error
    }
    const answer = this.#answer(text)
    if (scripted === 'die after') {
      if (this.status === 'I') this.#commit()
      node.kill()
      return undefined
    }
    return answer
  }

  #answer(text: string): Buffer {
    const [first = '', second = ''] = text.replace(/;\s*$/, '').split(/\s+/)
    const word = first.toUpperCase()
    if (this.status === 'E' && word !== 'ROLLBACK' && word !== 'COMMIT')
      return this.#error('25P02', 'current transaction is aborted')
    const opened = /allwrite\.open_connection\('(\w+)'\)/.exec(text)?.[1]
    if (opened !== undefined) {
      this.node.cluster.connections.set(opened, 0)
      return row('', 'SELECT 1')
    }
    const closed = /allwrite\.close_connections\('\{([\w,]+)\}'\)/.exec(text)?.[1]?.split(',')
    if (closed !== undefined) {
      const { connections, closed: all } = this.node.cluster
      for (const id of closed) all.add(id)
      const rows = closed.map((id) => dataRow([id, String(connections.get(id))]))
      return Buffer.concat([...rows, commandComplete('SELECT 1')])
    }
    if (text.includes('role_record')) return rowOf([roleRecordOf(this.node.cluster.superuser)], 'SELECT 1')
    if (text.startsWith("SELECT 's'")) return this.#stateRows()
    if (text.includes('1 / 0')) return this.#error('22012', 'division by zero')
    switch (word) {
      case 'BEGIN':
        this.status = 'T'
        return commandComplete('BEGIN')
      case 'COMMIT': {
        const failed = this.status === 'E'
        this.status = 'I'
        if (!failed) this.#commit()
        return commandComplete(failed ? 'ROLLBACK' : 'COMMIT')
      }
      case 'ROLLBACK':
        this.status = 'I'
        this.#writes = []
        return commandComplete('ROLLBACK')
      case 'INSERT':
        this.#writes.push(second)
        return commandComplete('INSERT 0 1')
      case 'SET': {
        const [, name = '', value = ''] = /^SET "?([\w.]+)"? (?:TO|=) '?([^']*)'?$/i.exec(text) ?? []
        this.settings.set(name, value)
        return this.#touched(`setting ${name}`, commandComplete('SET'))
      }
      case 'RESET':
        this.settings.delete(second.replaceAll('"', ''))
        return this.#touched(`setting ${second}`, commandComplete('RESET'))
      case 'SHOW':
        return row(this.settings.get(second) ?? '', 'SHOW')
      case 'PIN':
        this.pins.add(text.slice(4))
        return this.#touched('code', commandComplete('PIN'))
      case 'DISCARD':
        if (second === 'ALL') {
          this.settings.clear()
          this.statements.clear()
          this.pins.clear()
        }
        return this.#touched(`discard ${second.toLowerCase()}`, commandComplete(`DISCARD ${second}`))
      case 'SELECT':
        return row(second, 'SELECT 1')
      default:
        return commandComplete(word)
    }
  }

  #touched(what: string, answer: Buffer): Buffer {
    return this.#touches ? Buffer.concat([parameterStatus('allwrite.session', what), answer]) : answer
  }

  #stateRows(): Buffer {
    const rows = [...this.settings].map(([name, value]) => dataRow(['s', name, value]))
    for (const pin of this.pins) rows.push(dataRow(['p', pin, null]))
    return Buffer.concat([...rows, dataRow(['role', 'none', 'app']), commandComplete(`SELECT ${rows.length + 1}`)])
  }
}

/** As many as PostgreSQL's, with `application_name`: GUC_REPORT in its guc_tables.c. */
const reported = Object.entries({
  server_version: '18.4',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'Etc/UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  is_superuser: 'on',
  session_authorization: 'app',
  search_path: '"$user", public',
  default_transaction_read_only: 'off',
  in_hot_standby: 'off',
  scram_iterations: '4096',
}).map(([name, value]) => parameterStatus(name, value))

const status = (letter: string): number => letter.charCodeAt(0)
const row = (value: string, tag: string): Buffer =>
  Buffer.concat([describe('v'), dataRowOfText(value), commandComplete(tag)])

/** A RowDescription of one column of text. */
export const describe = (name: string): Buffer => rowDescription([{ name, type: 25, size: -1 }])

const noParameters = Buffer.from('t\0\0\0\x06\0\0', 'latin1')

/** Execute answers without it. */
const withoutDescription = (answer: Buffer): Buffer =>
  answer[0] === 0x54 ? answer.subarray(1 + answer.readUInt32BE(1)) : answer

const rowOf = (columns: readonly (string | null)[], tag: string): Buffer =>
  Buffer.concat([dataRow(columns), commandComplete(tag)])

/** Nodes 1 … `count` of one cluster, and routes to them: node 1 comes first while it lives. */
export async function fakeCluster(count: number) {
  const cluster = new FakeCluster()
  const nodes = Array.from({ length: count }, (_, index) => new FakeNode(index + 1, cluster))
  for (const node of nodes) await node.listen()
  const fixed = fixedRoutes(nodes.map(({ number, port }) => ({ node: number, host: '127.0.0.1', port })))
  const dead = new Set<number>()
  const routes: EndpointRoutes = {
    ...fixed,
    pick: (avoid) => {
      const left = nodes.filter(({ number }) => !avoid.has(number))
      // Last, not never: that it has failed may be told when it is back already.
      const next = left.find(({ number }) => !dead.has(number)) ?? left[0]
      return next && fixed.find(next.number)
    },
    failed: ({ node: number }) => {
      // An attempt may be told as failed when the node is back.
      if (!node(number).listening) dead.add(number)
    },
  }
  const restart = async (number: number): Promise<void> => {
    await node(number).restart()
    dead.delete(number)
  }
  const node = (number: number): FakeNode => {
    const found = nodes[number - 1]
    if (found === undefined) throw new Error(`there is no node ${number}`)
    return found
  }
  return {
    cluster,
    node,
    routes,
    restart,
    [Symbol.asyncDispose]: () => {
      for (const one of nodes) one.kill()
      return Promise.resolve()
    },
  }
}
