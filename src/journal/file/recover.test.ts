import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import { appendId, payloadOf, readAll, refusedWith } from '../compliance.ts'
import { nodeDisk } from './disk.ts'
import { openFileJournal } from './local.ts'
import { listSegments } from './segment.ts'
import { recordHeaderBytes } from './record.ts'
import { openStore } from './store.ts'
import { temporaryDirectory } from './testing.ts'

const payloadBytes = 24
const recordBytes = recordHeaderBytes + payloadBytes
const entries = 5

/** A closed journal of one segment with five entries: its file and where its records start. */
const written = async (directory: string, together = false, bytes = payloadBytes): Promise<Image> => {
  {
    await using journal = await openFileJournal({ directory, segmentBytes: 8192 })
    const appends = [...Array(entries).keys()].map((n) => () => {
      return journal.append(appendId(1, n), payloadOf(appendId(1, n), bytes))
    })
    if (together) await Promise.all(appends.map((append) => append()))
    else for (const append of appends) await append()
  }
  const path = listSegments(nodeDisk, directory)[0]!
  const image = readFileSync(path)
  return { path, image, start: image.readUInt32BE(8) }
}

interface Image {
  readonly path: string
  readonly image: Buffer
  readonly start: number
}

const reopened = async (directory: string): Promise<{ last: number; warnings: string[] }> => {
  const warnings: string[] = []
  const log = (level: string, message: string): void => void (level !== 'info' && warnings.push(message))
  await using store = await openStore({ directory, segmentBytes: 8192, log })
  return { last: store.tail().last, warnings }
}

const corruptAt = (promise: Promise<unknown>, position: number): Promise<void> =>
  assert.rejects(promise, (error) => {
    return error instanceof AllwriteError && error.code === 'journal_corrupt' && error.message.includes(` ${position} `)
  })

describe('start of the segment store', () => {
  it('a tail torn at any byte of the last record is cut, and its position is used again', async () => {
    using directory = temporaryDirectory()
    const { path, image, start } = await written(directory.path)
    const from = start + (entries - 1) * recordBytes
    for (let cut = from; cut < from + recordBytes; cut++) {
      const zeroed = Buffer.from(image)
      zeroed.fill(0, cut)
      for (const torn of [image.subarray(0, cut), zeroed]) {
        writeFileSync(path, torn)
        const { last, warnings } = await reopened(directory.path)
        const whole = image.subarray(cut, from + recordBytes).every((byte) => byte === 0) && torn === zeroed
        assert.equal(last, whole ? entries : entries - 1)
        assert.equal(warnings.length, cut === from || whole ? 0 : 1)
      }
    }
    await using journal = await openFileJournal({ directory: directory.path, segmentBytes: 8192 })
    assert.equal(await journal.append(appendId(1, entries - 1), new Uint8Array(9)), entries)
    assert.equal((await readAll(journal, 1, entries)).at(-1)?.payload.length, 9)
  })

  it('a changed byte anywhere before the last record is refused, naming the position', async () => {
    using directory = temporaryDirectory()
    const { path, image, start } = await written(directory.path)
    for (let at = 0; at < start + (entries - 1) * recordBytes; at++) {
      const damaged = Buffer.from(image)
      damaged[at]! ^= 0x40
      writeFileSync(path, damaged)
      await corruptAt(
        openStore({ directory: directory.path, segmentBytes: 8192 }),
        at < start ? 1 : positionAt(at, start),
      )
    }
  })

  it('a write that reached the disk in parts is cut at its first missing sector', async () => {
    using directory = temporaryDirectory()
    const { path, image, start } = await written(directory.path, true, 700)
    const second = start + recordHeaderBytes + 700
    const torn = Buffer.from(image)
    const sector = Math.ceil(second / 512) * 512
    torn.fill(0, sector, sector + 512)
    writeFileSync(path, torn)
    assert.equal((await reopened(directory.path)).last, 1)
    // The later records of that write are gone for good, not only hidden.
    assert.equal((await reopened(directory.path)).last, 1)
  })

  it('a changed byte in the middle of the last write is damage, not a torn tail', async () => {
    using directory = temporaryDirectory()
    const { path, image, start } = await written(directory.path, true, 700)
    const damaged = Buffer.from(image)
    damaged[start + recordHeaderBytes + 700 + 100]! ^= 1
    writeFileSync(path, damaged)
    await corruptAt(openStore({ directory: directory.path, segmentBytes: 8192 }), 2)
  })

  it('damage in an older segment does not stop the start, but every read of it', async () => {
    using directory = temporaryDirectory()
    const options = { directory: directory.path, segmentBytes: 1024 }
    {
      await using journal = await openFileJournal(options)
      for (let n = 0; n < 60; n++) await journal.append(appendId(1, n), payloadOf(appendId(1, n), 100))
    }
    const path = listSegments(nodeDisk, directory.path)[1]!
    const image = readFileSync(path)
    const first = Number(/(\d+)\.seg/.exec(path)?.[1])
    image[image.readUInt32BE(8) + 2 * (recordHeaderBytes + 100) + 50]! ^= 1
    writeFileSync(path, image)
    await using journal = await openFileJournal(options)
    assert.equal((await readAll(journal, 1, first + 1)).length, first + 1)
    await corruptAt(readAll(journal, 1, 60), first + 2)
    assert.equal((await readAll(journal, first + 10, 60)).length, 51 - first)
  })

  it('a missing segment is refused', async () => {
    using directory = temporaryDirectory()
    const options = { directory: directory.path, segmentBytes: 1024 }
    {
      await using journal = await openFileJournal(options)
      for (let n = 0; n < 60; n++) await journal.append(appendId(1, n), payloadOf(appendId(1, n), 100))
    }
    nodeDisk.unlink(listSegments(nodeDisk, directory.path)[2]!)
    await refusedWith(openStore(options), 'journal_corrupt')
  })

  it('repeats from before the last segment are answered after a restart', async () => {
    using directory = temporaryDirectory()
    const options = { directory: directory.path, segmentBytes: 1024 }
    {
      await using journal = await openFileJournal(options)
      for (let n = 0; n < 100; n++) await journal.append(appendId(3, n), payloadOf(appendId(3, n), 100))
    }
    await using journal = await openFileJournal(options)
    for (let n = 0; n < 100; n++) assert.equal(await journal.append(appendId(3, n), new Uint8Array(1)), n + 1)
    assert.equal((await journal.tail()).last, 100)
  })

  it('one directory is open in one place only', async () => {
    using directory = temporaryDirectory()
    const options = { directory: directory.path, segmentBytes: 1024 }
    {
      await using journal = await openFileJournal(options)
      assert.equal((await journal.tail()).last, 0)
      await refusedWith(openFileJournal(options), 'unavailable')
    }
    await using journal = await openFileJournal(options)
    assert.equal((await journal.tail()).last, 0)
  })
})

const positionAt = (at: number, start: number): number => Math.floor((at - start) / recordBytes) + 1
