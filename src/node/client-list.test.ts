import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createClientList } from './client-list.ts'
import type { Query } from './recovery/progress.ts'

/** A database that notes what is written to it, and fails as long as it is told to. */
const fakeDatabase = () => {
  const written: string[] = []
  const state = { fails: false }
  const query: Query = (sql, values = []) => {
    if (state.fails) return Promise.reject(new Error('could not extend file'))
    written.push(`${sql.slice(0, 6)} ${JSON.stringify(values)}`)
    return Promise.resolve([])
  }
  return { written, state, query }
}

/** Lets the list's time come, and what it does then. */
const pass = async ({ mock }: TestContext): Promise<void> => {
  mock.timers.tick(100)
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

test('a burst of logins is written by one statement, and who came and went meanwhile is only removed', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const list = createClientList({ warn: () => assert.fail('nothing went wrong') })
  const { written, query } = fakeDatabase()
  list.opened(1, '::ffff:10.0.0.1', 5001, query)
  list.opened(2, 'fe80::1%eth0', 5002, query)
  list.opened(3, '10.0.0.3', 5003, query)()
  await pass(context)
  assert.deepEqual(written, ['DELETE [[3]]', 'INSERT [[1,2],["10.0.0.1","fe80::1"],[5001,5002]]'])
  list.close()
})

test('the end of a pid’s earlier bearer does not take the later one out', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const list = createClientList({ warn: () => assert.fail('nothing went wrong') })
  const { written, query } = fakeDatabase()
  const ended = list.opened(1, '10.0.0.1', 5001, query)
  list.opened(1, '10.0.0.2', 5002, query)
  ended()
  await pass(context)
  assert.deepEqual(written, ['INSERT [[1],["10.0.0.2"],[5002]]'])
  list.close()
})

test('what can’t be written is told of, and the next is written', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const warnings: string[] = []
  const list = createClientList({ warn: (_, message) => void warnings.push(message) })
  const { written, state, query } = fakeDatabase()
  state.fails = true
  const ended = list.opened(1, '10.0.0.1', 5001, query)
  await pass(context)
  assert.equal(warnings.length, 1)
  state.fails = false
  ended()
  await pass(context)
  assert.deepEqual(written, ['DELETE [[1]]'])
  list.close()
})
