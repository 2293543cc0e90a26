/** Graphile Worker: installs itself by migrations, is woken by NOTIFY, and runs at three instances; each job is done once. */
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker'
import type { Runner, TaskList } from 'graphile-worker'
import pg from 'pg'
import { until } from '#testing/wait.ts'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

const jobCount = 90
const logger = new Logger(() => () => undefined)

export const graphileWorker: Scenario = async ({ url, instances }: Place, t) => {
  await runMigrations({ connectionString: instances[0], logger })
  await runMigrations({ connectionString: instances[1], logger })
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  const utils = await makeWorkerUtils({ pgPool: pool, logger })
  const done: number[] = []
  let failures = 0
  const tasks: TaskList = {
    count: (payload) => {
      done.push((payload as { n: number }).n)
    },
    queued: async (payload, helpers) => {
      await helpers.query('insert into ordered (n) values ($1)', [(payload as { n: number }).n])
    },
    fails: () => {
      failures += 1
      throw new Error(`failure ${failures}`)
    },
  }
  let runners: readonly Runner[] = []
  try {
    t.say('migrations', (await pool.query('select id, breaking from graphile_worker.migrations order by id')).rows)
    await pool.query('create table ordered (at serial, n int)')
    await jobs(pool, utils, t)
    runners = await Promise.all(
      instances.map((connectionString) =>
        run({ connectionString, taskList: tasks, concurrency: 3, pollInterval: 500, logger, noHandleSignals: true }),
      ),
    )
    // By SQL from the application, in one transaction with its own rows; and by the library.
    await pool.query('begin; select 1; commit')
    await pool.query(
      `select graphile_worker.add_job('count', json_build_object('n', n)) from generate_series(0, ${jobCount / 2 - 1}) n`,
    )
    for (let n = jobCount / 2; n < jobCount; n++) await utils.addJob('count', { n })
    for (let n = 0; n < 10; n++) await utils.addJob('queued', { n }, { queueName: 'one by one' })
    await until('all jobs are done', () => new Set(done).size === jobCount, { msMax: 60_000 })
    t.say('each done once', done.length === jobCount && done.toSorted((a, b) => a - b).every((n, index) => n === index))
    await until(
      'the queue is empty',
      async () =>
        (await pool.query(`select from graphile_worker.jobs where task_identifier <> 'fails'`)).rowCount === 0,
      { msMax: 60_000 },
    )
    t.say('in one queue', (await pool.query('select count(*), count(distinct n) from ordered')).rows)
    await utils.addJob('fails', {}, { maxAttempts: 1 })
    await until(
      'it failed',
      async () =>
        (await pool.query('select from graphile_worker.jobs where attempts = 1 and last_error is not null'))
          .rowCount === 1,
    )
    t.say(
      'failed',
      (await pool.query('select task_identifier, attempts, max_attempts, locked_by from graphile_worker.jobs')).rows,
    )
  } finally {
    await Promise.all(runners.map((runner) => runner.stop()))
    await utils.release()
    await forget(pool)
    await pool.end()
  }
}

const jobs = async (
  pool: pg.Pool,
  utils: Awaited<ReturnType<typeof makeWorkerUtils>>,
  t: Transcript,
): Promise<void> => {
  const first = await utils.addJob('later', { v: 1 }, { jobKey: 'k', runAt: new Date(Date.UTC(2099, 0)), priority: 5 })
  const second = await utils.addJob('later', { v: 2 }, { jobKey: 'k', jobKeyMode: 'preserve_run_at' })
  t.say('replaced', [first.id === second.id, second.payload, second.run_at, second.revision, second.key])
  t.say(
    'added by SQL',
    (
      await pool.query(
        `select task_id is not null as task, payload, key, attempts, priority from graphile_worker.add_job('later', '{"v":3}', job_key := 'l', run_at := '2099-01-01', max_attempts := 2)`,
      )
    ).rows,
  )
  t.say(
    'rescheduled',
    (await utils.rescheduleJobs([first.id], { priority: -1 })).map(({ priority, run_at: at }) => [priority, at]),
  )
  t.say('completed', (await utils.completeJobs([first.id])).length)
  t.say('removed', (await pool.query(`select key from graphile_worker.remove_job('l')`)).rows)
  await t.fails('bad task', pool.query(`select graphile_worker.add_job(repeat('x', 200))`))
  await utils.withPgClient(async (client) => {
    await client.query('begin')
    await client.query(`select graphile_worker.add_job('later')`)
    await client.query('rollback')
  })
  t.say('nothing is left', (await pool.query('select count(*) from graphile_worker.jobs')).rows)
}

/** Rows full of times: nothing to compare. */
const forget = async (pool: pg.Pool): Promise<void> => {
  await pool.query(
    `delete from graphile_worker._private_jobs; delete from graphile_worker._private_job_queues; delete from ordered`,
  )
  await pool.query(`update graphile_worker.migrations set ts = '2026-01-01'`)
}
