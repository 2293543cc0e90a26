// Appends a second through the journal process, and how long one takes, for 1, 8 and 64 outstanding: over the socket,
// with four readers that follow the tail. Usage: npx tsc -b src/main && node bench/journal.mjs [seconds] [payload bytes]
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectFileJournal } from '../dist/journal/file/client.js'

const seconds = Number(process.argv[2] ?? 2)
const payload = Buffer.alloc(Number(process.argv[3] ?? 600), 7)
const readers = 4

const directory = mkdtempSync(join(process.env.JOURNAL_DIR ?? tmpdir(), 'aw-bench-'))
const socketPath = join(directory, 'socket')
const config = join(directory, 'config.json')
writeFileSync(config, JSON.stringify({ dir: join(directory, 'journal'), socketPath }))
const server = fork(new URL('../dist/main/journal.js', import.meta.url).pathname, [config])
await new Promise((resolve) => server.once('message', resolve))

const journal = connectFileJournal({ socketPath })
await journal.tail()
const quantile = (sorted, share) => sorted[Math.floor(sorted.length * share)]

const controller = new AbortController()
let read = 0
const reading = Array.from({ length: readers }, async () => {
  const client = connectFileJournal({ socketPath })
  try {
    for await (const batch of client.read(1, { signal: controller.signal })) read += batch.length
  } catch (error) {
    if (error.code !== 'cancelled') throw error
  }
  await client[Symbol.asyncDispose]()
})

let incarnation = 0
console.log('outstanding  appends/s   p50 ms   p99 ms')
for (const outstanding of [1, 8, 64]) {
  incarnation++
  let number = 0
  const times = []
  const end = performance.now() + seconds * 1000
  const start = performance.now()
  const worker = async () => {
    while (performance.now() < end) {
      const began = performance.now()
      await journal.append({ node: 1, incarnation, number: number++ }, payload)
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: outstanding }, worker))
  const elapsed = (performance.now() - start) / 1000
  times.sort((a, b) => a - b)
  const [rate, p50, p99] = [times.length / elapsed, quantile(times, 0.5), quantile(times, 0.99)]
  const columns = [String(outstanding).padStart(11), rate.toFixed(0).padStart(10)]
  console.log(...columns, p50.toFixed(3).padStart(8), p99.toFixed(3).padStart(8))
}
const { last } = await journal.tail()
const allRead = () => read >= last * readers
while (!allRead()) await new Promise((resolve) => setTimeout(resolve, 1))
controller.abort()
await Promise.all(reading)
await journal[Symbol.asyncDispose]()
server.kill('SIGTERM')
const [code] = await new Promise((resolve) => server.once('exit', (...status) => resolve(status)))
console.log(`${last} entries, read ${readers} times; journal process ended with ${code}`)
rmSync(directory, { recursive: true, force: true })
