/**
 * One agent of the simulation: the real judge, executor, group builder, submissions and trackers, wired as node.ts wires them,
 * over a stand-in server. An agent dies at any moment; its server stays, and the next agent takes it over.
 *
 * @module
 */
import { encodeEntry, decodeEntry } from '../../../core/entry.ts'
import { assert } from '../../../core/errors.ts'
import { incarnation as toIncarnation, nodeId, position as toPosition, type Position } from '../../../core/ids.ts'
import { hashBytes, keyBytes, type ChunkedChanges, type WritesetRecord } from '../../../core/writeset.ts'
import { insertMessage, payloadOf, relationBody, relationMessage } from '../../../wire/pgoutput/pgoutput-fixtures.ts'
import { createBatch } from '../../apply/batch.ts'
import { heartbeatBatch } from '../../apply/heartbeat.ts'
import type { Capture } from '../../capture/capture.ts'
import type { Writeset } from '../../capture/writeset.ts'
import type { Conflict, Outcome, Participant } from '../../session/contract.ts'
import { createSubmissions } from '../../submissions.ts'
import { createTurnTaking } from '../../turns.ts'
import { createChunkTracker, readChunksOf } from '../chunk-tracker.ts'
import { createExecutor, type ApplyTarget } from '../executor.ts'
import { createGroupBuilder } from '../group-builder.ts'
import { runJudge } from '../judge.ts'
import { ddlSchemaKey, packKey, rowSchemaKey } from '../order-fixtures.ts'
import { createOrderTracker } from '../order-tracker.ts'
import { openVerdictLog } from '../verdict-log.ts'
import type { SimJournal } from './journal.ts'
import type { SimServer, Transaction } from './server.ts'
import { createWorker, makeWay, writesOf, type WorkerOptions } from './worker.ts'
import type { World } from './world.ts'

/** Few, so that transactions meet. */
const rowNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

/** A turn of the world, in the terms of bounds that are told in ms. */
const msPerTurn = 100

/** What a client was told, or (undefined) that its agent died before it could be told. */
export interface Told {
  readonly node: number
  readonly incarnation: number
  readonly xid: bigint
  outcome: Outcome | undefined
}

export interface SimNodeOptions {
  readonly world: World
  readonly journal: SimJournal
  readonly server: SimServer
  readonly number: number
  readonly verdictPath: string
  readonly told: Told[]
  readonly onBroken: (error: unknown) => void
  /** A schema change has its turn while an entry is read. */
  readonly onHold: () => void
}

export interface SimNode {
  readonly applied: Position
  /** Clients that have not ended. */
  readonly clients: number
  /** Clients end behind their current transaction. */
  stop(): void
  crash(): void
  heartbeat(): void
  /** Something ends the local transaction from outside. */
  terminateOne(): void
}

const conflict: Conflict = { table: 't', key: undefined, winner: undefined, position: undefined, reason: 'brute_force' }
const table = relationBody('public', 't', 'd', [
  ['row', 25, true],
  ['value', 23, false],
])

const messagesOf = (writes: ReadonlyMap<string, number>): Buffer[] => [
  relationMessage(0, table),
  ...[...writes].map(([row, value]) => insertMessage(0, [row, String(value)])),
]

export const startSimNode = (options: SimNodeOptions): SimNode => {
  const { world, server } = options
  const agent = {}
  const node = nodeId(options.number)
  const incarnation = toIncarnation(options.journal.newestIncarnation(node) + 1)
  const journal = options.journal.connect(agent)
  const ending = new AbortController()
  let stopping = false
  let clients = 0
  let chunked = 0
  let nextPid = 1
  const running = new Map<Transaction, number>()
  let serving = false
  /** Time is counted in turns here. */
  const after = (ms: number, run: () => void): (() => void) => {
    let wanted = true
    const wait = async (): Promise<void> => {
      for (let turns = Math.ceil(ms / msPerTurn); turns > 0 && wanted; turns--) await world.turn(agent)
      if (wanted) run()
    }
    wait().catch(broken)
    return () => {
      wanted = false
    }
  }

  const start = toPosition(server.origin)
  const tracker = createOrderTracker(start, () => undefined)
  const broken = (error: unknown): void => {
    if (!ending.signal.aborted) options.onBroken(error)
  }
  const groups = createGroupBuilder({
    journal,
    node,
    incarnation,
    signal: ending.signal,
    onFatal: broken,
    isHeld: (record) => turns.isHeld(record),
  })
  const turns = createTurnTaking({
    node,
    listening: () => serving,
    append: (scope) => groups.hold(scope),
    resume: () => groups.resume(),
    whenApplied: (position) => tracker.whenApplied(position),
    tableHash: (name) => packKey(name).subarray(0, hashBytes),
    now: () => 0,
    after,
    onReleased: () => undefined,
  })
  const chunks = createChunkTracker()
  const homes = new WeakMap<WritesetRecord, { node: number; incarnation: number }>()
  const readChunks = (record: WritesetRecord) => {
    const home = homes.get(record)
    assert(home !== undefined, 'a large record was seen by the judge')
    return readChunksOf(journal, home, record, (stored) => decodeEntry(stored.id, stored.payload), ending.signal)
  }

  const workerOptions: WorkerOptions = {
    world,
    agent,
    server,
    start,
    onApplied: (position) => executor.applied(position),
    bruteForce: (blocker) => {
      const pid = running.get(blocker)
      if (pid !== undefined) void submissions.abort(pid, conflict)
    },
  }
  const publisher = createWorker(workerOptions)
  const target: ApplyTarget = {
    publisher,
    async applyBySql(position, records) {
      const writes = await writesOf(createBatch(position, records, readChunks))
      await world.turn(agent)
      // A schema change needs the whole table.
      await makeWay(workerOptions, rowNames)
      server.applyRemote('sql', position, writes)
    },
    onSchemaChange: () => world.turn(agent),
  }
  const executor = createExecutor({
    tracker,
    targetOf: () => target,
    readChunks,
    async committedBefore(record) {
      await world.turn(agent)
      return server.committed(record.xid)
    },
    isOwnNode: (judged) => judged.entry.node === node,
    heartbeatBatch: (position) => heartbeatBatch(node, position),
    onBusy: () => undefined,
  })

  const transactions = new Map<string, Transaction>()
  const capture = {
    captured: async (nonce: string) => {
      const transaction = transactions.get(nonce) as Transaction
      await new Promise<void>((shown) => server.capture(transaction, shown))
      return { xid: transaction.xid, changes: transaction.changes }
    },
  } as unknown as Capture

  /** As chunks, one message each. */
  const sendChunks = async (messages: readonly Buffer[]): Promise<ChunkedChanges> => {
    const transaction = (chunked += 1)
    const parts = messages.map((message) => payloadOf([message]))
    const positions: Position[] = []
    for (const [index, part] of parts.entries()) positions.push(await groups.chunk(transaction, index, part))
    const [first, last] = [positions[0], positions.at(-1)]
    assert(first !== undefined && last !== undefined, 'a writeset has messages')
    const byteLength = parts.reduce((sum, part) => sum + part.length, 0)
    return { kind: 'chunked', transaction, chunks: parts.length, first, last, byteLength }
  }

  const submissions = createSubmissions({
    capture,
    groups,
    applied: () => tracker.applied,
    async build(changes): Promise<Writeset> {
      const transaction = [...running.keys()].find((one) => one.changes === changes) as Transaction
      const messages = messagesOf(transaction.writes)
      const schemaChange = transaction.writes.size === rowNames.length
      const keys = [...transaction.writes.keys()].map((row) => packKey(row))
      keys.push(schemaChange ? ddlSchemaKey : rowSchemaKey)
      assert(
        keys.every((key) => key.length === keyBytes),
        'keys are packed',
      )
      await world.turn(agent)
      const large = !schemaChange && world.random(5) === 0
      const inline = { kind: 'inline', bytes: payloadOf(messages) } as const
      return {
        changes: large ? await sendChunks(messages) : inline,
        keys: Buffer.concat(keys),
        schemaChange,
        empty: false,
      }
    },
    buildUnwritten() {
      throw new Error('nobody locks here without writing')
    },
    schemaSettled: () => Promise.resolve(),
    describeKey: () => undefined,
    async stillOpen(_pid, xid) {
      await world.turn(agent)
      return server.open.some((transaction) => transaction.xid === xid)
    },
  })

  const participantOf = (transaction: Transaction, backendPid: number): Participant => ({
    backendPid,
    async commit() {
      await world.turn(agent)
      // COMMIT itself may fail (RULES 2).
      if (world.random(12) === 0) server.rollback(transaction)
      if (transaction.state !== 'open') return false
      server.commit(transaction)
      await world.turn(agent)
      return true
    },
    async abort() {
      await world.turn(agent)
      server.rollback(transaction)
    },
  })

  /** One transaction of a client, from BEGIN to what it is told. */
  const transact = async (): Promise<void> => {
    await world.turn(agent)
    const schemaChange = world.random(15) === 0
    // A hold of one row or of all, as one of a table or of all.
    const rows = new Set(world.random(2) === 0 ? [] : ['a'])
    const turn = schemaChange && world.random(2) === 0 ? await turns.take(rows, ending.signal) : undefined
    if (turn !== undefined && world.random(4) === 0) turn.widen(new Set(['b']))
    const early = tracker.applied
    const transaction = server.begin()
    const pid = (nextPid += 1)
    const participant = participantOf(transaction, pid)
    const forget = submissions.register(participant)
    running.set(transaction, pid)
    for (const row of rowNames) {
      if (!schemaChange && world.random(4) > 0) continue
      if (transaction.writes.size >= 3 && !schemaChange) break
      await world.turn(agent, () => transaction.state !== 'open' || server.lock(transaction, row))
      if (transaction.state !== 'open') break
      transaction.writes.set(row, server.read(row) + 1)
    }
    const late = tracker.applied
    await world.turn(agent)
    if (transaction.state === 'open' && transaction.writes.size > 0) {
      const nonce = String(pid)
      transactions.set(nonce, transaction)
      const told: Told = { node: options.number, incarnation, xid: transaction.xid, outcome: undefined }
      options.told.push(told)
      told.outcome = await submissions.submit({ nonce, early, late, participant })
    }
    server.rollback(transaction)
    running.delete(transaction)
    forget()
    turn?.release()
  }

  const client = async (): Promise<void> => {
    clients += 1
    while (!stopping) await transact()
    clients -= 1
  }

  const showStream = async (): Promise<void> => {
    for (;;) {
      await world.turn(agent, () => server.unseen > 0)
      server.show()
    }
  }

  const verdicts = openVerdictLog(options.verdictPath, () => toPosition(0))
  const fenced = groups.fence()
  runJudge({
    journal,
    node,
    incarnation,
    applied: start,
    first: toPosition(1),
    verdicts,
    groups,
    push(judged) {
      turns.see(judged)
      if (turns.owner !== undefined) options.onHold()
      return executor.push(judged)
    },
    onEntry(at, entry) {
      chunks.see(at, entry)
      assert(encodeEntry(entry).length > 0, 'what is read can be written')
      if (entry.kind !== 'group') return
      for (const record of entry.records) homes.set(record, { node: entry.node, incarnation: entry.incarnation })
    },
    signal: ending.signal,
  }).catch(broken)
  executor.run().catch(broken)
  showStream().catch(broken)
  const serve = async (): Promise<void> => {
    await tracker.whenApplied(await fenced)
    serving = true
    for (let i = 0; i < 3; i++) client().catch(broken)
  }
  serve().catch(broken)

  return {
    get applied() {
      return tracker.applied
    },
    get clients() {
      return clients
    },
    stop() {
      stopping = true
    },
    crash() {
      ending.abort()
      world.drop(agent)
      executor.close()
      verdicts.close()
    },
    heartbeat: () => executor.heartbeat(),
    terminateOne() {
      const victim = server.open[world.random(server.open.length || 1)]
      if (victim !== undefined) server.rollback(victim)
    },
  }
}
