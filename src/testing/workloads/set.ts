/**
 * Set: elements are added everywhere and read everywhere. Nothing acknowledged is lost, nothing comes and goes within a session; how
 * long an element acknowledged at one node is missing at another is measured.
 *
 * @module
 */
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'

/** Elements of one bucket: what a read returns stays small however long the run. */
const bucketSize = 100

interface Element {
  kind: Outcome<unknown>['kind'] | 'open'
  /** performance.now() at the acknowledgement, ms. */
  acknowledged: number
  process: number
}

export const set = (): Workload => {
  const tally = createTally('set')
  const elements: Element[] = []
  /** Process → bucket and elements of it that the session has seen. */
  const seen = new Map<number, { readonly bucket: number; readonly ids: Set<number> }>()

  const judgeRead = (session: Session, bucket: number, ids: ReadonlySet<number>, begun: number): void => {
    const last = seen.get(session.process)
    const before = last?.bucket === bucket ? last.ids : new Set<number>()
    const where = `n${session.node}, process ${session.process}`
    for (const id of before) if (!ids.has(id)) tally.anomaly('not monotonic', `${id} was seen, then not: ${where}`)
    seen.set(session.process, { bucket, ids: new Set(ids) })
    for (const id of ids) {
      if (elements[id] === undefined) tally.anomaly('garbage', `${id} was never added: ${where}`)
      else if (elements[id].kind === 'fail') tally.anomaly('G1a', `${id} was not added, but is read: ${where}`)
    }
    for (let id = bucket * bucketSize; id < Math.min(elements.length, (bucket + 1) * bucketSize); id++) {
      const { kind, acknowledged, process } = elements[id]!
      if (kind !== 'ok' || acknowledged >= begun || ids.has(id)) continue
      if (process === session.process) tally.anomaly('own write not read', `${id}: ${where}`)
      tally.note('stale')
      tally.noteMax('staleMsMax', Math.round(begun - acknowledged))
    }
  }
  const turn = async (session: Session, random: Random): Promise<void> => {
    if (random.chance(0.5)) {
      const id = elements.length
      const element: Element = { kind: 'open', acknowledged: Infinity, process: session.process }
      elements.push(element)
      const bucket = Math.floor(id / bucketSize)
      const outcome = tally.count(await session.statement('insert into set_elements values ($1, $2)', [id, bucket]))
      element.kind = outcome.kind
      element.acknowledged = performance.now()
      return
    }
    const bucket = Math.floor(Math.max(0, elements.length - 1) / bucketSize)
    const begun = performance.now()
    const outcome = tally.count(
      await session.statement<{ id: number }>('select id from set_elements where bucket = $1', [bucket]),
    )
    if (outcome.kind === 'ok') judgeRead(session, bucket, new Set(outcome.value.map(({ id }) => id)), begun)
  }
  return {
    name: 'set',
    setUp: async (client) => {
      await client.query('create table set_elements (id int primary key, bucket int not null)')
      await client.query('create index on set_elements (bucket)')
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      await atEveryNode(urls, async (client, node) => {
        const { rows } = await client.query<{ id: number }>('select id from set_elements')
        const present = new Set(rows.map(({ id }) => id))
        for (const [id, { kind }] of elements.entries()) {
          if (kind === 'ok' && !present.has(id)) tally.anomaly('lost', `${id} was acknowledged; n${node} has it not`)
          if (kind === 'fail' && present.has(id)) tally.anomaly('G1a', `${id} was not added, but is at n${node}`)
        }
      })
      return tally.verdict()
    },
  }
}
