import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { position } from '../../core/ids.ts'
import { appendId, journalCompliance, payloadOf, readAll, refusedWith } from '../compliance.ts'
import { MemoryJournal } from './memory.ts'

journalCompliance('memory', async () => {
  const journal = new MemoryJournal()
  return { journal, [Symbol.asyncDispose]: () => journal[Symbol.asyncDispose]() }
})

describe('memory journal', () => {
  it('a trimmed position is refused, the rest keeps its positions', async () => {
    await using journal = new MemoryJournal()
    for (let n = 0; n < 10; n++) await journal.append(appendId(1, n), payloadOf(appendId(1, n)))
    journal.trim(position(4))
    assert.equal((await journal.tail()).first, 5)
    await refusedWith(readAll(journal, 4, 6), 'position_trimmed')
    assert.equal((await readAll(journal, 5, 10)).length, 6)
  })
})
