import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { describe, it } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import { nodeId, position } from '../../core/ids.ts'
import type { Position } from '../../core/ids.ts'
import { repeatWindow } from '../admission.ts'
import { appendId, payloadOf, refusedWith } from '../compliance.ts'
import { liveMsMax } from '../contract.ts'
import { nodeDisk } from './disk.ts'
import type { Disk } from './disk.ts'
import { listSegments } from './segment.ts'
import { openStore } from './store.ts'
import type { Store } from './store.ts'
import { temporaryDirectory, until } from './testing.ts'

const append = (store: Store, number: number, bytes = 100, node = 1): Promise<Position> =>
  new Promise((resolve, reject) => {
    const id = appendId(node, number)
    store.append(id, payloadOf(id, bytes), (outcome) => {
      if (outcome.ok) resolve(outcome.position)
      else reject(outcome.error)
    })
  })

/** The real disk, with a fault that can be switched on. */
const faultyDisk = (): { disk: Disk; fault: { sync?: Error; fill?: Error; syncs: number } } => {
  const fault: { sync?: Error; fill?: Error; syncs: number } = { syncs: 0 }
  const disk: Disk = {
    ...nodeDisk,
    open(path, mode) {
      const file = nodeDisk.open(path, mode)
      return {
        ...file,
        write: (bytes, at) => (fault.fill ? Promise.reject(fault.fill) : file.write(bytes, at)),
        datasyncNow() {
          fault.syncs++
          if (fault.sync) throw fault.sync
          file.datasyncNow()
        },
        // On a slow disk the store takes this way for appends too.
        async datasync() {
          fault.syncs++
          if (fault.sync) throw fault.sync
          await file.datasync()
        },
      }
    },
  }
  return { disk, fault }
}

describe('segment store', () => {
  it('appends that wait share one sync', async () => {
    using directory = temporaryDirectory()
    const { disk, fault } = faultyDisk()
    await using store = await openStore({ directory: directory.path, segmentBytes: 1 << 20, disk })
    const before = fault.syncs
    await Promise.all([...Array(500).keys()].map((n) => append(store, n)))
    assert.equal(fault.syncs - before, 1)
  })

  it('a failed sync ends the store: nothing is answered as stored, nothing more is taken', async () => {
    using directory = temporaryDirectory()
    const { disk, fault } = faultyDisk()
    const fatal: AllwriteError[] = []
    const onFatal = (error: AllwriteError): void => void fatal.push(error)
    await using store = await openStore({ directory: directory.path, segmentBytes: 1 << 16, disk, onFatal })
    await append(store, 0)
    fault.sync = new Error('EIO')
    await refusedWith(append(store, 1), 'unavailable')
    delete fault.sync
    await refusedWith(append(store, 1), 'unavailable')
    assert.equal(store.tail().last, 1)
    assert.equal(fatal.length, 1)
  })

  it('a full disk refuses appends, and takes them again when there is room', async () => {
    using directory = temporaryDirectory()
    const { disk, fault } = faultyDisk()
    let nowMs = 0
    const options = { directory: directory.path, segmentBytes: 4096, disk, nowMs: () => nowMs }
    await using store = await openStore(options)
    fault.fill = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    let number = 0
    const fill = async (): Promise<void> => {
      for (;;) await append(store, number).then(() => number++)
    }
    await refusedWith(fill(), 'journal_full')
    const stored = number
    await refusedWith(append(store, number), 'journal_full')
    // A repeat needs no room, and it is stored: to refuse it would be a wrong answer.
    assert.deepEqual(await Promise.all([append(store, stored - 1), append(store, 0)]), [stored, 1])
    delete fault.fill
    nowMs += 10_000
    await append(store, number)
    assert.equal(store.tail().last, stored + 1)
  })

  it('a repeat older than the window is refused clearly', async () => {
    using directory = temporaryDirectory()
    await using store = await openStore({ directory: directory.path, segmentBytes: 1 << 20 })
    await Promise.all([...Array(repeatWindow + 10).keys()].map((n) => append(store, n, 1)))
    assert.equal(await append(store, 10, 1), 11)
    await assert.rejects(append(store, 9, 1), /too old to tell its position/)
  })

  it('retention deletes whole segments that no live node needs, and keeps what it must', async () => {
    using directory = temporaryDirectory()
    let nowMs = 0
    const limits = { segmentBytes: 4096, retainBytes: 20_000, capBytes: 100_000 }
    await using store = await openStore({ directory: directory.path, nowMs: () => nowMs, ...limits })
    for (let n = 0; n < 300; n++) await append(store, n)
    assert.equal(store.tail().first, 1, 'nobody reported: all is kept up to the cap')
    for (let second = 0; second < 12; second++) {
      nowMs += 1000
      store.report(nodeId(1), position(300))
      store.report(nodeId(2), position(100))
    }
    store.trim()
    const { first } = store.tail()
    assert.ok(first > 1 && first <= 101, `node 2 needs 101, first is ${first}`)
    nowMs += liveMsMax + 1
    store.report(nodeId(1), position(300))
    store.trim()
    assert.ok(store.tail().first > 101, 'node 2 is dead: its floor does not count')
    const kept = listSegments(nodeDisk, directory.path).reduce((sum, path) => sum + statSync(path).size, 0)
    assert.ok(kept >= limits.retainBytes, `${kept} bytes are kept`)
    const cursor = store.cursor(first - 1)
    await refusedWith(cursor.fromDisk(300, 1000), 'position_trimmed')
    assert.equal(Number(/(\d+)\.seg/.exec(listSegments(nodeDisk, directory.path)[0]!)?.[1]), store.tail().first)
  })

  it('above the cap even what is needed goes, and it is logged', async () => {
    using directory = temporaryDirectory()
    const warnings: string[] = []
    const limits = { segmentBytes: 4096, retainBytes: 5_000, capBytes: 20_000 }
    const log = (level: string, message: string): void => void (level === 'warn' && warnings.push(message))
    await using store = await openStore({ directory: directory.path, ...limits, log })
    for (let n = 0; n < 300; n++) {
      store.report(nodeId(1), position(0))
      await append(store, n)
    }
    assert.ok(store.tail().first > 100)
    assert.match(warnings[0] ?? '', /over its cap/)
  })

  it('a cursor reads across segments from any position, from disk', async () => {
    using directory = temporaryDirectory()
    await using store = await openStore({ directory: directory.path, segmentBytes: 4096, ringBytes: 0 })
    for (let n = 0; n < 150; n++) await append(store, n, (n * 37) % 700)
    await until(() => store.tail().last === 150, 'all appended')
    for (let from = 1; from < 150; from += 7) {
      const cursor = store.cursor(from)
      while (!cursor.atTail) {
        const due: number = cursor.position
        const run = cursor.fromMemory(Infinity, 2000) ?? (await cursor.fromDisk(Infinity, 2000))
        assert.equal(run.first, due)
        assert.ok(run.bytes.length > 0)
      }
      assert.equal(cursor.position, 151)
      cursor.close()
    }
  })
})
