/** Nodes that die at any statement, before it or behind it: what clients are told is what the cluster holds. */
import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { fakeCluster, fakePool, password, type FakeNode } from './fake-node.ts'
import { openPool } from './pool.ts'

const clientCount = 6
const roundCount = 15
/** Of a statement, that its node dies. */
const deathRate = 0.03

/** A small generator of numbers below 1 (mulberry32): the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`whatever node dies at whatever statement, each acknowledged write is there exactly once (seed ${seed})`, async () => {
    const random = randomOf(seed)
    await using fakes = await fakeCluster(3)
    const restarts: Promise<void>[] = []
    let deaths = 0
    let alive = 3
    const doom = (node: FakeNode): void => {
      node.script = (text) => {
        // One of three stays: the cluster itself is not what is tested.
        if (alive < 3 || /allwrite\./.test(text) || random() > deathRate) return undefined
        deaths++
        alive--
        const restarted = new Promise((resolve) => setTimeout(resolve, 5 + random() * 20)).then(async () => {
          await fakes.restart(node.number)
          alive++
        })
        restarts.push(restarted)
        return random() < 0.5 ? 'die' : 'die after'
      }
    }
    for (const number of [1, 2, 3]) doom(fakes.node(number))
    await using pool = await openPool({
      routes: fakes.routes,
      ...fakePool(),
      settings: { nodeConnectionsMax: 3, MaxIdleConnectionsPercent: 100 },
      log: { warn: () => undefined },
    })

    const acknowledged: string[] = []
    const unexpected: string[] = []
    const attempt = async (id: string, run: () => Promise<unknown>): Promise<void> => {
      try {
        await run()
        acknowledged.push(id)
      } catch (thrown) {
        const { code, detail } = thrown as { code?: string; detail?: string }
        if (code === '08007' && detail === 'The transaction is committed.') acknowledged.push(id)
        else unexpected.push(`${id}: ${code} ${String(thrown)}`)
      }
    }
    await Promise.all(
      Array.from({ length: clientCount }, async (_, number) => {
        const client = new Client({ host: '127.0.0.1', port: pool.port, user: 'app', password, database: 'postgres' })
        client.on('error', (error) => unexpected.push(`client ${number}: ${error.message}`))
        await client.connect()
        await client.query(`SET mine TO '${number}'`)
        for (let round = 0; round < roundCount; round++) {
          const id = `${number}-${round}`
          const by = (text: string) => (round % 2 === 0 ? client.query(text) : client.query({ name: text, text }))
          await attempt(id, async () => {
            if (round % 3 === 0) return client.query(`INSERT ${id}`)
            await by('BEGIN')
            const { rows } = await client.query<{ v: string }>('SHOW mine')
            if (rows[0]?.v !== String(number)) unexpected.push(`${id}: has the setting of ${rows[0]?.v}`)
            await client.query(`INSERT ${id}`)
            return by('COMMIT')
          })
        }
        await client.end()
      }),
    )
    await Promise.all(restarts)
    deepEqual(unexpected, [])
    deepEqual([...fakes.cluster.ledger].sort(), [...acknowledged].sort())
    ok(deaths > 1, `${deaths} deaths`)
  })
}
