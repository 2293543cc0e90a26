/**
 * Long fork: rows are inserted by transactions of their own, readers look at a whole group. Two readers may see a different number
 * of rows, but never each a row that the other has not: commits would then have no one order. Asynchronous
 * multi-master replication, and reads at several replicas, do show that.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { repeatableRead, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'

const groupSize = 4
/** Readers look at this many of the newest groups. */
const recentGroups = 3

const describeMask = (mask: number): string => mask.toString(2).padStart(groupSize, '0')

/** Row by row in a random order, so that rows of different snapshots would show. */
const readGroup = (session: Session, random: Random, group: number): Promise<Outcome<number>> =>
  session.transaction(repeatableRead, async (query) => {
    let mask = 0
    const first = random.int(groupSize)
    for (let i = 0; i < groupSize; i++) {
      const row = (first + i) % groupSize
      const rows = await query('select id from long_fork where id = $1', [group * groupSize + row])
      if (rows.length > 0) mask |= 1 << row
    }
    return mask
  })

export const longFork = (): Workload => {
  const tally = createTally('long-fork')
  /** Group → what was seen of it, and where first. */
  const seen = new Map<number, Map<number, string>>()
  /** `process/group` → what that session saw last. */
  const last = new Map<string, number>()
  let rows = 0
  const judgeMask = ({ process, node }: Session, group: number, mask: number): void => {
    const where = `n${node}, process ${process}`
    const place = `${process}/${group}`
    const before = last.get(place) ?? 0
    if ((before & ~mask) !== 0) {
      tally.anomaly('not monotonic', `group ${group} at ${where}: ${describeMask(before)}, then ${describeMask(mask)}`)
    }
    last.set(place, mask)
    const masks = seen.get(group) ?? new Map<number, string>()
    seen.set(group, masks)
    if (masks.has(mask)) return
    for (const [other, elsewhere] of masks) {
      if ((mask & ~other) === 0 || (other & ~mask) === 0) continue
      const text = `group ${group}: ${describeMask(mask)} at ${where}, ${describeMask(other)} at ${elsewhere}`
      tally.anomaly('long fork', text)
    }
    masks.set(mask, where)
  }
  const turn = async (session: Session, random: Random): Promise<void> => {
    if (random.chance(0.3)) {
      tally.count(await session.statement('insert into long_fork values ($1)', [rows++]))
      return
    }
    const group = Math.max(0, Math.floor(rows / groupSize) - random.int(recentGroups))
    const outcome = tally.count(await readGroup(session, random, group))
    if (outcome.kind === 'ok') judgeMask(session, group, outcome.value)
  }
  return {
    name: 'long-fork',
    setUp: async (client) => void (await client.query('create table long_fork (id int primary key)')),
    run: (context) => runSessions(context, turn),
    judge: () => {
      tally.note('groups seen half-written', [...seen.values()].filter((masks) => masks.size > 1).length)
      return Promise.resolve(tally.verdict())
    },
  }
}
