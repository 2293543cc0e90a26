/** pg-boss: one schema, three instances of an application that send and work; each job is done once. */
import pg from 'pg'
import PgBoss from 'pg-boss'
import { until } from '#testing/wait.ts'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

const jobCount = 90

const open = (connectionString: string, t: Transcript): PgBoss => {
  const boss = new PgBoss({ connectionString, max: 3, schedule: false, supervise: false })
  boss.on('error', (error) => t.say('error event', error.message))
  return boss
}

export const pgBoss: Scenario = async ({ instances }: Place, t) => {
  const boss = await open(instances[0], t).start()
  const others = [open(instances[1], t), open(instances[2], t)]
  for (const other of others) await other.start()
  const all = [boss, ...others] as const
  try {
    t.say('installed', [await boss.isInstalled(), await boss.schemaVersion()])
    await queues(boss, t)
    await oneByOne(boss, instances[0], t)
    await workers(all, t)
    await failures(all, t)
  } finally {
    await Promise.all(all.map((one) => one.stop({ graceful: true, wait: true })))
  }
  await forget(instances[0])
}

const queues = async (boss: PgBoss, t: Transcript): Promise<void> => {
  await boss.createQueue('mails')
  await boss.createQueue('failing', { name: 'failing', retryLimit: 2, retryDelay: 0, deadLetter: 'mails' })
  await boss.createQueue('short', { name: 'short', policy: 'short' })
  await boss.createQueue('mails')
  const queue = await boss.getQueue('failing')
  t.say('queue', { ...queue, createdOn: undefined, updatedOn: undefined, created_on: undefined, updated_on: undefined })
  await t.fails('no such queue', boss.send('nowhere', {}))
}

const oneByOne = async (boss: PgBoss, url: string, t: Transcript): Promise<void> => {
  t.say('policy short', [(await boss.send('short', { n: 1 })) !== null, (await boss.send('short', { n: 2 })) !== null])
  const [job] = await boss.fetch<{ n: number }>('short')
  t.say('fetched', job?.data)
  await boss.complete('short', job?.id ?? '', { done: true })
  const kept = await boss.getJobById('short', job?.id ?? '')
  t.say('completed', [kept?.state, kept?.output])
  // Sent within a transaction of the application's own.
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const db = { executeSql: (text: string, values: unknown[]) => client.query(text, values) } as unknown as PgBoss.Db
  await client.query('begin')
  await boss.send('short', { n: 3 }, { db })
  await client.query('rollback')
  t.say('rolled back with it', await boss.fetch('short'))
  await client.query('begin')
  await boss.send('short', { n: 4 }, { db })
  await client.query('commit')
  t.say(
    'committed with it',
    (await boss.fetch<{ n: number }>('short')).map(({ data }) => data),
  )
  await client.end()
  t.say(
    'throttled',
    [
      await boss.sendThrottled('mails', { once: 1 }, {}, 3600, 'key'),
      await boss.sendThrottled('mails', { once: 2 }, {}, 3600, 'key'),
    ].map((id) => id !== null),
  )
  const id = await boss.send('mails', { cancelled: true })
  await boss.cancel('mails', id ?? '')
  t.say('cancelled', (await boss.getJobById('mails', id ?? ''))?.state)
}

const workers = async (all: readonly PgBoss[], t: Transcript): Promise<void> => {
  const done: number[] = []
  for (const [index, boss] of all.entries()) {
    await boss.insert(
      Array.from({ length: jobCount / all.length }, (_, n) => ({ name: 'mails', data: { n: n * all.length + index } })),
    )
    await boss.work<{ n?: number }>('mails', { batchSize: 5, pollingIntervalSeconds: 0.5 }, async (jobs) => {
      for (const { data } of jobs) if (data.n !== undefined) done.push(data.n)
    })
  }
  await until('all jobs are done', () => new Set(done).size === jobCount, { msMax: 60_000 })
  await Promise.all(all.map((boss) => boss.offWork('mails')))
  t.say('each done once', done.toSorted((a, b) => a - b).every((n, index) => n === index) && done.length === jobCount)
}

const failures = async (all: readonly PgBoss[], t: Transcript): Promise<void> => {
  let attempts = 0
  for (const boss of all)
    await boss.work('failing', { pollingIntervalSeconds: 0.5 }, async () => {
      attempts += 1
      throw new Error('always')
    })
  const [first] = all
  const id = await first?.send('failing', { hopeless: true })
  const state = () => first?.getJobById('failing', id ?? '')
  await until('it failed for good', async () => (await state())?.state === 'failed', { msMax: 60_000 })
  const job = await state()
  t.say('failed', [attempts, job?.state, job?.retryCount, Reflect.get(job?.output ?? {}, 'message')])
  t.say(
    'dead letters',
    (await first?.fetch<{ hopeless?: boolean }>('mails', { batchSize: 100 }))?.filter(
      ({ data }) => data.hopeless === true,
    ).length,
  )
  await Promise.all(all.map((boss) => boss.offWork('failing')))
}

/** Rows full of times and random ids: nothing to compare. */
const forget = async (connectionString: string): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(
    `delete from pgboss.job; delete from pgboss.archive; update pgboss.queue set created_on = '2026-01-01', updated_on = '2026-01-01'`,
  )
  await client.query('update pgboss.version set maintained_on = null, cron_on = null, monitored_on = null')
  await client.end()
}
