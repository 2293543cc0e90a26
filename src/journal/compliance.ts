/**
 * The compliance suite: what every journal driver's test runs. It sees the contract only.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AllwriteError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import { incarnation, nodeId, position } from '../core/ids.ts'
import type { AppendId } from '../core/writeset.ts'
import { payloadBytesMax } from './contract.ts'
import type { Journal, StoredEntry } from './contract.ts'

/** An empty journal under test. */
export interface Subject extends AsyncDisposable {
  readonly journal: Journal
  /** Ends the driver and opens it again on the same data; absent where the data lives in the driver. */
  readonly reopen?: () => Promise<Journal>
}

/** Longest wait of a test for anything, ms. */
const deadlineMs = 20_000

export const appendId = (node: number, number: number, incarnationNumber = 1): AppendId => ({
  node: nodeId(node),
  incarnation: incarnation(incarnationNumber),
  number,
})

/** A payload that tells who it is. */
export const payloadOf = (id: AppendId, bytes = 40): Uint8Array =>
  Buffer.alloc(bytes, `${id.node}/${id.incarnation}/${id.number};`)

/** Reads `from` … `to`, copies the payloads, and checks that positions are dense. */
export const readAll = async (journal: Journal, from: number, to: number): Promise<StoredEntry[]> => {
  const entries: StoredEntry[] = []
  const options = { to: position(to), signal: AbortSignal.timeout(deadlineMs) }
  for await (const batch of journal.read(position(from), options)) {
    assert.ok(batch.length > 0, 'a batch is never empty')
    for (const entry of batch) {
      assert.equal(entry.position, from + entries.length)
      entries.push({ ...entry, payload: Uint8Array.from(entry.payload) })
    }
  }
  assert.equal(entries.length, to - from + 1)
  return entries
}

/** Asserts that a promise is refused with a code. */
export const refusedWith = (promise: Promise<unknown>, code: ErrorCode): Promise<void> =>
  assert.rejects(promise, (error) => error instanceof AllwriteError && error.code === code)

/** Registers the suite. `open` makes a fresh, empty journal. */
export const journalCompliance = (driver: string, open: () => Promise<Subject>): void => {
  const promise = (name: string, run: (subject: Subject) => Promise<void>): void => {
    it(name, { timeout: deadlineMs }, async () => {
      await using subject = await open()
      await run(subject)
    })
  }

  describe(`journal contract: ${driver}`, () => {
    promise('an empty journal has no entries and no nodes', async ({ journal }) => {
      const { first, last, nodes } = await journal.tail()
      assert.deepEqual([first, last, nodes.size], [1, 0, 0])
    })

    promise('positions are dense from 1, and readers see the appended bytes', async ({ journal }) => {
      for (let n = 0; n < 5; n++) assert.equal(await journal.append(appendId(1, n), payloadOf(appendId(1, n))), n + 1)
      const entries = await readAll(journal, 1, 5)
      for (const [n, entry] of entries.entries()) {
        assert.deepEqual(entry.id, appendId(1, n))
        assert.deepEqual(Buffer.from(entry.payload), Buffer.from(payloadOf(appendId(1, n))))
      }
      assert.deepEqual((await readAll(journal, 3, 4))[0]?.id, appendId(1, 2))
    })

    promise('many appends in flight are stored in the order of their numbers', async ({ journal }) => {
      const appends: Promise<number>[] = []
      for (let n = 0; n < 400; n++) {
        for (const node of [1, 2, 3]) appends.push(journal.append(appendId(node, n), payloadOf(appendId(node, n))))
      }
      const positions = new Set(await Promise.all(appends))
      assert.equal(positions.size, 1200)
      const entries = await readAll(journal, 1, 1200)
      for (const node of [1, 2, 3]) {
        const numbers = entries.filter(({ id }) => id.node === node).map(({ id }) => id.number)
        assert.deepEqual(numbers, [...Array(400).keys()])
      }
    })

    promise('a repeated append is stored once and answered with the first position', async ({ journal }) => {
      const ids = [0, 1, 2, 3].map((n) => appendId(7, n))
      for (const id of ids) await journal.append(id, payloadOf(id))
      for (const id of ids) assert.equal(await journal.append(id, payloadOf(id)), id.number + 1)
      const twice = appendId(7, 4)
      const both = [journal.append(twice, payloadOf(twice)), journal.append(twice, payloadOf(twice))]
      assert.deepEqual(await Promise.all(both), [5, 5])
      assert.equal((await journal.tail()).last, 5)
    })

    promise('a gap in the numbers is refused and leaves no trace', async ({ journal }) => {
      await refusedWith(journal.append(appendId(1, 1), payloadOf(appendId(1, 1))), 'protocol')
      await journal.append(appendId(1, 0), payloadOf(appendId(1, 0)))
      await refusedWith(journal.append(appendId(1, 2), payloadOf(appendId(1, 2))), 'protocol')
      assert.equal(await journal.append(appendId(1, 1), payloadOf(appendId(1, 1))), 2)
    })

    promise('a newer incarnation starts at number 0 and voids the older one', async ({ journal }) => {
      await journal.append(appendId(1, 0, 1), payloadOf(appendId(1, 0, 1)))
      await refusedWith(journal.append(appendId(1, 1, 3), payloadOf(appendId(1, 1, 3))), 'protocol')
      assert.equal(await journal.append(appendId(1, 0, 3), payloadOf(appendId(1, 0, 3))), 2)
      await refusedWith(journal.append(appendId(1, 1, 1), payloadOf(appendId(1, 1, 1))), 'stale_incarnation')
      await refusedWith(journal.append(appendId(1, 0, 2), payloadOf(appendId(1, 0, 2))), 'stale_incarnation')
      assert.deepEqual((await journal.tail()).nodes.get(nodeId(1)), { incarnation: 3, number: 0 })
    })

    promise('a reader that waits is woken by the next append', async ({ journal }) => {
      const reading = readAll(journal, 1, 2)
      await journal.append(appendId(1, 0), payloadOf(appendId(1, 0)))
      await journal.append(appendId(2, 0), payloadOf(appendId(2, 0)))
      assert.equal((await reading).length, 2)
    })

    promise('an entry is readable by the time its append is answered; tail counts it', async ({ journal }) => {
      for (let n = 0; n < 20; n++) {
        const at = await journal.append(appendId(1, n), payloadOf(appendId(1, n)))
        assert.equal((await journal.tail()).last, at)
        assert.equal((await readAll(journal, at, at)).length, 1)
      }
    })

    promise('payloads of every size up to the limit pass, larger ones are refused', async ({ journal }) => {
      const sizes = [0, 1, 511, 512, 70_000, 1_000_000, payloadBytesMax]
      for (const [n, size] of sizes.entries()) await journal.append(appendId(1, n), payloadOf(appendId(1, n), size))
      const entries = await readAll(journal, 1, sizes.length)
      assert.deepEqual(
        entries.map(({ payload }) => payload.length),
        sizes,
      )
      const large = new Uint8Array(payloadBytesMax + 1)
      await refusedWith(journal.append(appendId(1, sizes.length), large), 'too_large')
      assert.equal(await journal.append(appendId(1, sizes.length), new Uint8Array(1)), sizes.length + 1)
    })

    promise('reads and appends end when their signal aborts', async ({ journal }) => {
      const aborted = AbortSignal.abort()
      await refusedWith(journal.append(appendId(1, 0), new Uint8Array(1), aborted), 'cancelled')
      const controller = new AbortController()
      const iterator = journal.read(position(1), { signal: controller.signal })[Symbol.asyncIterator]()
      const waiting = iterator.next()
      controller.abort()
      await refusedWith(waiting, 'cancelled')
    })

    promise('a reader that stops in the middle disturbs nobody', async ({ journal }) => {
      for (let n = 0; n < 50; n++) await journal.append(appendId(1, n), payloadOf(appendId(1, n), 1000))
      for (let round = 0; round < 20; round++) {
        for await (const batch of journal.read(position(1))) {
          assert.equal(batch[0]?.position, 1)
          break
        }
      }
      assert.equal((await readAll(journal, 1, 50)).length, 50)
    })

    promise('what was answered is there after a restart, and numbering goes on', async ({ journal, reopen }) => {
      const ids = [...Array(30).keys()].map((n) => appendId(5, n, 2))
      for (const id of ids) await journal.append(id, payloadOf(id))
      if (reopen === undefined) return
      const again = await reopen()
      const { last, nodes } = await again.tail()
      assert.equal(last, 30)
      assert.deepEqual(nodes.get(nodeId(5)), { incarnation: 2, number: 29 })
      const entries = await readAll(again, 1, 30)
      assert.deepEqual(
        entries.map(({ id }) => id),
        ids,
      )
      assert.equal(await again.append(appendId(5, 3, 2), payloadOf(appendId(5, 3, 2))), 4)
      await refusedWith(again.append(appendId(5, 30, 1), new Uint8Array(1)), 'stale_incarnation')
      assert.equal(await again.append(appendId(5, 30, 2), new Uint8Array(1)), 31)
    })
  })
}
