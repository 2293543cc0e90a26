/**
 * Random scripts in both protocols, with the node committing, refusing and aborting at random moments: whatever comes, the
 * client's protocol holds. `ALLWRITE_FUZZ_MS` and `ALLWRITE_FUZZ_SEED` make it longer or repeat a run.
 *
 * Invariants, each looked at after every step:
 * 1. one ReadyForQuery per Query and per Sync, within {@link hangMsMax};
 * 2. its status is the truth: `T` and `E` exactly while the client's block is open, as the session's backend has it;
 * 3. what the client was told committed is there, what it was told lost is not.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AllwriteError } from '../../core/errors.ts'
import { nodeId, position } from '../../core/ids.ts'
import { copyData, copyDone, flush, query, sync } from '../../wire/pgwire/messages.ts'
import type { Conflict } from './contract.ts'
import { bareClient, show, TestGate, type RawClient, type Through } from './session-fixtures.ts'
import { run } from './session-scripts.ts'
import { sessionServer, valueOf, type SessionServer } from './session-server.ts'

const runMs = Number(process.env['ALLWRITE_FUZZ_MS'] ?? 3_000)
const seed = Number(process.env['ALLWRITE_FUZZ_SEED'] ?? Date.now() % 1_000_000)
/** No answer takes longer: the slowest statement sleeps 30 ms, and an abort waits at most a reader's grace. */
const hangMsMax = 2_000
const sessionsMax = 4

const conflict: Conflict = {
  table: 'public.t',
  key: undefined,
  winner: nodeId(2),
  position: position(7),
  reason: 'brute_force',
}

/** Marsaglia's xorshift: the same numbers for the same seed. */
function randomFrom(start: number): () => number {
  let state = start | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

let cluster: SessionServer
before(async () => {
  cluster = await sessionServer()
})
after(() => cluster[Symbol.asyncDispose]())

class Fuzzed {
  readonly #random: () => number
  readonly #client: RawClient
  readonly #through: Through
  readonly #admin: RawClient
  readonly #log: string[] = []
  /** Inserts of the open block; of single statements none is open. */
  #open: number[] = []
  readonly committed: number[] = []
  readonly lost: number[] = []
  #status = 'I'
  #next: number
  steps = 0

  constructor(through: Through, admin: RawClient, random: () => number, first: number) {
    this.#through = through
    this.#client = through.client
    this.#admin = admin
    this.#random = random
    this.#next = first
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T
  }

  /** A statement; an insert of a row of its own may come with it. */
  #statement(): { readonly sql: string; readonly id?: number } {
    const id = this.#next++
    return this.#pick<{ readonly sql: string; readonly id?: number }>([
      { sql: 'select count(*) from t' },
      { sql: "select 'a;b', pg_sleep(0.01)" },
      { sql: `update t set v = v || ';' where id = ${id % 3}` },
      { sql: 'select id from t where id < 3 for update' },
      { sql: 'select 1/0' },
      { sql: `do $$ begin perform pg_sleep(0.01); exception when query_canceled then null; end $$` },
      { sql: 'set work_mem = 5000' },
      { sql: 'savepoint s' },
      { sql: 'selec' },
      { sql: `insert into t values (${id}, 'a')`, id },
      { sql: `insert into t values (${id}, ';')`, id },
    ])
  }

  /** Aborts now, soon or not at all, again and again; never waits. */
  #interfere(): void {
    if (this.#random() < 0.4) return
    const abort = (): void => void this.#through.participant.abort(conflict)
    const when = this.#random()
    if (when < 0.3) abort()
    else if (when < 0.6) setImmediate(abort)
    else setTimeout(abort, this.#random() * 15)
  }

  async #answer(what: string, syncs: number): Promise<string[]> {
    this.#log.push(what)
    let timer: NodeJS.Timeout | undefined
    const hung = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('it hangs')), hangMsMax)
    })
    try {
      const lines = (await Promise.race([this.#client.until('Z', syncs), hung])).map(show)
      this.#log.push(...lines.map((line) => `  ${line}`))
      assert.equal(lines.filter((line) => line.startsWith('Z')).length, syncs, 'one ReadyForQuery for each')
      this.#status = lines.at(-1)?.charAt(3) ?? '?'
      return lines
    } catch (thrown) {
      throw new Error(`seed ${seed}: ${String(thrown)}\n${this.#log.slice(-40).join('\n')}`, { cause: thrown })
    } finally {
      clearTimeout(timer)
    }
  }

  #settle(ids: readonly number[], committed: boolean): void {
    ;(committed ? this.committed : this.lost).push(...ids)
  }

  async step(): Promise<void> {
    this.steps++
    this.#interfere()
    const before = this.#status
    const kind = this.#random()
    if (before === 'I' ? kind < 0.2 : kind < 0.3) await this.#control()
    else if (kind < 0.6) await this.#simple()
    else if (kind < 0.9) await this.#extended()
    else await this.#copy()
    if (this.#random() < 0.1) await this.#truth()
  }

  async #control(): Promise<void> {
    const sql = this.#status === 'I' ? 'begin' : this.#pick(['commit', 'commit', 'rollback'])
    const extended = this.#random() < 0.5
    this.#client.send(...(extended ? [...run(sql), sync] : [query(sql)]))
    const lines = await this.#answer(sql, 1)
    if (sql === 'begin') {
      assert.ok(this.#status !== 'I' || lines.some((line) => line.startsWith('E')), 'a block is open')
      return
    }
    const committed = lines.some((line) => line.startsWith('C "COMMIT'))
    this.#settle(this.#open.splice(0), committed)
    assert.equal(this.#status, 'I', this.#log.slice(-10).join('\n'))
  }

  async #simple(): Promise<void> {
    const statements = Array.from({ length: this.#random() < 0.7 ? 1 : 3 }, () => this.#statement())
    const text = statements.map(({ sql }) => sql).join('; ')
    this.#client.send(query(text))
    this.#ran(statements, await this.#answer(text, 1))
  }

  async #extended(): Promise<void> {
    const statements = Array.from({ length: this.#random() < 0.6 ? 1 : 3 }, () => this.#statement())
    for (const { sql } of statements) {
      this.#client.send(...run(sql))
      if (this.#random() < 0.3) {
        this.#client.send(flush)
        if (this.#random() < 0.5) await new Promise((resolve) => setTimeout(resolve, this.#random() * 5))
        this.#interfere()
      }
    }
    this.#client.send(sync)
    this.#ran(statements, await this.#answer(`extended ${statements.map(({ sql }) => sql).join(' | ')}`, 1))
  }

  async #copy(): Promise<void> {
    const id = this.#next++
    this.#client.send(query('copy t from stdin'))
    // The data come whether the copy began or not: what the server does not want is dropped.
    this.#client.send(copyData(Buffer.from(`${id}\tc\n`)))
    if (this.#random() < 0.5) {
      await new Promise((resolve) => setTimeout(resolve, this.#random() * 5))
      this.#interfere()
    }
    this.#client.send(copyDone)
    this.#ran([{ sql: 'copy', id }], await this.#answer(`copy ${id}`, 1))
  }

  /** Books the rows: an error loses all of an implicit transaction; in a block, whatever came before too. */
  #ran(statements: readonly { readonly sql: string; readonly id?: number }[], lines: readonly string[]): void {
    const ids = statements.flatMap(({ id }) => (id === undefined ? [] : [id]))
    const failed = lines.some((line) => line.startsWith('E'))
    if (this.#status === 'I') {
      assert.equal(this.#open.length, 0, 'a block ends by COMMIT or ROLLBACK only')
      this.#settle(ids, !failed)
    } else if (this.#status === 'T') {
      assert.ok(!failed, `an error without a failed block: ${this.#log.slice(-10).join('\n')}`)
      this.#open.push(...ids)
    } else this.#settle([...this.#open.splice(0), ...ids], false)
  }

  /** The status told is the backend's own. */
  async #truth(): Promise<void> {
    if (this.#status !== 'I') return
    const state = await valueOf(this.#admin, `select state from pg_stat_activity where pid = ${this.#through.pid}`)
    assert.ok(state === 'idle' || state === 'active', `${state} though the client was told I`)
  }

  /** What was said around the statement that names a row. */
  about(id: number): string {
    const at = this.#log.findIndex((line) => line.includes(String(id)))
    return this.#log.slice(Math.max(0, at - 15), at + 25).join('\n')
  }

  async finish(): Promise<void> {
    if (this.#status === 'I') return
    this.#client.send(query('rollback'))
    await this.#answer('rollback', 1)
    this.#settle(this.#open.splice(0), false)
  }
}

test(`the protocol holds whatever the node does (seed ${seed})`, async (t) => {
  const random = randomFrom(seed)
  const [, database] = await cluster.twins('fuzz')
  const gate = new TestGate()
  gate.at = 7
  const deadline = performance.now() + runMs
  let steps = 0
  let committed = 0
  /** What the next submission comes to: mostly committed; the rest is lost, refused, or committed from the journal. */
  gate.submit = async (submission) => {
    gate.nonces.delete(submission.nonce)
    const what = random()
    if (what < 0.1) return { kind: 'aborted', conflict: { ...conflict, reason: 'certification' } }
    if (what < 0.15) return { kind: 'refused', error: new AllwriteError('too_large', 'too large') }
    if (what < 0.4) await new Promise((resolve) => setTimeout(resolve, random() * 5))
    if (what < 0.5) void submission.participant.abort(conflict)
    // Without a journal nobody applies what the backend did not commit: then it is lost here.
    return (await submission.participant.commit())
      ? { kind: 'committed', position: position(9), local: true }
      : { kind: 'aborted', conflict }
  }
  const one = async (first: number): Promise<void> => {
    const admin = await bareClient(cluster.server, database)
    await using through = await cluster.ours(database, gate, {
      terminateBackend: () => Promise.reject(new Error(`seed ${seed}: nothing here resists a cancel`)),
    })
    const fuzzed = new Fuzzed(through, admin, randomFrom(Math.floor(random() * 2 ** 31)), first)
    while (performance.now() < deadline) await fuzzed.step()
    await fuzzed.finish()
    steps += fuzzed.steps
    committed += fuzzed.committed.length
    const rows =
      (await valueOf(
        admin,
        `select string_agg(id::text, ',') from t where id between ${first} and ${first + 1e7 - 1}`,
      )) ?? ''
    const there = new Set(rows.split(',').map(Number))
    for (const id of fuzzed.committed)
      assert.ok(there.has(id), `seed ${seed}: row ${id} was committed and is not there\n${fuzzed.about(id)}`)
    for (const id of fuzzed.lost)
      assert.ok(!there.has(id), `seed ${seed}: row ${id} was lost and is there\n${fuzzed.about(id)}`)
    await admin.end()
  }
  await Promise.all(Array.from({ length: sessionsMax }, (_, index) => one(1e8 + index * 1e7)))
  assert.equal(gate.nonces.size, 0)
  t.diagnostic(`${steps} steps, ${committed} rows committed`)
  assert.ok(committed > 0)
})
