import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  carry,
  carrySequenceRows,
  startPair,
  transact,
  type Rows,
  type TestNode,
  type TestPair,
} from './catalog-testing.ts'
import { createSequenceLeaser, exhaustedSequence, type SequenceLeaser } from './sequences.ts'

let pair: TestPair
let leasers: SequenceLeaser[]
let nowMs = 0
/** Stands for the journal: one lease at a time, and the other node sees its row before the next. */
let journal: Promise<unknown> = Promise.resolve()
/** How many leases were taken. */
let leases = 0

before(async () => {
  pair = await startPair()
})
after(() => pair.close())
beforeEach(async () => {
  const [home, other] = pair.nodes
  await carry(
    home,
    await transact(home.user, [
      'DROP SCHEMA IF EXISTS app CASCADE',
      'CREATE SCHEMA app',
      'SET search_path = app, public',
    ]),
    other,
  )
  await other.user.query('SET search_path = app, public')
  for (const [index, node] of pair.nodes.entries()) await node.agent.query(`SELECT allwrite.set_node(${index + 1}, 2)`)
  leases = 0
  leasers = pair.nodes.map((node, index) =>
    createSequenceLeaser({
      leaseTransaction: (sql) => {
        const result = journal.then(async (): Promise<Rows> => {
          const { rows } = await node.agent.query<Record<string, unknown>>(sql)
          leases += 1
          const elsewhere = pair.nodes[1 - index]
          assert.ok(elsewhere)
          await carrySequenceRows(node, elsewhere)
          return rows
        })
        journal = result.catch(() => undefined)
        return result
      },
      control: node.agent,
      now: () => nowMs,
    }),
  )
})

const [first, second] = [0, 1] as const
const nodeAt = (index: 0 | 1): TestNode => pair.nodes[index]
const leaserAt = (index: 0 | 1): SequenceLeaser => {
  const leaser = leasers[index]
  assert.ok(leaser)
  return leaser
}

/** nextval as a session does it: leases and tries again on 2200H. */
const draw = async (index: 0 | 1, sequence: string): Promise<number> => {
  for (;;) {
    try {
      const { rows } = await nodeAt(index).user.query<{ value: string }>(`SELECT nextval('${sequence}') AS value`)
      return Number(rows[0]?.value)
    } catch (thrown) {
      if (!(thrown instanceof Error) || !('code' in thrown) || thrown.code !== '2200H') throw thrown
      await leaserAt(index).exhausted(exhaustedSequence(thrown.message) ?? '')
    }
  }
}

const drawMany = async (index: 0 | 1, sequence: string, count: number): Promise<number[]> => {
  const values = []
  for (let i = 0; i < count; i++) values.push(await draw(index, sequence))
  return values
}

/** Runs DDL at a node and brings it to the other. */
const change = async (index: 0 | 1, statements: string[]): Promise<void> => {
  const xid = await transact(nodeAt(index).user, statements)
  await carry(nodeAt(index), xid, nodeAt(index === 0 ? 1 : 0))
}

const assertDistinct = (values: number[]): void => assert.equal(new Set(values).size, values.length)

describe('two nodes never draw the same value', () => {
  const cases: Record<string, string> = {
    'plain sequence': 'CREATE SEQUENCE s',
    'increment 50 with start': 'CREATE SEQUENCE s INCREMENT 50 START 7',
    descending: 'CREATE SEQUENCE s INCREMENT -3',
    cached: 'CREATE SEQUENCE s CACHE 20',
    smallint: 'CREATE SEQUENCE s AS smallint',
    'negative start': 'CREATE SEQUENCE s MINVALUE -1000 START -1000',
  }
  for (const [name, create] of Object.entries(cases)) {
    test(name, async () => {
      await change(first, [create])
      const [a, b] = await Promise.all([drawMany(first, 's', 300), drawMany(second, 's', 300)])
      assertDistinct([...a, ...b])
      const step = Number(/INCREMENT (-?\d+)/.exec(create)?.[1] ?? 1)
      const all = [...a, ...b]
      for (const value of all) assert.equal(Math.abs((value - (all[0] ?? 0)) % step), 0)
    })
  }

  test('with polls in between, from both sides at once', async () => {
    await change(first, ['CREATE TABLE t(id bigserial PRIMARY KEY)'])
    const values: number[] = []
    for (let round = 0; round < 8; round++) {
      const drawn = await Promise.all([drawMany(first, 't_id_seq', 40), drawMany(second, 't_id_seq', 40)])
      values.push(...drawn.flat())
      await Promise.all([leaserAt(first).poll(), leaserAt(second).poll()])
    }
    assertDistinct(values)
  })
})

/** What nextval gives without the leaser's help. */
const next = async (index: 0 | 1, sequence: string): Promise<number> => {
  const { rows } = await nodeAt(index).user.query<{ value: string }>(`SELECT nextval('${sequence}') AS value`)
  return Number(rows[0]?.value)
}

describe('every node draws at once, without a lease, from what the creating transaction left for it', () => {
  const cases: Record<string, { statements: string[]; home: number; other: number }> = {
    'int4: 1,024 values': { statements: ['CREATE SEQUENCE s AS integer'], home: 1, other: 1025 },
    'int8: 4,096 values': { statements: ['CREATE SEQUENCE s'], home: 1, other: 4097 },
    'smallint: a 1,024th': { statements: ['CREATE SEQUENCE s AS smallint'], home: 1, other: 32 },
    'INCREMENT 50': { statements: ['CREATE SEQUENCE s INCREMENT 50'], home: 1, other: 1 + 4096 * 50 },
    descending: { statements: ['CREATE SEQUENCE s INCREMENT -1'], home: -1, other: -4097 },
    'what the transaction itself drew comes first': {
      statements: ['CREATE SEQUENCE s AS integer', `SELECT nextval('s') FROM generate_series(1, 5000)`],
      home: 5001,
      other: 6025,
    },
    'RESTART WITH': {
      statements: ['CREATE SEQUENCE s AS integer', 'ALTER SEQUENCE s RESTART WITH 77'],
      home: 77,
      other: 1101,
    },
  }
  for (const [name, { statements, home, other }] of Object.entries(cases)) {
    test(name, async () => {
      await change(first, statements)
      assert.deepEqual([await next(first, 's'), await next(second, 's')], [home, other])
      assert.equal(leases, 0)
    })
  }

  test('the node that makes it is the first, whatever its number', async () => {
    await change(second, ['CREATE TABLE t(id serial)'])
    assert.deepEqual([await next(second, 't_id_seq'), await next(first, 't_id_seq')], [1, 1025])
  })

  test('again after RESTART, ALTER and TRUNCATE RESTART IDENTITY from either node', async () => {
    await change(first, ['CREATE TABLE t(id serial)'])
    assert.deepEqual([await next(first, 't_id_seq'), await next(second, 't_id_seq')], [1, 1025])
    await change(second, ['ALTER SEQUENCE t_id_seq RESTART'])
    assert.deepEqual([await next(first, 't_id_seq'), await next(second, 't_id_seq')], [1025, 1])
    await change(first, ['TRUNCATE t RESTART IDENTITY', 'INSERT INTO t DEFAULT VALUES'])
    assert.deepEqual([await next(first, 't_id_seq'), await next(second, 't_id_seq')], [2, 1026])
    await change(second, ['ALTER SEQUENCE t_id_seq INCREMENT 2'])
    const [a, b] = [await next(first, 't_id_seq'), await next(second, 't_id_seq')]
    // Behind both nodes' shares of before.
    assert.ok(a >= 2050 && b >= 2050 && a !== b, `${a} ${b}`)
    await change(second, ['ALTER TABLE t RENAME TO u', 'ALTER SEQUENCE t_id_seq RENAME TO r'])
    assert.deepEqual([await next(first, 'r'), await next(second, 'r')], [a + 2, b + 2])
    assert.equal(leases, 0)
  })

  test('also after a range of 200 statements in PL/pgSQL that swallows every error', async () => {
    await change(first, ['CREATE TABLE t(id serial)'])
    const swallowing = `DO $$ BEGIN FOR i IN 1..200 LOOP BEGIN PERFORM nextval('app.t_id_seq'); EXCEPTION WHEN OTHERS THEN RAISE 'swallowed %', SQLERRM; END; END LOOP; END $$`
    for (const node of pair.nodes) await node.user.query(swallowing)
  })
})

describe('a share is taken once', () => {
  /** What a server draws after the DDL was applied there as if it were applied again. */
  const assertVoid = async (): Promise<void> => {
    await assert.rejects(next(second, 's'), { code: '2200H' })
    assertDistinct([await draw(first, 's'), await draw(second, 's')])
  }

  test('not by an agent that repeats what is before its fence', async () => {
    await nodeAt(second).agent.query('SELECT allwrite.forget_node()')
    await change(first, ['CREATE SEQUENCE s'])
    await assertVoid()
  })

  test('not after a crash, whatever is then altered elsewhere', async () => {
    await change(first, ['CREATE SEQUENCE s'])
    const drawn = await next(second, 's')
    await nodeAt(second).agent.query('TRUNCATE allwrite.range, allwrite.node; SELECT allwrite.settle()')
    await nodeAt(second).agent.query('SELECT allwrite.set_node(2, 2)')
    await change(first, ['CREATE TABLE other(id serial)', 'ALTER SEQUENCE s OWNED BY other.id'])
    await change(first, ['ALTER SEQUENCE s RENAME TO r', 'ALTER SEQUENCE r RENAME TO s'])
    await assert.rejects(next(second, 's'), { code: '2200H' })
    assert.notEqual(await draw(second, 's'), drawn)
  })

  test('nodes beyond those that the creating node knew of lease', async () => {
    await nodeAt(second).agent.query('SELECT allwrite.set_node(3, 3)')
    await change(first, ['CREATE SEQUENCE s'])
    await assertVoid()
  })

  test('a sequence too small to be divided is leased', async () => {
    await change(first, ['CREATE SEQUENCE s MAXVALUE 1000'])
    await assertVoid()
  })
})

test('empty ranges are filled by a poll, many in one lease; a poll of an idle server looks at nothing', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `s${i}`)
  await change(
    first,
    names.map((name) => `CREATE SEQUENCE ${name}`),
  )
  const before = await Promise.all(names.map(async (name) => next(second, name)))
  await nodeAt(second).agent.query('TRUNCATE allwrite.range; SELECT allwrite.settle()')
  await leaserAt(second).poll()
  assert.equal(leases, 1)
  for (const [i, name] of names.entries()) assert.ok((await next(second, name)) > (before[i] ?? 0))
  const asked: string[] = []
  const quiet = createSequenceLeaser({
    leaseTransaction: () => assert.fail('nothing to lease'),
    control: {
      query: (sql) => {
        asked.push(sql)
        return nodeAt(first).agent.query<Record<string, unknown>>(sql)
      },
    },
    now: () => nowMs,
  })
  // The server's own work may write WAL between two polls.
  for (let tries = 0; tries < 50 && asked.length !== 1; tries++) {
    asked.length = 0
    await quiet.poll()
  }
  assert.equal(asked.length, 1, asked.join('; '))
})

test('the transaction that makes a sequence draws as much as it likes', async () => {
  await change(first, [
    'CREATE TABLE t(id serial PRIMARY KEY)',
    'INSERT INTO t SELECT FROM generate_series(1, 500)',
    'ALTER SEQUENCE t_id_seq INCREMENT 2',
    'INSERT INTO t SELECT FROM generate_series(1, 100)',
  ])
  const { rows } = await nodeAt(first).user.query<{ max: number }>('SELECT max(id) FROM t')
  assert.equal(rows[0]?.max, 700)
  const values = [...(await drawMany(second, 't_id_seq', 40)), ...(await drawMany(first, 't_id_seq', 40))]
  assertDistinct(values)
  assert.ok(Math.min(...values) > 700)
})

test('one statement that needs many values finds them after a few retries', async () => {
  await change(first, ['CREATE TABLE t(id serial PRIMARY KEY)'])
  let tries = 0
  for (;;) {
    try {
      await nodeAt(first).user.query('INSERT INTO t SELECT FROM generate_series(1, 100000)')
      break
    } catch (thrown) {
      assert.ok(thrown instanceof Error && ++tries < 10, String(thrown))
      await leaserAt(first).exhausted(exhaustedSequence(thrown.message) ?? '')
    }
  }
  assert.ok(tries <= 5, `${tries} tries`)
})

test('leases grow with use and are taken ahead', async () => {
  await change(first, ['CREATE SEQUENCE s CACHE 20'])
  nowMs = 100_000
  let errors = 0
  for (let i = 0; i < 10_000; i++) {
    try {
      await nodeAt(first).user.query(`SELECT nextval('s')`)
    } catch {
      errors += 1
      await leaserAt(first).exhausted('s')
    }
    if (i % 100 === 0) await leaserAt(first).poll()
  }
  assert.equal(errors, 0)
  assert.ok(leases <= 8, `${leases} leases`)
})

test('the bound that the user declared is reached by all nodes together, then nextval fails as it should', async () => {
  await change(first, ['CREATE SEQUENCE s MAXVALUE 100'])
  const values: number[] = []
  for (let index: 0 | 1 = 0, failed = 0; failed < 2; index = index === 0 ? 1 : 0) {
    try {
      values.push(await draw(index, 's'))
      failed = 0
    } catch (thrown) {
      assert.ok(thrown instanceof Error && 'sqlState' in thrown && thrown.sqlState === '2200H', String(thrown))
      failed += 1
    }
  }
  assertDistinct(values)
  assert.deepEqual([values.length, Math.max(...values)], [100, 100])
})

test('CYCLE wraps around cluster-wide', async () => {
  await change(first, ['CREATE SEQUENCE s MAXVALUE 100 CYCLE'])
  const values = await drawMany(first, 's', 250)
  assert.deepEqual([Math.min(...values), Math.max(...values)], [1, 100])
})

describe('numbering that starts over does so at every node', () => {
  const restarts: Record<string, string[]> = {
    'ALTER SEQUENCE RESTART': ['ALTER SEQUENCE s RESTART WITH 10000'],
    setval: [`SELECT setval('s', 9999)`],
    'setval, not called': [`SELECT setval('s', 10000, false)`],
    'setval in a function': [`DO $$ BEGIN PERFORM setval('app.s', 9999); END $$`],
    'setval in a savepoint': ['SAVEPOINT a', `SELECT setval('s', 5)`, 'ROLLBACK TO a', `SELECT setval('s', 9999)`],
  }
  for (const [name, statements] of Object.entries(restarts)) {
    test(name, async () => {
      await change(first, ['CREATE SEQUENCE s'])
      await Promise.all([drawMany(first, 's', 50), drawMany(second, 's', 50)])
      await change(second, statements)
      assert.equal(await draw(second, 's'), 10000)
      const [a, b] = await Promise.all([drawMany(first, 's', 50), drawMany(second, 's', 50)])
      assertDistinct([...a, ...b])
      assert.ok(Math.min(...a, ...b) > 10000)
    })
  }

  for (const inFunction of [false, true]) {
    test(`TRUNCATE RESTART IDENTITY${inFunction ? ' inside a function' : ''}`, async () => {
      await change(first, ['CREATE TABLE t(id int GENERATED ALWAYS AS IDENTITY, x int)', 'CREATE SEQUENCE apart'])
      await Promise.all([drawMany(first, 't_id_seq', 50), drawMany(second, 't_id_seq', 50)])
      const truncate = 'TRUNCATE app.t RESTART IDENTITY'
      await change(second, [
        inFunction ? `DO $$ BEGIN ${truncate}; END $$` : truncate,
        'INSERT INTO t(x) VALUES (1), (2)',
      ])
      const { rows } = await nodeAt(second).user.query<{ ids: number[] }>('SELECT array_agg(id) AS ids FROM t')
      assert.deepEqual(rows[0]?.ids, [1, 2])
      const [a, b] = await Promise.all([drawMany(first, 't_id_seq', 50), drawMany(second, 't_id_seq', 50)])
      assertDistinct([1, 2, ...a, ...b])
      assert.equal(Math.min(...a, ...b), 3)
    })
  }
})

test('a lease from before a restart is void', async () => {
  await change(first, ['CREATE SEQUENCE s'])
  const stale = await nodeAt(second).agent.query<{ epoch: number }>(
    `SELECT epoch FROM allwrite.sequence WHERE name = 'app.s'`,
  )
  await change(first, ['ALTER SEQUENCE s RESTART'])
  const { rows } = await nodeAt(second).agent.query(
    `SELECT allwrite.grant_range('app.s', ${stale.rows[0]?.epoch}, 33, 64) AS granted`,
  )
  assert.deepEqual(rows, [{ granted: false }])
})

test('other options: increment, bounds and cache keep what is leased elsewhere apart', async () => {
  await change(first, ['CREATE SEQUENCE s'])
  const before = (await Promise.all([drawMany(first, 's', 50), drawMany(second, 's', 50)])).flat()
  await change(second, ['ALTER SEQUENCE s INCREMENT 10 MAXVALUE 1000000 CACHE 5 OWNED BY NONE'])
  const later = (await Promise.all([drawMany(first, 's', 50), drawMany(second, 's', 50)])).flat()
  assertDistinct([...before, ...later])
  await assert.rejects(change(first, ['ALTER SEQUENCE s MAXVALUE 5 START 7']), { code: '22023' })
  await change(first, ['ALTER SEQUENCE s MINVALUE 1 MAXVALUE 20000', 'ALTER SEQUENCE s OWNED BY NONE'])
  assertDistinct([
    ...before,
    ...later,
    ...(await Promise.all([drawMany(first, 's', 50), drawMany(second, 's', 50)])).flat(),
  ])
})

// With an empty range the bounds of a sequence that nobody has drawn from are one value, which PostgreSQL does not take.
test('what checks the bounds of a sequence finds the declared ones: OWNED BY, another type of its column', async () => {
  await nodeAt(second).agent.query('SELECT allwrite.forget_node()')
  await change(first, ['CREATE TABLE t(id int GENERATED ALWAYS AS IDENTITY, v int)', 'CREATE SEQUENCE s'])
  await change(first, ['ALTER SEQUENCE s OWNED BY t.v', 'ALTER TABLE t ALTER id TYPE bigint'])
  await change(second, ['ALTER SEQUENCE s OWNED BY NONE', 'ALTER TABLE t ALTER id SET DATA TYPE smallint'])
  for (const node of pair.nodes) {
    const { rows } = await node.agent.query(
      `SELECT name, user_max, (SELECT seqtypid::regtype::text FROM pg_sequence WHERE seqrelid = name::regclass) AS type
         FROM allwrite.sequence ORDER BY name`,
    )
    assert.deepEqual(rows, [
      { name: 'app.s', user_max: '9223372036854775807', type: 'bigint' },
      { name: 'app.t_id_seq', user_max: '32767', type: 'smallint' },
    ])
  }
  assertDistinct((await Promise.all([drawMany(first, 't_id_seq', 40), drawMany(second, 't_id_seq', 40)])).flat())
})

test('renamed, moved and dropped sequences go on or are forgotten', async () => {
  await change(first, ['CREATE TABLE t(id serial)', 'CREATE SEQUENCE gone'])
  const before = (await Promise.all([drawMany(first, 't_id_seq', 40), drawMany(second, 't_id_seq', 40)])).flat()
  await change(second, [
    'ALTER TABLE t RENAME TO u',
    'ALTER SEQUENCE t_id_seq RENAME TO "Odd ""name"',
    'DROP SEQUENCE gone',
  ])
  await change(first, ['CREATE SCHEMA moved', 'ALTER TABLE u SET SCHEMA moved'])
  const name = 'moved."Odd ""name"'
  const later = (await Promise.all([drawMany(first, name, 40), drawMany(second, name, 40)])).flat()
  assertDistinct([...before, ...later])
  for (const node of pair.nodes) {
    const { rows } = await node.agent.query(`SELECT string_agg(name, ',') AS names FROM allwrite.sequence`)
    assert.deepEqual(rows, [{ names: name }])
  }
  await change(first, ['DROP SCHEMA moved CASCADE'])
})

test('a failed ALTER leaves the range as it was', async () => {
  await change(first, ['CREATE SEQUENCE s'])
  await draw(first, 's')
  const ranges = async () => (await nodeAt(first).agent.query('SELECT * FROM allwrite.range ORDER BY name')).rows
  const before = await ranges()
  await assert.rejects(change(first, ['ALTER SEQUENCE s MAXVALUE -5']))
  await assert.rejects(change(first, ['CREATE TABLE t(i serial)', 'ALTER TABLE t ALTER i RESTART WITH 5']))
  assert.deepEqual(await ranges(), before)
})

test('a server that forgot its ranges (crash, copy) draws nothing until it leases', async () => {
  await change(first, ['CREATE SEQUENCE s'])
  const before = (await Promise.all([drawMany(first, 's', 40), drawMany(second, 's', 40)])).flat()
  // What a crash or a base backup does to an unlogged table.
  await nodeAt(second).agent.query('TRUNCATE allwrite.range; SELECT allwrite.settle()')
  await assert.rejects(next(second, 's'), { code: '2200H' })
  const later = (await Promise.all([drawMany(first, 's', 40), drawMany(second, 's', 40)])).flat()
  assertDistinct([...before, ...later])
})

test('a poll waits for no open transaction that alters a sequence', async () => {
  await change(first, ['CREATE TABLE t(id serial)', 'CREATE SEQUENCE s', 'CREATE SEQUENCE other'])
  for (const name of ['t_id_seq', 's', 'other']) {
    await nodeAt(first).user.query(`SELECT nextval('${name}') FROM generate_series(1, 500)`)
  }
  await nodeAt(first).agent.query(`UPDATE allwrite.range SET high = 500 WHERE name = 'app.other'`)
  await nodeAt(first).user.query('BEGIN; TRUNCATE t RESTART IDENTITY; ALTER SEQUENCE s RESTART')
  try {
    await leaserAt(first).poll()
    assert.equal(leases, 1, 'the other sequence has its range')
  } finally {
    await nodeAt(first).user.query('ROLLBACK')
  }
})

test('granting a range waits for no open transaction that has used the sequence', async () => {
  await change(first, ['CREATE SEQUENCE s'])
  await nodeAt(first).user.query('BEGIN')
  await nodeAt(first).user.query(`SELECT nextval('s') FROM generate_series(1, 4096)`)
  await leaserAt(first).exhausted('s')
  const { rows } = await nodeAt(first).agent.query(`SELECT nextval('app.s')::int AS value`)
  await nodeAt(first).user.query('ROLLBACK')
  // 4,097 and on are the other node's.
  assert.deepEqual(rows, [{ value: 8193 }])
})
