/**
 * Monotonic reads: counters are incremented everywhere; a session never sees one go back, and no two increments give one value.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, runSessions } from './sessions.ts'
import type { Session } from './sessions.ts'
import { createTally } from './tally.ts'

const counters = 5

export const monotonic = (): Workload => {
  const tally = createTally('monotonic')
  /** `process/counter` → the last value that the session saw. */
  const last = new Map<string, number>()
  /** `counter/value` → who was given the value. */
  const given = new Map<string, string>()
  const increments = Array.from({ length: counters }, () => ({ ok: 0, info: 0 }))

  const see = ({ process, node }: Session, counter: number, value: number, least: number): void => {
    const place = `${process}/${counter}`
    const before = last.get(place) ?? 0
    if (value < before + least) {
      tally.anomaly('not monotonic', `counter ${counter}, process ${process} at n${node}: ${before}, then ${value}`)
    }
    last.set(place, value)
  }
  const increment = async (session: Session, counter: number): Promise<void> => {
    const outcome = tally.count(
      await session.statement<{ value: number }>(
        'update monotonic set value = value + 1 where id = $1 returning value',
        [counter],
      ),
    )
    if (outcome.kind === 'fail') return
    increments[counter]![outcome.kind] += 1
    if (outcome.kind === 'info') return
    const { value } = outcome.value[0]!
    see(session, counter, value, 1)
    const [name, who] = [`${counter}/${value}`, `process ${session.process} at n${session.node}`]
    const other = given.get(name)
    if (other !== undefined) tally.anomaly('lost update', `counter ${counter}: ${value} given to ${other} and ${who}`)
    given.set(name, who)
  }
  const turn = async (session: Session, random: Random): Promise<void> => {
    const counter = random.int(counters)
    if (random.chance(0.3)) return increment(session, counter)
    const outcome = tally.count(
      await session.statement<{ value: number }>('select value from monotonic where id = $1', [counter]),
    )
    if (outcome.kind === 'ok') see(session, counter, outcome.value[0]!.value, 0)
  }
  return {
    name: 'monotonic',
    setUp: async (client) => {
      await client.query('create table monotonic (id int primary key, value int not null)')
      await client.query(`insert into monotonic select n, 0 from generate_series(0, ${counters - 1}) n`)
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      await atEveryNode(urls, async (client, node) => {
        const { rows } = await client.query<{ id: number; value: number }>('select id, value from monotonic')
        for (const { id, value } of rows) {
          const { ok, info } = increments[id]!
          const text = `counter ${id} at n${node} is ${value}: ${ok} acknowledged, ${info} unknown`
          if (value < ok) tally.anomaly('lost', text, ok - value)
          if (value > ok + info) tally.anomaly('done twice', text, value - ok - info)
        }
      })
      return tally.verdict()
    },
  }
}
