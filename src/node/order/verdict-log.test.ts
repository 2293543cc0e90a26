import { deepEqual, equal, ok } from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { incarnation, nodeId, position } from '../../core/ids.ts'
import { openVerdictLog } from './verdict-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'verdicts-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, String((files += 1)))
const nothingForgotten = () => position(0)

test('what was logged is known after a restart, each thing once', () => {
  const path = newPath()
  const first = openVerdictLog(path, nothingForgotten, true)
  first.abort(position(9), 2)
  first.abort(position(9), 0)
  first.abort(position(9), 2)
  first.fence(position(4), nodeId(1), incarnation(1))
  const size = statSync(path).size
  // After a restart the judge says it all again.
  first.fence(position(4), nodeId(1), incarnation(1))
  equal(statSync(path).size, size)
  first.close()
  const second = openVerdictLog(path, nothingForgotten)
  deepEqual([...second.remembered.aborted], [[9, [2, 0]]])
  deepEqual([...second.remembered.fences], [[1, [{ incarnation: 1, position: 4 }]]])
  second.close()
})

test('a record torn by a crash is dropped, and what comes next is read again', () => {
  const path = newPath()
  const first = openVerdictLog(path, nothingForgotten)
  first.abort(position(1), 0)
  first.close()
  appendFileSync(path, Buffer.from([0, 0, 0, 0, 0, 2, 0]))
  const second = openVerdictLog(path, nothingForgotten)
  second.abort(position(3), 1)
  second.close()
  const third = openVerdictLog(path, nothingForgotten)
  deepEqual([...third.remembered.aborted.keys()], [1, 3])
  third.close()
})

test('a fence that is judged ahead of the applied position does not hide the one in force', () => {
  const path = newPath()
  let floor = position(0)
  const log = openVerdictLog(path, () => floor)
  for (const [at, value] of [
    [10, 1],
    [500, 2],
    [900, 3],
  ] as const) {
    log.fence(position(at), nodeId(2), incarnation(value))
  }
  log.close()
  // The floor lies between: the fence below it is still needed, the one before that is not.
  floor = position(700)
  openVerdictLog(path, () => floor).close()
  const reopened = openVerdictLog(path, () => floor)
  deepEqual(reopened.remembered.fences.get(nodeId(2)), [
    { incarnation: 2, position: 500 },
    { incarnation: 3, position: 900 },
  ])
  reopened.close()
})

test('the file is rewritten when it has grown, keeps what is above the floor, and does not thrash where all is needed', () => {
  const path = newPath()
  let floor = position(0)
  const log = openVerdictLog(path, () => floor)
  const perPosition = 512
  const log512 = (at: number): void => {
    for (let index = 0; index < perPosition; index++) log.abort(position(at), index)
  }
  const started = performance.now()
  for (let at = 1; at <= 800; at++) log512(at)
  ok(statSync(path).size > 4 * 1024 * 1024, 'nothing could be forgotten')
  // Rewriting 4 MB at each of the 50,000 aborts beyond the bound would take minutes.
  ok(performance.now() - started < 20_000)
  floor = position(790)
  for (let at = 801; at <= 1600; at++) log512(at)
  equal(Math.min(...log.remembered.aborted.keys()), 790)
  log.close()
  const reopened = openVerdictLog(path, () => floor)
  deepEqual(reopened.remembered.aborted.get(position(1600))?.length, perPosition)
  reopened.close()
})
