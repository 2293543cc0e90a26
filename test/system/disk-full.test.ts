/** Full disks: the journal's, a node's, the one for large transactions. The kernel says ENOSPC; needs root, to mount small disks. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster, NodeStatus } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing, assertNothingLost } from '#testing/healed.ts'
import { loadTable, longestGap, startLoad } from '#testing/load.ts'
import { needsMount } from '#testing/small-disk.ts'
import type { SmallDisk } from '#testing/small-disk.ts'
import { runFor, until } from '#testing/wait.ts'

const skip = needsCluster === false ? needsMount : needsCluster
const mebibyte = 1024 * 1024
/** More than two segments of the journal hold. */
const entriesMax = 20
const gapMsMax = 1_000

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  // The journal's holds many segments, n2's its data and a copy; n3 has no room for large transactions.
  cluster = await startCluster({
    nodes: 3,
    disks: { journal: 64, n2: 400, 'n3/spool': 1 },
    args: ['--journal-segment', '8MiB'],
  })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.query('create table bulk (id int generated always as identity primary key, data text not null)')
  await client.query('alter table bulk alter data set storage external')
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

const diskOf = (folder: string): SmallDisk => {
  const disk = cluster.disks.get(folder)
  assert(disk, `${folder} has a disk of its own`)
  return disk
}

/** Commits one transaction of so many rows. */
const insert = async (client: Client, rows: number, bytes = mebibyte): Promise<void> => {
  await client.query('insert into bulk (data) select repeat(chr(97 + i), $1) from generate_series(1, $2) i', [
    bytes,
    rows,
  ])
}

const statusOf = async (id: string): Promise<NodeStatus> => {
  const status = (await cluster.status()).find((node) => node.id === id)
  assert(status, `there is a node ${id}`)
  return status
}

test(
  'a transaction that is too large for the full spool is refused with 53100, the node goes on',
  { skip },
  async () => {
    const [client, other] = await Promise.all([cluster.connect(3), cluster.connect(1)])
    await assert.rejects(insert(client, 3), { code: '53100' })
    await client.query('insert into bulk (data) values ($1)', ['small'])
    await insert(other, 3)
    const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from bulk where data <> 'small'`)
    await Promise.all([client.end(), other.end()])
    await assertAllEqual(cluster)
    assert(rows[0]?.n === 0 || rows[0]?.n === 3, 'all of a transaction or nothing')
    assert.equal((await statusOf('n3')).state, 'serving')
  },
)

test(
  'a full journal refuses commits with 53100, nodes serve reads, and it goes on when there is room',
  { skip },
  async () => {
    const agents = (await cluster.status()).map(({ agentPid }) => agentPid)
    const clients = await Promise.all([1, 2, 3].map((number) => cluster.connect(number)))
    const [first] = clients
    assert(first)
    diskOf('journal').fill()
    let stored = 0
    try {
      await assert.rejects(
        async () => {
          for (; stored < entriesMax; stored++) await insert(first, 1)
        },
        { code: '53100' },
      )
      // Nobody else has room for it either, and a refusal leaves nothing behind: it is the same again.
      for (const client of clients.slice(0, 2)) await assert.rejects(insert(client, 1), { code: '53100' })
      for (const client of clients) {
        await client.query('set allwrite.consistency = cluster')
        const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from bulk where length(data) > 5`)
        assert.equal(rows[0]?.n, stored + 3)
      }
    } finally {
      diskOf('journal').free()
    }
    await until('the journal takes commits again', () => insert(first, 1).then(() => true), { everyMs: 100 })
    for (const client of clients.slice(0, 2)) await insert(client, 1)
    await Promise.all(clients.map((client) => client.end()))
    await assertAllEqual(cluster)
    const now = await cluster.status()
    assert.deepEqual(
      now.map(({ state, agentPid }) => [state, agentPid]),
      agents.map((pid) => ['serving', pid]),
      'no node had to start again',
    )
  },
)

test(
  'a node with a full disk leaves service and says why; the others go on, and it comes back',
  { skip },
  async (context) => {
    const load = startLoad([1, 3].map((number) => cluster.urlOf(number)))
    const client = await cluster.connect(1)
    const struck = performance.now()
    try {
      diskOf('n2').fill()
      try {
        await until('n2 has left service', async () => {
          await insert(client, 1)
          return cluster.changes.some(({ id, state, at }) => id === 'n2' && state === 'down' && at > struck)
        })
        context.diagnostic(`n2 down after ${Math.round(performance.now() - struck)} ms`)
        await until('n2 says why', async () => /no space left/i.test((await statusOf('n2')).note ?? ''), {
          msMax: 30_000,
        })
        await runFor(1_000)
      } finally {
        diskOf('n2').free()
      }
      const gap = longestGap(load, [1, 2], struck, performance.now())
      assert(gap <= gapMsMax, `the others paused for ${gap} ms`)
      await allServing(cluster)
    } finally {
      await load.stop()
      await client.end()
    }
    await assertNothingLost(cluster, load)
  },
)
