/**
 * Suites of Go drivers, from Debian's source packages: built as their authors' `go test` would, without a module proxy.
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { libpqEnv, run } from '#testing/tools.ts'
import type { Result, Suite, Verdict } from './suite.ts'

const sources = '/usr/share/gocode/src/'

interface GoSuite {
  readonly name: string
  /** Import path. */
  readonly module: string
  readonly debian: string
  /** A module that the package has, where its tests need more than the package of `module`. */
  readonly needs?: string
  readonly setUp?: string
  readonly env: (url: string) => Readonly<Record<string, string>>
  /** Tests that say nothing about the server, or take minutes: their names. */
  readonly leftOut?: readonly string[]
}

const verdicts: Readonly<Record<string, Verdict>> = { PASS: 'passed', FAIL: 'failed', SKIP: 'skipped' }

/** Reads what `go test -test.v` prints. A line of a test that runs beside others belongs to the one named last by `=== `. */
export const readGoResults = (output: string): Map<string, Result> => {
  const results = new Map<string, Result>()
  const printed = new Map<string, string[]>()
  let current = ''
  for (const line of output.split('\n')) {
    const turn = /^=== (?:RUN|CONT|PAUSE|NAME) +(\S+)/.exec(line)
    const end = /^ *--- (PASS|FAIL|SKIP): (\S+) \(/.exec(line)
    if (turn) current = turn[1] ?? ''
    else if (end) {
      const [, word = '', name = ''] = end
      results.set(name, { verdict: verdicts[word] ?? 'failed', why: (printed.get(name) ?? []).join('\n') })
    } else printed.set(current, [...(printed.get(current) ?? []), line])
  }
  return results
}

/** `go vet` is left to the authors; the program stands in one folder for both runs. */
const build = async (module: string, program: string): Promise<void> => {
  const env = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' }
  const { code, stderr } = await run('go', ['test', '-c', '-vet=off', '-o', program, module], { env, msMax: 600_000 })
  if (code !== 0) throw new Error(`go test -c ${module}: exit ${code}\n${stderr}`)
}

const goSuite = ({ name, module, debian, needs, setUp, env, leftOut = [] }: GoSuite): Suite => {
  const builds = new Map<string, Promise<string>>()
  const built = (dir: string): Promise<string> => {
    const folder = join(dir, '..')
    const program = join(folder, `${name}.test`)
    const found = builds.get(folder) ?? build(module, program).then(() => program)
    builds.set(folder, found)
    return found
  }
  return {
    name,
    needs: { go: 'golang-go', [sources + (needs ?? module)]: debian },
    ...(setUp === undefined ? {} : { setUp }),
    run: async (url, dir, only) => {
      mkdirSync(dir, { recursive: true })
      const program = await built(dir)
      const options = {
        env: env(url),
        cwd: sources + module,
        msMax: 900_000,
      }
      const listed = await run(program, ['-test.list', '^Test'], options)
      // A subtest is run by its test.
      const wanted = only === undefined ? undefined : new Set(only.map((test) => test.split('/')[0] ?? ''))
      const names = listed.stdout
        .split('\n')
        .filter((test) => test.startsWith('Test') && !leftOut.includes(test) && (wanted?.has(test) ?? true))
      const { stdout, stderr } = await run(program, ['-test.v', '-test.run', `^(${names.join('|')})$`], options)
      const results = readGoResults(stdout)
      const silent = names.filter((test) => !results.has(test))
      if (silent.length > 0)
        throw new Error(`${name} ended before ${silent.join(', ')}\n${(stdout + stderr).slice(-4_000)}`)
      return results
    },
  }
}

const pgxEnv = (url: string) => ({
  PGX_TEST_DATABASE: url,
  PGX_TEST_CONN_STRING: url,
  PGX_TEST_TCP_CONN_STRING: url,
})

const pgxDebian = 'golang-github-jackc-pgx-v4-dev'

const described: readonly GoSuite[] = [
  {
    name: 'pgx',
    module: 'github.com/jackc/pgx/v4',
    debian: pgxDebian,
    setUp: 'create domain uint64 as numeric(20, 0); create extension hstore; create extension ltree',
    env: pgxEnv,
    // A hundred thousand notifications, each a commit of its own.
    leftOut: ['TestListenNotifyWhileBusyIsSafe'],
  },
  { name: 'pgxpool', module: 'github.com/jackc/pgx/v4/pgxpool', debian: pgxDebian, env: pgxEnv },
  {
    name: 'pgconn',
    module: 'github.com/jackc/pgconn',
    debian: 'golang-github-jackc-pgmock-dev',
    needs: 'github.com/jackc/pgmock',
    env: pgxEnv,
    // Ten thousand selects of the same four kinds: a load, no more.
    leftOut: ['TestConnStress'],
  },
  {
    name: 'pq',
    module: 'github.com/lib/pq',
    debian: 'golang-github-lib-pq-dev',
    setUp: 'create extension hstore',
    env: (url) => ({ ...libpqEnv(url), PGSSLMODE: 'disable' }),
  },
]

export const goSuites: readonly Suite[] = described.map(goSuite)
