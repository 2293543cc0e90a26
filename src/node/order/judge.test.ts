import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { windowDefault } from '../../core/certifier.ts'
import { encodeEntry } from '../../core/entry.ts'
import { incarnation, nodeId, position } from '../../core/ids.ts'
import type { Entry } from '../../core/writeset.ts'
import { MemoryJournal } from '../../journal/memory/memory.ts'
import { createGroupBuilder, type GroupBuilder } from './group-builder.ts'
import { runJudge, type Judged } from './judge.ts'
import { appendId, fenceOf, groupOf, makePending, makeRecord, packKey, settleTasks } from './order-fixtures.ts'
import { openVerdictLog, type VerdictLog } from './verdict-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'judge-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let logs = 0
const logPath = (): string => join(folder, String((logs += 1)))
const openLog = (path = logPath(), floor = 0): VerdictLog => openVerdictLog(path, () => position(floor))

const put = async (journal: MemoryJournal, entry: Entry): Promise<number> => journal.append(entry, encodeEntry(entry))

interface Setup {
  readonly journal: MemoryJournal
  readonly verdicts: VerdictLog
  readonly applied?: number
  readonly groups?: GroupBuilder
}

/** Judges all that is in the journal now, as node 1 in its first incarnation. */
const judgeAll = async ({ journal, verdicts, applied = 0, groups }: Setup): Promise<Judged[]> => {
  const judged: Judged[] = []
  const ending = new AbortController()
  const { last } = await journal.tail()
  let seen = 0
  const judge = runJudge({
    journal,
    node: nodeId(1),
    incarnation: incarnation(1),
    applied: position(applied),
    first: position(1),
    verdicts,
    groups: groups ?? ({ take: () => undefined } as unknown as GroupBuilder),
    push: (one) => void judged.push(one),
    onEntry: (at) => void (seen = at),
    signal: ending.signal,
  })
  while (seen < last) await settleTasks(1)
  ending.abort()
  await rejects(judge, { code: 'cancelled' })
  return judged
}

const verdictsOf = (judged: readonly Judged[]): (readonly number[])[] =>
  judged.filter(({ entry }) => entry.kind === 'group').map(({ committed }) => committed)

test('own transactions that lost are told so at once, with table, key and winner; the others wait', async () => {
  await using journal = new MemoryJournal()
  const ending = new AbortController()
  const groups = createGroupBuilder({
    journal,
    node: nodeId(1),
    incarnation: incarnation(1),
    signal: ending.signal,
    onFatal: (error) => ok(false, error),
    isHeld: () => false,
  })
  await groups.fence()
  await put(journal, fenceOf(appendId(2, 1, 0)))
  await put(journal, groupOf(appendId(2, 1, 1), [makeRecord({ late: 2, keys: [packKey('k')] })]))
  const lost = makePending(makeRecord({ late: 2, keys: [packKey('other'), packKey('k')] }))
  const won = makePending(makeRecord({ late: 2, keys: [packKey('mine')] }))
  groups.add(lost)
  groups.add(won)
  await settleTasks()
  const judged = await judgeAll({ journal, verdicts: openLog(), groups })
  deepEqual(await lost.outcome.promise, {
    kind: 'aborted',
    conflict: { table: 'public.t', key: 'Key 1', winner: 2, position: 3, reason: 'certification' },
  })
  const last = judged.at(-1)
  deepEqual([last?.committed, last?.own], [[1], [lost, won]])
})

test('a node that starts again judges as before: aborted records stay aborted and enter no keys', async () => {
  await using journal = new MemoryJournal()
  for (const node of [1, 2, 3]) await put(journal, fenceOf(appendId(node, 1, 0)))
  await put(journal, groupOf(appendId(2, 1, 1), [makeRecord({ late: 3, keys: [packKey('x')] })])) // 4 commits
  await put(journal, groupOf(appendId(3, 1, 1), [makeRecord({ late: 3, keys: [packKey('x'), packKey('y')] })])) // 5 loses
  await put(journal, groupOf(appendId(2, 1, 2), [makeRecord({ late: 4, keys: [packKey('y')] })])) // 6: y is free
  const path = logPath()
  const first = openLog(path)
  const whole = await judgeAll({ journal, verdicts: first })
  first.close()
  deepEqual(verdictsOf(whole), [[0], [], [0]])
  for (const applied of [3, 4, 5]) {
    const again = openLog(path)
    const rest = await judgeAll({ journal, verdicts: again, applied })
    again.close()
    deepEqual(verdictsOf(rest), verdictsOf(whole).slice(applied - 3))
  }
})

test('a node thrown back behind a fence it has judged still knows the older one, beyond the window', async () => {
  await using journal = new MemoryJournal()
  await put(journal, fenceOf(appendId(1, 1, 0)))
  await put(journal, fenceOf(appendId(2, 1, 0)))
  for (let i = 1; i <= windowDefault + 10; i++) {
    await put(journal, { kind: 'chunk', ...appendId(1, 1, i), transaction: 1, index: i, bytes: new Uint8Array(0) })
  }
  const applied = (await journal.tail()).last
  // Node 2 goes on, then restarts; this node judges both, but dies before it has executed either.
  await put(journal, groupOf(appendId(2, 1, 1), [makeRecord({ late: applied, keys: [packKey('k')] })]))
  await put(journal, fenceOf(appendId(2, 2, 0)))
  const path = logPath()
  const first = openLog(path)
  deepEqual(verdictsOf(await judgeAll({ journal, verdicts: first })), [[0]])
  first.close()
  const again = openLog(path, Math.max(0, applied - 2 * windowDefault))
  deepEqual(verdictsOf(await judgeAll({ journal, verdicts: again, applied })), [[0]])
  again.close()
})

test('a late append of a replaced incarnation is void, its chunks and own transactions included', async () => {
  await using journal = new MemoryJournal()
  await put(journal, fenceOf(appendId(2, 1, 0)))
  await put(journal, groupOf(appendId(2, 1, 1), [makeRecord({ keys: [packKey('a')] })]))
  await put(journal, fenceOf(appendId(2, 2, 0)))
  await put(journal, groupOf(appendId(2, 2, 1), [makeRecord({ late: 3, keys: [packKey('a')] })]))
  const judged = await judgeAll({ journal, verdicts: openLog() })
  deepEqual(verdictsOf(judged), [[0], [0]])
  equal(judged.length, 4, 'fences are executed too, so that positions stay dense')
})
