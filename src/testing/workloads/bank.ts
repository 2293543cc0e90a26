/**
 * Bank: money moves between accounts, so every snapshot at every node has the same total; a ledger written in the same transactions
 * tells at the end which transfers happened.
 *
 * @module
 */
import type pg from 'pg'
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, readCommitted, repeatableRead, runSessions } from './sessions.ts'
import type { Outcome, Query, Session } from './sessions.ts'
import { createTally } from './tally.ts'
import type { Tally } from './tally.ts'

const accounts = 8
const opening = 100
const total = accounts * opening

interface Transfer {
  readonly id: number
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** Reads both balances, writes both results: only snapshot isolation keeps this right. */
const readAndWrite = async (query: Query, { from, to, amount }: Transfer): Promise<void> => {
  for (const [id, change] of [[from, -amount] as const, [to, amount] as const]) {
    const rows = await query<{ balance: number }>('select balance from bank where id = $1', [id])
    await query('update bank set balance = $2 where id = $1', [id, rows[0]!.balance + change])
  }
}

/** Leaves the arithmetic to the server, in the default isolation level. */
const writeRelative = async (query: Query, { from, to, amount }: Transfer): Promise<void> => {
  await query('update bank set balance = balance - $2 where id = $1', [from, amount])
  await query('update bank set balance = balance + $2 where id = $1', [to, amount])
}

const transferTurn = (session: Session, random: Random, transfer: Transfer): Promise<Outcome<void>> => {
  const [begin, move] = random.chance(0.7)
    ? ([repeatableRead, readAndWrite] as const)
    : ([readCommitted, writeRelative] as const)
  return session.transaction(begin, async (query) => {
    await move(query, transfer)
    const { id, from, to, amount } = transfer
    await query('insert into bank_ledger values ($1, $2, $3, $4)', [id, from, to, amount])
  })
}

/** The total in two statements of one snapshot. */
const readTotal = (session: Session): Promise<Outcome<number>> =>
  session.transaction(repeatableRead, async (query) => {
    let sum = 0
    for (const half of ['id < $1', 'id >= $1']) {
      const rows = await query<{ sum: number }>(`select sum(balance)::int as sum from bank where ${half}`, [
        accounts / 2,
      ])
      sum += rows[0]!.sum
    }
    return sum
  })

export const bank = (): Workload => {
  const tally = createTally('bank', ['23514'])
  const outcomes = new Map<number, Outcome<void>['kind']>()
  let transfers = 0
  const turn = async (session: Session, random: Random): Promise<void> => {
    if (random.chance(0.4)) {
      const sum = tally.count(await readTotal(session))
      if (sum.kind === 'ok' && sum.value !== total) {
        tally.anomaly('wrong total', `${sum.value} instead of ${total} at n${session.node}`)
      }
      return
    }
    const from = random.int(accounts)
    const to = (from + 1 + random.int(accounts - 1)) % accounts
    const transfer = { id: transfers++, from, to, amount: 1 + random.int(20) }
    outcomes.set(transfer.id, tally.count(await transferTurn(session, random, transfer)).kind)
  }
  return {
    name: 'bank',
    setUp: async (client) => {
      await client.query('create table bank (id int primary key, balance int not null check (balance >= 0))')
      await client.query(`insert into bank select n, ${opening} from generate_series(0, ${accounts - 1}) n`)
      await client.query('create table bank_ledger (id int primary key, source int, target int, amount int)')
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      await atEveryNode(urls, (client, node) => judgeBooks(client, node, outcomes, tally))
      return tally.verdict()
    },
  }
}

const judgeBooks = async (
  client: pg.Client,
  node: number,
  outcomes: ReadonlyMap<number, Outcome<void>['kind']>,
  tally: Tally,
): Promise<void> => {
  const { rows } = await client.query<{ id: number; balance: number; booked: number }>(
    `select id, balance, ${opening} + (
       select coalesce(sum(case when target = bank.id then amount else -amount end), 0)
       from bank_ledger where bank.id in (source, target))::int as booked
     from bank order by id`,
  )
  const sum = rows.reduce((so, { balance }) => so + balance, 0)
  if (sum !== total) tally.anomaly('wrong total', `${sum} instead of ${total} at n${node}, at the end`)
  for (const { id, balance, booked } of rows) {
    if (balance !== booked) tally.anomaly('wrong balance', `account ${id} at n${node}: ${balance}, booked ${booked}`)
  }
  const ledger = await client.query<{ id: number }>('select id from bank_ledger')
  const present = new Set(ledger.rows.map(({ id }) => id))
  for (const [id, kind] of outcomes) {
    if (kind === 'ok' && !present.has(id)) tally.anomaly('lost', `transfer ${id} was acknowledged; n${node} has it not`)
    if (kind === 'fail' && present.has(id)) tally.anomaly('G1a', `transfer ${id} was rolled back; n${node} has it`)
  }
}
