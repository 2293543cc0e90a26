/**
 * Runs isolation specs as PostgreSQL's isolationtester.c does, and prints what it prints: who waits for whom, answers, errors,
 * notices, notifications.
 *
 * Otherwise than there: every permutation has connections of its own and ends with a ROLLBACK in each, so that one that fails leaves nothing to
 * the next; and a step with several statements of which one fails shows the error only.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Notification, type QueryArrayResult } from 'pg'
import { fieldsOf } from '#testing/errors.ts'
import type { Spec, Turn } from './spec.ts'

/** Where sessions connect. `node` 0 is the control session's. */
export type UrlOf = (node: number) => string

/** A step that waits longer is cancelled, as after PGISOLATIONTIMEOUT, ms; twice as long, and the permutation is given up. */
const stepMsMax = 30_000
/** Between two questions whether a step waits for a lock, ms. */
const lookMs = 10

interface Place {
  readonly client: Client
  readonly name: string
  readonly pid: number
  /** This session's, of the spec's sessions at the same node: between nodes nobody waits. */
  readonly control: Client
  readonly pidsHere: number[]
  notices: number
  notifications: string[]
  /** The step that was sent last. */
  running: Running | undefined
}

interface Running {
  readonly turn: Turn
  readonly place: Place
  /** What the other sessions had said when it was sent. */
  readonly noticesThen: ReadonlyMap<string, number>
  answer: string[] | undefined
  told: boolean
}

const cells = ({ fields, rows }: QueryArrayResult<(string | null)[]>): string[] => {
  if (fields.length === 0) return []
  const lines = rows.map((row) => row.map((cell) => cell ?? '').join('|'))
  return [fields.map(({ name }) => name).join('|'), ...lines, `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`]
}

/** @returns the lines that an answer is printed as */
const ask = async (client: Client, sql: string): Promise<string[]> => {
  try {
    // Without columns' types: every value as the server writes it.
    const query = { text: sql, rowMode: 'array', types: { getTypeParser: () => (value: string) => value } } as const
    const answer: QueryArrayResult<(string | null)[]> | QueryArrayResult<(string | null)[]>[] =
      await client.query(query)
    return (Array.isArray(answer) ? answer : [answer]).flatMap(cells)
  } catch (thrown) {
    const { code, message } = fieldsOf(thrown)
    const severity: unknown = Reflect.get(Object(thrown), 'severity')
    return [code === '' ? 'the connection was closed' : `${String(severity)}:  ${message}`]
  }
}

const connect = async (url: string): Promise<Client> => {
  const client = new Client(url)
  client.on('error', () => undefined) // a spec may end a session's backend
  await client.connect()
  return client
}

const isBlocked = async ({ control, pid, pidsHere }: Place): Promise<boolean> => {
  const { rows } = await control.query<{ blocked: boolean }>(
    'select pg_isolation_test_session_is_blocked($1, $2) as blocked',
    [pid, pidsHere],
  )
  return rows[0]?.blocked === true
}

class Permutation {
  readonly #places = new Map<string, Place>()
  readonly #waiting: Running[] = []
  readonly lines: string[] = []

  add(place: Place): void {
    this.#places.set(place.name, place)
  }

  async run(turns: readonly Turn[]): Promise<void> {
    for (const turn of turns) {
      const place = this.#places.get(turn.step.session)
      if (!place) throw new Error(`there is no session ${turn.step.session}`)
      // The step before it in the same session must be over.
      while (place.running && !place.running.told)
        if (!(await this.#complete())) await this.#whenSomeoneGoesOn(place.running)
      const running = this.#send(turn, place)
      this.#waiting.push(running)
      const isForced = turn.blockers.some(({ kind }) => kind === 'once')
      if (isForced || !(await this.#settles(running)))
        this.lines.push(`step ${turn.step.name}: ${turn.step.sql} <waiting ...>`)
      else this.#tell(running, `step ${turn.step.name}: ${turn.step.sql}`)
      await this.#complete()
    }
    for (let last = this.#waiting[0]; last; last = this.#waiting[0])
      if (!(await this.#complete())) await this.#whenSomeoneGoesOn(last)
  }

  #send(turn: Turn, place: Place): Running {
    const noticesThen = new Map([...this.#places].map(([name, { notices }]) => [name, notices]))
    const running: Running = { turn, place, noticesThen, answer: undefined, told: false }
    place.running = running
    void ask(place.client, turn.step.sql).then((answer) => {
      running.answer = answer
    })
    return running
  }

  /** Waits until the step has answered, or waits for a lock, or for what the spec says. True: it can be told. */
  async #settles(running: Running): Promise<boolean> {
    const deadline = performance.now() + stepMsMax
    while (!running.answer) {
      await delay(lookMs)
      if (running.answer) break
      if ((await isBlocked(running.place)) && !running.answer) return false
      if (performance.now() > deadline) await this.#cancel(running, deadline)
    }
    return !this.#isHeld(running)
  }

  async #cancel({ turn, place }: Running, deadline: number): Promise<void> {
    if (performance.now() > deadline + stepMsMax) throw new Error(`step ${turn.step.name} does not come to its end`)
    this.lines.push(`isolationtester: canceling step ${turn.step.name}`)
    await place.control.query('select pg_cancel_backend($1)', [place.pid])
    await delay(1_000)
  }

  #isHeld({ turn, noticesThen }: Running): boolean {
    return turn.blockers.some((blocker) => {
      if (blocker.kind === 'once') return false
      if (blocker.kind === 'step') return this.#waiting.some((other) => other.turn.step.name === blocker.step)
      const session = [...this.#places.values()].find(({ running }) => running?.turn.step.name === blocker.step)
      return session !== undefined && session.notices - (noticesThen.get(session.name) ?? 0) < blocker.count
    })
  }

  /** Tells every waiting step that is over now. Whoever still waits for a lock stays. */
  async #complete(): Promise<boolean> {
    let any = false
    for (let again = true; again;) {
      again = false
      // A copy: what is told leaves the list.
      for (const running of this.#waiting.slice()) {
        if (!(await this.#settles(running))) continue
        this.#tell(running, `step ${running.turn.step.name}: <... completed>`)
        again = any = true
      }
    }
    return any
  }

  async #whenSomeoneGoesOn(running: Running): Promise<void> {
    const deadline = performance.now() + stepMsMax
    while (!this.#waiting.some((each) => each.answer && !this.#isHeld(each))) {
      await delay(lookMs)
      if (performance.now() > deadline) await this.#cancel(running, deadline)
    }
  }

  #tell(running: Running, line: string): void {
    running.told = true
    this.#waiting.splice(this.#waiting.indexOf(running), 1)
    this.lines.push(line, ...(running.answer ?? []), ...running.place.notifications.splice(0))
  }
}

/** @returns the lines printed for one permutation */
const runPermutation = async (spec: Spec, turns: readonly Turn[], urlOf: UrlOf): Promise<string[]> => {
  const controls = new Map<number, Client>()
  const clients: Client[] = []
  const open = async (node: number): Promise<Client> => {
    const client = await connect(urlOf(node))
    clients.push(client)
    return client
  }
  const permutation = new Permutation()
  try {
    const main = await open(1)
    controls.set(1, main)
    for (const sql of spec.setUps) permutation.lines.push(...(await ask(main, sql)))
    const places: Place[] = []
    const pidsOf = new Map<number, number[]>()
    for (const { name, node } of spec.sessions) {
      const client = await open(node)
      const control = controls.get(node) ?? (await open(node))
      controls.set(node, control)
      const { rows } = await client.query<{ pid: number }>(
        `select pg_backend_pid() as pid, set_config('application_name', 'isolation/' || $1, false)`,
        [name],
      )
      const pidsHere = pidsOf.get(node) ?? []
      pidsOf.set(node, pidsHere)
      const pid = rows[0]?.pid ?? 0
      pidsHere.push(pid)
      const place: Place = { client, name, pid, control, pidsHere, notices: 0, notifications: [], running: undefined }
      client.on('notice', ({ severity, message }) => {
        place.notices += 1
        permutation.lines.push(`${name}: ${severity}:  ${message}`)
      })
      client.on('notification', ({ channel, payload, processId }: Notification) => {
        const sender = places.find((each) => each.pid === processId)?.name ?? 'another'
        place.notifications.push(`${name}: NOTIFY "${channel}" with payload "${payload}" from ${sender}`)
      })
      places.push(place)
      permutation.add(place)
    }
    for (const [index, { setUp }] of spec.sessions.entries()) {
      const client = places[index]?.client
      if (setUp !== undefined && client) permutation.lines.push(...(await ask(client, setUp)))
    }
    await permutation.run(turns)
    for (const [index, { tearDown }] of spec.sessions.entries()) {
      const client = places[index]?.client
      if (!client) continue
      if (tearDown !== undefined) permutation.lines.push(...(await ask(client, tearDown)))
      client.removeAllListeners('notice')
      await ask(client, 'rollback')
    }
    if (spec.tearDown !== undefined) permutation.lines.push(...(await ask(main, spec.tearDown)))
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
  return permutation.lines
}

/** What a spec prints, by permutation: its steps' names, then its lines. */
export const runSpec = async (spec: Spec, urlOf: UrlOf): Promise<string[][]> => {
  const printed: string[][] = []
  for (const turns of spec.permutations) {
    const title = `starting permutation: ${turns.map(({ step }) => step.name).join(' ')}`
    printed.push([title, ...(await runPermutation(spec, turns, urlOf))])
  }
  return printed
}
