/**
 * The publisher and its apply worker in one: applies batches to the stand-in server, in order, each at once, and has whoever
 * holds one of their rows rolled back.
 *
 * @module
 */
import { assert } from '../../../core/errors.ts'
import { deferred, type Deferred } from '../../../core/deferred.ts'
import { position as toPosition, type Position } from '../../../core/ids.ts'
import { createMessageCutter } from '../../../wire/pgoutput/copy-stream.ts'
import { MessageType, parseRelation, parseRowChange } from '../../../wire/pgoutput/messages.ts'
import { FrameWriter } from '../../../wire/pgoutput/publish.ts'
import type { ApplyBatch, Publisher } from '../../apply/publisher.ts'
import { createRelationNames } from '../../apply/relation-names.ts'
import type { SimServer, Transaction } from './server.ts'
import type { World } from './world.ts'

/** What a batch's messages would do: row → value. Heartbeats do nothing. */
export const writesOf = async (batch: ApplyBatch): Promise<Map<string, number>> => {
  const out = new FrameWriter()
  const writes = new Map<string, number>()
  const tables = new Map<number, string>()
  const cut = createMessageCutter((_type, bytes, start, end) => {
    const message = bytes.subarray(start + 25, end)
    const id = message.readUInt32BE(1)
    if (message[0] === MessageType.relation) tables.set(id, parseRelation(message.subarray(5)).name)
    else if (tables.get(id) !== 'heartbeat') {
      const row = parseRowChange(message)
      assert(row.kind === 'insert', 'the simulation writes whole rows')
      writes.set(Buffer.from(row.new[0] ?? []).toString(), Number(Buffer.from(row.new[1] ?? []).toString()))
    }
  })
  await batch.write(
    out,
    createRelationNames(() => new Set()),
    async () => cut(out.take()),
  )
  cut(out.take())
  return writes
}

/** A slow batch takes fewer turns than this. */
const slowTurns = 40

export interface WorkerOptions {
  readonly world: World
  readonly agent: object
  readonly server: SimServer
  readonly start: Position
  readonly onApplied: (position: Position) => void
  readonly bruteForce: (blocker: Transaction) => void
}

/** Waits until the rows are free, ending whoever holds them. */
export const makeWay = async (options: WorkerOptions, rows: Iterable<string>): Promise<void> => {
  const { world, agent, server } = options
  const list = [...rows]
  for (let blocker = server.blockerOf(list); blocker !== undefined; blocker = server.blockerOf(list)) {
    options.bruteForce(blocker)
    await world.turn(agent)
  }
}

export const createWorker = (options: WorkerOptions): Publisher => {
  const { world, agent, server } = options
  const batches: ApplyBatch[] = []
  let waiters: Deferred<void>[] = []
  let applied = options.start

  const work = async (): Promise<void> => {
    for (;;) {
      await world.turn(agent, () => batches.length > 0)
      const batch = batches[0] as ApplyBatch
      // Longer than others take to append, now and then: what comes meanwhile is merged, and a crash finds much undone.
      for (let turns = world.random(4) === 0 ? world.random(slowTurns) : 0; turns > 0; turns--) await world.turn(agent)
      const writes = await writesOf(batch)
      await makeWay(options, writes.keys())
      server.applyRemote('worker', batch.position, writes)
      await world.turn(agent)
      batches.shift()
      applied = batch.position
      options.onApplied(applied)
      if (batches.length > 0) continue
      for (const waiter of waiters) waiter.resolve()
      waiters = []
    }
  }
  void work()

  return {
    send(batch) {
      assert(batch.position > (batches.at(-1)?.position ?? applied), 'each batch moves the origin forward')
      batches.push(batch)
    },
    get applied() {
      return toPosition(applied)
    },
    get outstanding() {
      return batches.length
    },
    idle() {
      if (batches.length === 0) return Promise.resolve()
      const waiter = deferred<void>()
      waiters.push(waiter)
      return waiter.promise
    },
    skip: () => assert(false, 'nothing is poison here'),
    forgetRelations: () => undefined,
    ping: () => Promise.resolve(),
    connected: true,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
