import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindPlain, execute, parse, query, sync } from '../../wire/pgwire/messages.ts'
import { fakeSession, type FakeSession } from './fake-backend.ts'
import { show, TestGate } from './session-fixtures.ts'

const run = (sql: string): Buffer[] => [parse('', sql), bindPlain('', ''), execute('')]

/** The backend's status follows BEGIN and ROLLBACK of the extended protocol. */
const follows = (fake: FakeSession): void => {
  fake.backend.script = (request, backend) => {
    if (/^parse \w* BEGIN\b/.test(request)) backend.done('', 'T')
    if (/^parse \w* ROLLBACK\b/.test(request)) backend.done('', 'I')
    return undefined
  }
}

const answersTo = async (fake: FakeSession, count: number, ...send: Buffer[]): Promise<string[]> => {
  fake.client.send(...send)
  return (await fake.client.until('Z', count)).map(show)
}

test('a Query behind an extended BEGIN is the next unit, and what follows it the one after: as JDBC sends SAVEPOINT', async () => {
  await using fake = await fakeSession({ gate: new TestGate() })
  follows(fake)
  const answers = await answersTo(fake, 2, ...run('BEGIN'), query('SAVEPOINT s'), ...run('update t set v = 1'), sync)
  assert.deepEqual(answers, [
    '1',
    '2',
    'C "DONE\\u0000"',
    'C "SAVEPOINT\\u0000"',
    'Z "T"',
    '1',
    '2',
    'C "DONE\\u0000"',
    'Z "T"',
  ])
  const said = fake.backend.requests
  assert(said.indexOf('SAVEPOINT s') > said.findIndex((request) => request.startsWith('parse  BEGIN')))
  assert(said.indexOf('SAVEPOINT s') < said.indexOf('parse  update t set v = 1'))
})

test('behind an error the Query is skipped with all else up to the Sync', async () => {
  await using fake = await fakeSession({ gate: new TestGate() })
  follows(fake)
  await answersTo(fake, 1, ...run('BEGIN'), sync)
  const { script } = fake.backend
  fake.backend.script = (request, backend) =>
    request === 'execute' ? backend.refused('22012') : script(request, backend)
  const answers = await answersTo(fake, 1, ...run('update t set v = 1'), query('SAVEPOINT s'), ...run('select 1'), sync)
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 10)),
    ['1', '2', 'E C22012; ', 'Z "E"'],
  )
  assert(!fake.backend.requests.includes('SAVEPOINT s'))
})

test('where the implicit transaction of the batch may write, the Query is refused and the transaction rolled back', async () => {
  await using fake = await fakeSession({ gate: new TestGate() })
  follows(fake)
  const answers = await answersTo(fake, 2, ...run('update t set v = 1'), query('select 1'), sync)
  assert.match(
    answers.join('\n'),
    /^1\n2\nC "DONE\\u0000"\nE C0A000; HSend BEGIN before it, or Sync\..*\nZ "I"\nZ "I"$/,
  )
  assert(fake.backend.requests.some((request) => /^parse \w+ ROLLBACK/.test(request)))
  assert(!fake.backend.requests.includes('select 1'))
})
