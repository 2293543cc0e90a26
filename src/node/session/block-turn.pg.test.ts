import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { position } from '../../core/ids.ts'
import { bindPlain, execute, parse, sync } from '../../wire/pgwire/messages.ts'
import { show, TestGate, type Through } from './session-fixtures.ts'
import { sessionServer, type SessionServer } from './session-server.ts'

let cluster: SessionServer
before(async () => {
  cluster = await sessionServer()
})
after(() => cluster[Symbol.asyncDispose]())

interface Bench extends AsyncDisposable {
  readonly through: Through
  readonly gate: TestGate
  /** Turns as they were asked for and given back. */
  readonly log: string[]
  say(...texts: string[]): Promise<string[]>
}

let databases = 0
const open = async (): Promise<Bench> => {
  const [, database] = await cluster.twins(`turn${databases++}`)
  const gate = new TestGate()
  const log: string[] = []
  gate.takeTurn = (tables) => {
    log.push(`take ${[...tables].join(' ')}`)
    return Promise.resolve({
      over: false,
      spent: false,
      widen: (more) => void log.push(`widen ${[...more].join(' ')}`),
      release: () => void log.push('release'),
    })
  }
  const through = await cluster.ours(database, gate)
  return {
    through,
    gate,
    log,
    async say(...texts) {
      const answers: string[] = []
      for (const text of texts) answers.push(...(await through.client.query(text)))
      return answers.filter((answer) => /^[EC]/.test(answer))
    },
    [Symbol.asyncDispose]: () => through[Symbol.asyncDispose](),
  }
}

test("a client's transaction asks for its turn before its first schema change is sent, once for each table", async () => {
  await using bench = await open()
  const { log } = bench
  await bench.say('begin', 'insert into t values (9)', 'alter table t add column x int', 'create index i on t (x)')
  assert.deepEqual(log, ['take allwrite.t'])
  await bench.say('alter table child add column x int')
  assert.deepEqual(log.splice(0), ['take allwrite.t', 'widen allwrite.t allwrite.child'])
  await bench.say('commit')
  assert.deepEqual(log.splice(0), ['release'])
  // By the index's name, and both sides of a foreign key.
  await bench.say('begin', 'drop index i', 'savepoint s', 'drop table parent cascade', 'rollback')
  assert.deepEqual(log.splice(0), ['take allwrite.t', 'widen allwrite.t allwrite.child allwrite.parent', 'release'])
})

test('in the extended protocol too', async () => {
  await using bench = await open()
  const { client } = bench.through
  for (const text of ['begin', 'alter table t add column x int', 'commit']) {
    client.send(parse('', text), bindPlain('', ''), execute(''), sync)
    const answers = (await client.until('Z')).map(show)
    assert(!answers.some((answer) => answer.startsWith('E')), answers.join('\n'))
  }
  assert.deepEqual(bench.log, ['take allwrite.t', 'release'])
})

test('no turn: outside a transaction block, for a table of its own, for what is missing or temporary', async () => {
  await using bench = await open()
  await bench.say('alter table t add column x int')
  const answers = await bench.say(
    'begin',
    'create table own (id int primary key)',
    'alter table own add column v int',
    'create index on own (v)',
    'create temp table mine (id int)',
    'alter table mine add column v int',
    'alter table nobody add column v int',
    'rollback',
  )
  assert.equal(answers.filter((answer) => answer.startsWith('E')).length, 1, answers.join('\n'))
  assert.deepEqual(bench.log, [])
})

test('a session that ends gives its turn back', async () => {
  const bench = await open()
  await bench.say('begin', 'alter table t add column x int')
  await bench[Symbol.asyncDispose]()
  assert.deepEqual(bench.log, ['take allwrite.t', 'release'])
})

test('a cancel ends the wait for a turn, and the statement with it', async () => {
  await using bench = await open()
  bench.gate.takeTurn = (_tables, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined))
      void bench.through.session.cancel()
    })
  await bench.say('begin')
  const answers = await bench.say('alter table t add column x int')
  assert.match(answers.join('\n'), /^E C57014/)
  assert.deepEqual(await bench.say('rollback'), ['C "ROLLBACK\\u0000"'])
})

test('what a repeatable read sees is as old as the question for its tables', async () => {
  await using bench = await open()
  bench.gate.takeTurn = () => {
    bench.gate.at = 50
    return Promise.resolve(undefined)
  }
  await bench.say('begin isolation level repeatable read', 'alter table t add column x int', 'commit')
  assert.equal(bench.gate.submissions.at(-1)?.early, position(1))
  await bench.say('begin', 'alter table t add column y int', 'commit')
  assert.equal(bench.gate.submissions.at(-1)?.early, position(50))
})
