/**
 * A client of logical replication, for tests: commands, and a stream of changes that is confirmed as far as its reader likes.
 *
 * @module
 */
import pg from 'pg'
import { standbyStatusUpdate } from '../wire/pgoutput/copy-stream.ts'
import { MessageType, parseRelation, parseRowChange } from '../wire/pgoutput/messages.ts'
import { until } from './wait.ts'

/** One row change of a pgoutput stream (protocol 1): `schema.table` and its values as texts. */
export interface Change {
  readonly kind: string
  readonly table: string
  readonly values: readonly (string | null)[]
}

export interface ReplicationClient extends AsyncDisposable {
  /** Runs a command that ends; its rows as texts. */
  query(sql: string): Promise<readonly Readonly<Record<string, string | null>>[]>
  /** Starts to stream; a later error is thrown by what waits. */
  start(command: string): void
  /** Payloads of XLogData as they came; grows. */
  readonly payloads: readonly Buffer[]
  /** End of what has come. */
  readonly lsn: bigint
  /** Tells the server that everything up to here needs not come again. */
  confirm(lsn: bigint): void
  /** Waits until the stream has brought so much that `done` is true. */
  until(what: string, done: () => boolean): Promise<void>
  /** Resolves with the error that ended the stream, or the connection. */
  readonly ended: Promise<Error>
}

/** What node-postgres has below its client: the messages of CopyBoth. */
interface Wire {
  on(event: 'copyData', listener: (message: { readonly chunk: Buffer }) => void): void
  sendCopyFromChunk(chunk: Buffer): void
}

/** Connects to a database for replication. */
export const connectReplication = async (
  url: string,
  login: { readonly user?: string; readonly password?: string; readonly options?: string } = {},
): Promise<ReplicationClient> => {
  const to = new URL(url)
  if (login.user !== undefined) to.username = login.user
  if (login.password !== undefined) to.password = login.password
  const config: pg.ClientConfig & { readonly replication: string } = {
    connectionString: to.href,
    replication: 'database',
    ...(login.options === undefined ? {} : { options: login.options }),
  }
  const client = new pg.Client(config)
  let onEnd: (error: Error) => void = () => undefined
  let failed: Error | undefined
  const ended = new Promise<Error>((resolve) => (onEnd = resolve))
  const fail = (error: Error): void => {
    failed ??= error
    onEnd(failed)
  }
  client.on('error', fail)
  client.on('end', () => fail(new Error('the connection ended')))
  await client.connect()
  const wire = (client as unknown as { readonly connection: Wire }).connection
  const payloads: Buffer[] = []
  let lsn = 0n
  wire.on('copyData', ({ chunk }) => {
    if (chunk[0] === 0x77) {
      payloads.push(Buffer.from(chunk.subarray(25)))
      lsn = chunk.readBigUInt64BE(1)
    } else if (chunk[0] === 0x6b && chunk[17] === 1) confirm(0n)
  })
  // pg frames the chunk itself.
  const confirm = (at: bigint): void => wire.sendCopyFromChunk(standbyStatusUpdate(at, 0).subarray(5))
  return {
    async query(sql) {
      const { rows } = await client.query<Record<string, string | null>>(sql)
      return rows
    },
    start(command) {
      client.query(command).catch(fail)
    },
    payloads,
    get lsn() {
      return lsn
    },
    confirm,
    async until(what, done) {
      await until(what, () => done() || failed !== undefined)
      if (!done()) throw new Error(`before ${what}`, { cause: failed })
    },
    ended,
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined)
    },
  }
}

/** The row changes of a stream of pgoutput's protocol 1. */
export const changesOf = (payloads: readonly Buffer[]): readonly Change[] => {
  const tables = new Map<number, string>()
  const changes: Change[] = []
  for (const payload of payloads) {
    const kind = String.fromCharCode(payload[0] ?? 0)
    if (payload[0] === MessageType.relation) {
      const relation = parseRelation(payload.subarray(5))
      tables.set(payload.readUInt32BE(1), `${relation.schema}.${relation.name}`)
    } else if ('IUD'.includes(kind)) {
      const change = parseRowChange(payload)
      const row = change.kind === 'delete' ? change.old : change.new
      const values = row.map((value) => (value == null ? null : Buffer.from(value).toString('utf8')))
      changes.push({ kind, table: tables.get(payload.readUInt32BE(1)) ?? '?', values })
    }
  }
  return changes
}
