/**
 * Free TCP ports for a test's servers.
 *
 * @module
 */
import { createServer } from 'node:net'
import { randomInt } from 'node:crypto'

/** Below Linux's ephemeral range (32768 …), so that no outgoing connection takes a port between our look and our use. */
const lowest = 20_000
const highest = 32_000

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/**
 * A port such that it and the `count - 1` after it are free now.
 * @throws Error after 100 misses
 */
export const freePorts = async (count: number): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = randomInt(lowest, highest - count)
    let free = true
    for (let port = base; free && port < base + count; port++) free = await isFree(port)
    if (free) return base
  }
  throw new Error(`no ${count} consecutive free ports between ${lowest} and ${highest}`)
}
