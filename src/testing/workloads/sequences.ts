/**
 * Sequences: no value is given twice, to whomever, in whatever way it is drawn, also when its transaction is rolled back.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, readCommitted, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'

const insert = 'insert into sequence_rows (who) values ($1) returning id'
const draw = `select nextval('sequence_plain')::int as id`

export const sequences = (): Workload => {
  const tally = createTally('sequences', ['22012'])
  const rows = new Map<number, string>()
  const drawn = new Map<number, string>()
  const acknowledged = new Set<number>()

  const give = (values: Map<number, string>, session: Session, id: number): void => {
    const who = `process ${session.process} at n${session.node}`
    const other = values.get(id)
    if (other !== undefined) tally.anomaly('twice', `${id} was given to ${other} and to ${who}`)
    values.set(id, who)
  }
  const countDrawn = <T>(outcome: Outcome<T>): Outcome<T> => {
    tally.count(outcome)
    if (outcome.kind === 'fail' && outcome.code === '23505') tally.anomaly('twice', 'a generated key was there already')
    return outcome
  }
  const turn = async (session: Session, random: Random): Promise<void> => {
    const what = random.next()
    if (what < 0.4) {
      const outcome = countDrawn(await session.statement<{ id: number }>(insert, [session.process]))
      if (outcome.kind !== 'ok') return
      give(rows, session, outcome.value[0]!.id)
      acknowledged.add(outcome.value[0]!.id)
    } else if (what < 0.7) {
      const outcome = countDrawn(await session.statement<{ id: number }>(draw))
      if (outcome.kind === 'ok') give(drawn, session, outcome.value[0]!.id)
    } else {
      // Seen by the client, so it may have been used, whatever becomes of the transaction.
      countDrawn(
        await session.transaction(readCommitted, async (query) => {
          give(drawn, session, (await query<{ id: number }>(draw))[0]!.id)
          give(rows, session, (await query<{ id: number }>(insert, [session.process]))[0]!.id)
          if (random.chance(0.5)) await query('select 1 / 0')
        }),
      )
    }
  }
  return {
    name: 'sequences',
    setUp: async (client) => {
      await client.query('create sequence sequence_plain')
      await client.query('create table sequence_rows (id int generated always as identity primary key, who int)')
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      await atEveryNode(urls, async (client, node) => {
        const found = await client.query<{ id: number }>('select id from sequence_rows')
        const present = new Set(found.rows.map(({ id }) => id))
        for (const id of acknowledged) if (!present.has(id)) tally.anomaly('lost', `row ${id} is not at n${node}`)
      })
      return tally.verdict()
    },
  }
}
