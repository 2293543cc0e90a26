import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ChangeLog } from './change-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'change-log-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const add = (log: ChangeLog, subxid: number, size: number, mark: number): void => {
  log.reserve(subxid, size).fill(mark)
}

/** Every frame as [length, mark], however the log is kept. */
const read = async (log: ChangeLog, whole: boolean): Promise<[number, number | undefined][]> => {
  const got: [number, number | undefined][] = []
  const onFrame = (message: Buffer): void => {
    ok(message.every((byte) => byte === message[0]))
    got.push([message.length, message[0]])
  }
  if (whole) log.forEach(onFrame)
  else await log.forEachSlice(onFrame, () => Promise.resolve())
  return got
}

test('frames come back in order, from memory and from the spool file, whatever their size', async () => {
  const sizes = [0, 1, 600, 70_000, 1_048_576, 3, 2_500_000, 1_048_568, 5, 1_048_569]
  const small = new ChangeLog(join(folder, 'never'))
  for (const [i, size] of [0, 1, 600, 70_000].entries()) add(small, 1, size, i)
  equal(small.spooled, false)
  deepEqual(
    (await read(small, true)).map(([size]) => size),
    [0, 1, 600, 70_000],
  )
  small.dispose()
  const large = new ChangeLog(join(folder, 'spool'))
  for (let round = 0; round < 3; round++) for (const [i, size] of sizes.entries()) add(large, 1, size, i + 1)
  ok(large.spooled)
  equal(large.frames, 30)
  deepEqual(
    await read(large, false),
    [0, 1, 2].flatMap(() => sizes.map((size, i) => [size, size === 0 ? undefined : i + 1])),
  )
  large.dispose()
  deepEqual(readdirSync(folder), [], 'nothing is left behind')
})

test('what a rolled back savepoint wrote is taken back, also where it was spooled', async () => {
  for (const size of [10, 400_000]) {
    const log = new ChangeLog(join(folder, 'savepoints'))
    add(log, 0, size, 1)
    add(log, 7, size, 2)
    add(log, 8, size, 3)
    log.abortSubtransaction(8)
    add(log, 9, size, 4)
    add(log, 8, size, 5)
    deepEqual(
      (await read(log, !log.spooled)).map(([, mark]) => mark),
      [1, 2, 4],
    )
    log.dispose()
  }
})

test('a log is disposed once or twice, empty or not', async () => {
  const log = new ChangeLog(join(folder, 'twice'))
  deepEqual(await read(log, false), [])
  log.dispose()
  log.dispose()
})

test('where the spool file can not be written the log fails alone, keeps no memory, and leaves nothing', async () => {
  const log = new ChangeLog(join(folder, 'gone', 'spool'))
  for (let i = 0; i < 40; i++) add(log, 1, 100_000, i)
  equal(log.failure?.sqlState, '53100')
  ok(log.byteLength <= 1024 * 1024)
  equal(log.isEmpty, false)
  await rejects(read(log, false), { sqlState: '53100' })
  log.dispose()
  // Also where the write that fails is the last one, when all is about to be read.
  const short = new ChangeLog(join(folder, 'gone', 'spool'))
  add(short, 1, 100, 1)
  equal(short.failure, undefined)
  await rejects(read(short, false), { sqlState: '53100' })
  short.dispose()
  deepEqual(readdirSync(folder), [])
})
