/**
 * Foreign keys: children are inserted while their parents are deleted elsewhere. Never an orphan, at any node, at any time.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, repeatableRead, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'

/** Fought for at the same time; small, so that a delete meets an insert. */
const liveParents = 6

const orphans = `select c.id, c.parent from foreign_children c
  where not exists (select from foreign_parents p where p.id = c.parent)`

type Kind = Outcome<unknown>['kind']

/** Inserts a child, alone or with another statement before it, so that the parent's lock is held for a while. */
const addChild = (session: Session, random: Random, id: number, parent: number): Promise<Outcome<unknown>> => {
  const insert = 'insert into foreign_children values ($1, $2)'
  if (random.chance(0.5)) return session.statement(insert, [id, parent])
  return session.transaction(repeatableRead, async (query) => {
    await query(insert, [id, parent])
    await query('update foreign_children set parent = parent where id = $1', [id])
  })
}

export const foreignKey = (): Workload => {
  const tally = createTally('foreign-key', ['23503'])
  const children = new Map<number, { readonly parent: number; readonly kind: Kind }>()
  const deleted = new Set<number>()
  let [parents, count] = [0, 0]
  const turn = async (session: Session, random: Random): Promise<void> => {
    const chosen = parents - 1 - random.int(liveParents)
    const what = random.next()
    if (chosen < 0 || what < 0.2) {
      tally.count(await session.statement('insert into foreign_parents values ($1)', [parents++]))
    } else if (what < 0.55) {
      const id = count++
      children.set(id, { parent: chosen, kind: tally.count(await addChild(session, random, id, chosen)).kind })
    } else if (what < 0.85) {
      const outcome = tally.count(
        await session.statement('delete from foreign_parents where id = $1 returning id', [chosen]),
      )
      if (outcome.kind === 'ok' && outcome.value.length > 0) deleted.add(chosen)
    } else {
      const outcome = tally.count(await session.statement<{ id: number; parent: number }>(orphans))
      if (outcome.kind !== 'ok' || outcome.value.length === 0) return
      tally.anomaly('orphan', `n${session.node} has children without parents: ${JSON.stringify(outcome.value)}`)
    }
  }
  return {
    name: 'foreign-key',
    setUp: async (client) => {
      await client.query('create table foreign_parents (id int primary key)')
      await client.query('create table foreign_children (id int primary key, parent int references foreign_parents)')
      await client.query('create index on foreign_children (parent)')
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      for (const [id, { parent, kind }] of children) {
        if (kind !== 'ok' || !deleted.has(parent)) continue
        tally.anomaly('two winners', `child ${id} was inserted and its parent ${parent} deleted`)
      }
      await atEveryNode(urls, async (client, node) => {
        const found = await client.query<{ id: number }>(orphans)
        if (found.rows.length > 0) tally.anomaly('orphan', `n${node}, at the end: ${JSON.stringify(found.rows)}`)
        const { rows } = await client.query<{ id: number }>('select id from foreign_children')
        const present = new Set(rows.map(({ id }) => id))
        for (const [id, { kind }] of children) {
          if (kind === 'ok' && !present.has(id)) tally.anomaly('lost', `child ${id} is not at n${node}`)
          if (kind === 'fail' && present.has(id)) tally.anomaly('G1a', `child ${id} failed, but is at n${node}`)
        }
      })
      return tally.verdict()
    },
  }
}
