/**
 * The pool's own questions to the cluster, on a connection of its own to any node: who may log in, and what became of the
 * transactions of a connection that was lost.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { roleOf, roleRecordSql, type RoleRecord } from '../../login/authenticate.ts'
import type { EndpointRoutes } from '../contract.ts'
import { proxyRole, vouch, vouchName, type ProxyKeys } from '../../login/vouching.ts'
import { loginAtNode } from './node-login.ts'
import type { HiddenAnswer } from './answers.ts'
import { ConnectionLost, ServerConnection } from './server-connection.ts'

/** How long a question may take before another node is asked, ms; then the node is passed over for this question. */
const answerMsMax = 2_000
/** Rows of connections that are over are removed together, after so long, ms: well behind the last question for them. */
const forgetMs = 30_000
/** How long a client's login waits for the word on its role, ms. */
const roleMsMax = 10_000
/** Between two tries while no node can be asked, ms. */
const retryMs = 50

export interface StewardOptions {
  readonly routes: EndpointRoutes
  readonly database: string
  readonly keys: ProxyKeys
}

export class Steward {
  readonly #options: StewardOptions
  #connection: Promise<ServerConnection> | undefined
  #closed = false
  /** Connections whose outcome is asked for. */
  #lost: {
    readonly connectionId: string
    readonly giveUp: number
    readonly resolve: (count: number | undefined) => void
  }[] = []
  #resolving = false
  readonly #forgotten: string[] = []
  #forgetting: NodeJS.Timeout | undefined
  /** Where the connection goes. */
  #node: number | undefined
  readonly #stopListening: () => void

  constructor(options: StewardOptions) {
    this.#options = options
    this.#stopListening = options.routes.listen((event) => {
      // It would be asked in vain, until its time is up.
      if ((event.type === 'down' || event.type === 'silent') && event.node === this.#node) this.#drop()
    })
  }

  /** @throws AllwriteError unavailable */
  async lookupRole(name: string): Promise<RoleRecord | undefined> {
    const { rows } = await this.#ask(roleRecordSql(literalOf(name)), roleMsMax)
    return roleOf(rows[0]?.[0])
  }

  /**
   * How many transactions of a connection are committed and have written; none can be from now on. Undefined: not to be told within
   * `withinMs`.
   */
  outcome(connectionId: string, withinMs: number): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.#lost.push({ connectionId, giveUp: performance.now() + withinMs, resolve })
      void this.#resolveLost()
    })
  }

  /** All that were lost meanwhile in one transaction: with a node, all of its connections are. */
  async #resolveLost(): Promise<void> {
    if (this.#resolving) return
    this.#resolving = true
    while (this.#lost.length > 0) {
      const lost = this.#lost.splice(0)
      const ids = lost.map(({ connectionId }) => connectionId).join(',')
      const left = Math.max(...lost.map(({ giveUp }) => giveUp)) - performance.now()
      const sql = `SELECT id, counted FROM allwrite.close_connections('{${ids}}')`
      const rows = await this.#ask(sql, left).then(
        (answer) => answer.rows,
        () => [],
      )
      const counts = new Map(rows.map(([id, count]) => [id, Number(count)]))
      for (const { connectionId, resolve } of lost) resolve(counts.get(connectionId))
    }
    this.#resolving = false
  }

  /** Nobody will ask for a connection's outcome any more. */
  forget(connectionId: string): void {
    this.#forgotten.push(connectionId)
    this.#forgetting ??= setTimeout(() => void this.#forget(), forgetMs).unref()
  }

  async #forget(): Promise<void> {
    this.#forgetting = undefined
    const ids = this.#forgotten.splice(0)
    // What is not removed is some bytes that nobody misses.
    await this.#ask(`SELECT allwrite.forget_connections('{${ids.join(',')}}')`, answerMsMax).catch(() => undefined)
  }

  close(): void {
    this.#closed = true
    this.#stopListening()
    clearTimeout(this.#forgetting)
    this.#drop()
  }

  /** Asks one node after the other. @throws AllwriteError unavailable */
  async #ask(sql: string, withinMs: number): Promise<HiddenAnswer> {
    const giveUp = performance.now() + withinMs
    let last: unknown
    while (!this.#closed && performance.now() < giveUp) {
      const current = (this.#connection ??= this.#open())
      try {
        const connection = await current
        if (connection.lost) throw new ConnectionLost()
        const answer = await within(connection.ask(sql), answerMsMax)
        if (answer.error === undefined) return answer
        last = answer.error.message
        // A conflict, or a node that is behind: as good as any time later.
        if (answer.error.sqlState !== '40001') break
      } catch (thrown) {
        last = thrown
        // Another question may have opened a new one already.
        if (this.#connection === current) this.#drop()
        await new Promise((resolve) => setTimeout(resolve, retryMs))
      }
    }
    throw new AllwriteError('unavailable', 'no node could be asked', { cause: last })
  }

  async #open(): Promise<ServerConnection> {
    const { routes, database, keys } = this.#options
    const target = routes.any(new Set())
    if (target === undefined) throw new AllwriteError('unavailable', 'no node serves')
    this.#node = target.node
    const parameters = [
      ['user', proxyRole],
      ['database', database],
      ['application_name', 'allwrite pool'],
      [vouchName, vouch(keys.vouchKey, { user: proxyRole, database, connection: '' }, Date.now())],
    ] as const
    try {
      const login = await loginAtNode(target, parameters, { kind: 'password', password: keys.password })
      const connection: ServerConnection = new ServerConnection({
        ...login,
        target,
        id: undefined,
        database,
        onClosed: () => undefined,
      })
      // Another node's connections must have been heard of, whatever this one has applied.
      await connection.ask("SET allwrite.consistency TO 'cluster'")
      if (this.#closed) connection.destroy()
      return connection
    } catch (thrown) {
      routes.failed(target)
      throw thrown
    }
  }

  #drop(): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.then(
      (open) => open.destroy(),
      () => undefined,
    )
  }
}

/** @throws ConnectionLost when it takes too long: the node may hang */
async function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ConnectionLost()), ms)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

const literalOf = (text: string): string => `'${text.replaceAll("'", "''")}'`
