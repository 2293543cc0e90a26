import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import type { Conflict, NodeGate, Turn } from './contract.ts'
import { lostMax, WantedTurn } from './turn.ts'

const lostBy = (table: string): Conflict => ({
  table,
  key: undefined,
  winner: undefined,
  position: undefined,
  reason: 'certification',
})

/** A gate that gives turns as told; what was asked of it. */
const setUp = (gives = true) => {
  const log: string[] = []
  const state = { over: false, spent: false }
  const turn: Turn = {
    get over() {
      return state.over
    },
    get spent() {
      return state.spent
    },
    widen: (tables) => void log.push(`widen ${[...tables].join()}`),
    release: () => void log.push('release'),
  }
  const gate = {
    takeTurn: (tables: ReadonlySet<string>) => {
      log.push(`take ${[...tables].join()}`)
      state.over = false
      return Promise.resolve(gives ? turn : undefined)
    },
  } as unknown as NodeGate
  const wanted = new WantedTurn(gate)
  const lose = (table: string): Promise<boolean> => wanted.lost(lostBy(table), new AbortController().signal)
  const loseOften = async (table: string): Promise<void> => {
    for (let i = 1; i < lostMax; i++) equal(await lose(table), false)
  }
  return { wanted, lose, loseOften, log, state }
}

test('a turn is asked for after some lost attempts, for the tables that they were lost by', async () => {
  const { wanted, lose, loseOften, log } = setUp()
  await loseOften('a')
  equal(await lose(''), true)
  equal(await lose('a'), true)
  equal(await lose('b'), true)
  wanted.release()
  wanted.release()
  deepEqual(log, ['take a', 'widen a,b', 'release'])
})

test('one that is over is taken again; without one the attempts go on as before', async () => {
  const { lose, loseOften, log, state } = setUp()
  await loseOften('a')
  await lose('a')
  state.over = true
  equal(await lose('a'), true)
  deepEqual(log, ['take a', 'release', 'take a'])
  const refused = setUp(false)
  await refused.loseOften('a')
  equal(await refused.lose('a'), false)
  refused.wanted.release()
  deepEqual(refused.log, ['take a'])
})

test('a schema change that had a whole turn and lost gets no other: writers wait for it once', async () => {
  const { lose, loseOften, log, state } = setUp()
  await loseOften('a')
  await lose('a')
  state.spent = true
  equal(await lose('a'), false)
  equal(await lose('b'), false)
  deepEqual(log, ['take a', 'release'])
})
