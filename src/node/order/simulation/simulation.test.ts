/**
 * Three nodes over one journal, by chance: brute force, lost COMMITs, killed backends, dying agents, crashing servers, late and
 * repeated appends. `ALLWRITE_TEST_SEED=n` runs one schedule again.
 *
 * @module
 */
import { deepEqual, equal, fail, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createCertifier } from '../../../core/certifier.ts'
import { decodeEntry } from '../../../core/entry.ts'
import type { StoredEntry } from '../../../journal/contract.ts'
import { createMessageJoiner, forEachMessage } from '../../apply/frames.ts'
import { MessageType, parseRowChange } from '../../../wire/pgoutput/messages.ts'
import type { WritesetRecord } from '../../../core/writeset.ts'
import { createSimJournal } from './journal.ts'
import { startSimNode, type SimNode, type Told } from './node.ts'
import { createSimServer, type SimServer } from './server.ts'
import { createWorld, type World } from './world.ts'

const nodeNumbers = [1, 2, 3] as const
const busySteps = 350
const stepsMax = 20_000

interface Committed {
  readonly position: number
  readonly node: number
  readonly incarnation: number
  readonly xid: bigint
  readonly writes: ReadonlyMap<string, number>
}

/** What the journal says, read by an own certifier from its first entry. */
const replay = (entries: readonly StoredEntry[]): Committed[] => {
  const certifier = createCertifier()
  const chunks = new Map<string, Uint8Array[]>()
  const committed: Committed[] = []
  const writesIn = (record: WritesetRecord, set: string): Map<string, number> => {
    const writes = new Map<string, number>()
    const onMessage = (message: Buffer): void => {
      if (message[0] === MessageType.relation) return
      const change = parseRowChange(message)
      writes.set(Buffer.from(change.new?.[0] ?? []).toString(), Number(Buffer.from(change.new?.[1] ?? []).toString()))
    }
    if (record.changes.kind === 'inline') forEachMessage(record.changes.bytes, onMessage)
    else {
      const joiner = createMessageJoiner(onMessage)
      for (const bytes of chunks.get(`${set}/${record.changes.transaction}`) ?? []) joiner.push(bytes)
      joiner.end()
    }
    return writes
  }
  for (const stored of entries) {
    const entry = decodeEntry(stored.id, stored.payload)
    const verdicts = certifier.judge(stored.position, entry)
    const set = `${entry.node}/${entry.incarnation}`
    if (entry.kind === 'chunk') {
      const key = `${set}/${entry.transaction}`
      chunks.set(key, [...(chunks.get(key) ?? []), entry.bytes])
    }
    if (entry.kind !== 'group') continue
    entry.records.forEach((record, i) => {
      if (verdicts[i]?.kind !== 'commit') return
      const { node, incarnation } = entry
      committed.push({ position: stored.position, node, incarnation, xid: record.xid, writes: writesIn(record, set) })
    })
  }
  return committed
}

const nameOf = (one: { node: number; incarnation: number; xid: bigint }): string =>
  `${one.node}/${one.incarnation}/${one.xid}`

/** Runs one schedule until nothing can move any more. */
const run = async (seed: number, folder: string) => {
  const world: World = createWorld(seed)
  const journal = createSimJournal(world)
  const told: Told[] = []
  const broken: unknown[] = []
  let holds = 0
  const servers = new Map<number, SimServer>(nodeNumbers.map((number) => [number, createSimServer()]))
  const start = (number: number): SimNode =>
    startSimNode({
      world,
      journal,
      server: servers.get(number) as SimServer,
      number,
      verdictPath: join(folder, `${seed}.${number}`),
      told,
      onBroken: (error) => broken.push(error),
      onHold: () => void (holds += 1),
    })
  const nodes = new Map<number, SimNode>(nodeNumbers.map((number) => [number, start(number)]))
  const appliedBefore = new Map<SimNode, number>()
  const disturb = (): void => {
    const number = nodeNumbers[world.random(3)] ?? 1
    const node = nodes.get(number) as SimNode
    const chance = world.random(200)
    if (chance < 6) node.terminateOne()
    else if (chance < 9) node.heartbeat()
    else if (chance === 9) {
      node.crash()
      servers.get(number)?.crash(world.random(3) === 0 ? world.random(4) : 0)
      nodes.set(number, start(number))
    }
  }
  const look = (): void => {
    for (const node of nodes.values()) {
      ok(node.applied >= (appliedBefore.get(node) ?? 0), 'applied only grows')
      appliedBefore.set(node, node.applied)
    }
  }
  let steps = 0
  for (; steps < busySteps && broken.length === 0; steps++) {
    disturb()
    await world.step()
    look()
  }
  for (const node of nodes.values()) node.stop()
  while (steps++ < stepsMax && broken.length === 0 && (await world.step())) look()
  ok(steps < stepsMax, 'the schedule comes to an end')
  deepEqual(broken, [])
  return { journal, nodes, servers, told, holds }
}

const check = async (seed: number, folder: string) => {
  const { journal, nodes, servers, told, holds } = await run(seed, folder)
  const last = journal.entries.length
  for (const [number, node] of nodes) {
    equal(node.applied, last, `n${number} has applied all of the journal`)
    equal(node.clients, 0, `every client of n${number} got an answer`)
  }
  const committed = replay(journal.entries)
  const rows = new Map<string, number>()
  const counts = new Map<string, number>()
  for (const { writes } of committed) {
    for (const [row, value] of writes) {
      rows.set(row, value)
      counts.set(row, (counts.get(row) ?? 0) + 1)
    }
  }
  deepEqual(rows, counts, 'no update is lost')
  const expected = JSON.stringify([...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const positions = new Map(committed.map((one) => [nameOf(one), one.position]))
  for (const [number, server] of servers) {
    equal(server.state(), expected, `n${number} holds what the journal says`)
    const own = committed.filter(({ node }) => node === number)
    // Heartbeats aside: during recovery the origin follows behind own commits that are there already.
    const changing = server.commits.filter(({ writes }) => writes.size > 0)
    const order = changing.map((commit) =>
      commit.xid === undefined ? commit.position : own.find(({ xid }) => xid === commit.xid)?.position,
    )
    deepEqual(
      order,
      order.toSorted((a, b) => (a ?? NaN) - (b ?? NaN)),
      `n${number} committed in journal order`,
    )
  }
  const outcomes = { committed: 0, remote: 0, aborted: 0, refused: 0, untold: 0, holds }
  for (const one of told) {
    const position = positions.get(nameOf(one))
    const { outcome } = one
    if (outcome === undefined) outcomes.untold += 1
    else if (outcome.kind === 'committed') {
      equal(outcome.position, position, `${nameOf(one)} was told committed`)
      outcomes[outcome.local ? 'committed' : 'remote'] += 1
    } else {
      equal(position, undefined, `${nameOf(one)} was told ${outcome.kind}`)
      outcomes[outcome.kind] += 1
    }
  }
  return outcomes
}

test('every schedule ends with equal nodes, each client told the truth, and no update lost', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'simulation-'))
  const only = Number(process.env['ALLWRITE_TEST_SEED'] ?? 0)
  const seeds =
    only > 0 ? [only] : Array.from({ length: Number(process.env['ALLWRITE_TEST_SEEDS'] ?? 250) }, (_, i) => i + 1)
  const sum = { committed: 0, remote: 0, aborted: 0, refused: 0, untold: 0, holds: 0 }
  try {
    for (const seed of seeds) {
      try {
        const outcomes = await check(seed, folder)
        for (const kind of Object.keys(sum) as (keyof typeof sum)[]) sum[kind] += outcomes[kind]
      } catch (error) {
        fail(`ALLWRITE_TEST_SEED=${seed}: ${(error as Error).stack ?? String(error)}`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (only === 0) {
    for (const [kind, count] of Object.entries(sum)) ok(count > 0, `no transaction was ${kind}: ${JSON.stringify(sum)}`)
  }
})
