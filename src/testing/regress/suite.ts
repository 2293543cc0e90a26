/**
 * A folder in the shape of PostgreSQL's `src/test/regress`: which files there are, and in what order they run.
 *
 * @module
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The file that makes what the others use. */
const setup = 'test_setup'

/**
 * Names in the schedule's order, one by one: what pg_regress runs side by side comes one after the other, since output that
 * depends on how files meet can't be compared.
 */
export const scheduled = (schedule: string): readonly string[] =>
  schedule.split('\n').flatMap((line) => {
    const [, names] = /^test:\s*(.*)$/.exec(line) ?? []
    return names === undefined ? [] : names.trim().split(/\s+/)
  })

/**
 * The files of a folder that are to be run, in order; those that the schedule doesn't name come last.
 * @param only none: all of them. What makes the tables that others use comes in any case
 * @throws Error for a name without a file
 */
export const filesOf = (dir: string, only: readonly string[] = []): readonly string[] => {
  const there = readdirSync(join(dir, 'sql'))
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -'.sql'.length))
    .toSorted()
  for (const name of only) if (!there.includes(name)) throw new Error(`${dir} has no sql/${name}.sql`)
  const schedule = join(dir, 'parallel_schedule')
  const order = existsSync(schedule) ? scheduled(readFileSync(schedule, 'utf8')) : []
  const all = [...new Set([setup, ...order, ...there])].filter((name) => there.includes(name))
  return only.length === 0 ? all : all.filter((name) => name === setup || only.includes(name))
}
