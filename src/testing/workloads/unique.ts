/**
 * Unique keys: sessions at all nodes claim the same name. At most one gets it; who is told 23505 lost to somebody who has it.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, readCommitted, repeatableRead, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'

/** Claims of one name before the next is fought for: about as many as there are sessions. */
const claimsMax = 8

interface Claim {
  readonly id: number
  readonly kind: Outcome<unknown>['kind']
  readonly code: string
}

const insert = 'insert into unique_claims values ($1, $2)'

const claimName = async (session: Session, random: Random, id: number, name: number): Promise<Outcome<unknown>> => {
  if (random.chance(0.5)) return session.statement(insert, [id, name])
  return session.transaction(random.chance(0.5) ? readCommitted : repeatableRead, (query) => query(insert, [id, name]))
}

export const unique = (): Workload => {
  const tally = createTally('unique', ['23505'])
  const claims = new Map<number, Claim[]>()
  let count = 0
  const turn = async (session: Session, random: Random): Promise<void> => {
    const id = count++
    const name = Math.floor(id / claimsMax)
    const outcome = tally.count(await claimName(session, random, id, name))
    const code = outcome.kind === 'ok' ? '' : outcome.code
    claims.set(name, [...(claims.get(name) ?? []), { id, kind: outcome.kind, code }])
  }
  const judgeClaims = (): void => {
    for (const [name, all] of claims) {
      const winners = all.filter(({ kind }) => kind === 'ok')
      const text = `name ${name}: ${JSON.stringify(all)}`
      if (winners.length > 1) tally.anomaly('two winners', text)
      if (winners.length > 0 || all.some(({ kind }) => kind === 'info')) continue
      if (all.some(({ code }) => code === '23505')) tally.anomaly('no winner', text)
    }
  }
  return {
    name: 'unique',
    setUp: async (client) =>
      void (await client.query('create table unique_claims (id int primary key, name int unique)')),
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      judgeClaims()
      await atEveryNode(urls, async (client, node) => {
        const { rows } = await client.query<{ id: number; name: number }>('select id, name from unique_claims')
        const present = new Set(rows.map(({ id }) => id))
        const names = new Set(rows.map(({ name }) => name))
        if (names.size < rows.length) tally.anomaly('twice', `n${node} has ${rows.length} rows, ${names.size} names`)
        for (const { id, kind } of [...claims.values()].flat()) {
          if (kind === 'ok' && !present.has(id)) tally.anomaly('lost', `claim ${id} is not at n${node}`)
          if (kind === 'fail' && present.has(id)) tally.anomaly('G1a', `claim ${id} failed, but is at n${node}`)
        }
      })
      return tally.verdict()
    },
  }
}
