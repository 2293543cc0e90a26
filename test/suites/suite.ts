/**
 * A foreign test suite as a difference: the same programs run against one bare PostgreSQL and through an agent, and whatever
 * comes out otherwise is a bug of ours, or listed with its reason in `differences.ts`.
 *
 * Contract
 * 1. A suite is run as its authors made it; it names tests and says how each one ended. What fails on the bare server fails
 *    for a reason that is not ours, and must fail through the agent too.
 * 2. A test that came out differently is run again by itself, on both, at most {@link againMax} times: suites of the world
 *    count on a quick machine (`select pg_sleep(1)` cancelled within a second). It counts as a difference if it differs each time.
 * 3. A listed difference that is none any more is a failure as well: the list says what is so.
 *
 * @module
 */

export type Verdict = 'passed' | 'failed' | 'skipped'

/** How one test ended; `why`: what it printed where it failed. */
export interface Result {
  readonly verdict: Verdict
  readonly why: string
}

export const passedIf = (isTrue: boolean, why: string): Result => ({ verdict: isTrue ? 'passed' : 'failed', why })

/** By test name. */
export type Results = ReadonlyMap<string, Result>

export interface Suite {
  readonly name: string
  /** What has to be there → the Debian package that has it. A path, or a program's name. */
  readonly needs: Readonly<Record<string, string>>
  /** SQL that the suite's authors ask for before it. */
  readonly setUp?: string
  /** What it leaves behind is the same on both servers, data and definitions. */
  readonly sameContent?: boolean
  /**
   * Runs against the server at `url`, in the folder `dir` that is the run's own.
   * @param only names of the tests to run; none: all
   * @throws Error when the suite did not run to its end
   */
  run(url: string, dir: string, only?: readonly string[]): Promise<Results>
}

/** A difference that stands, and why. `test` is a whole name, or with a star at its end the beginning of one. */
export interface Known {
  readonly suite: string
  readonly test: string
  readonly reason: string
}

export interface Difference {
  readonly test: string
  readonly bare: Verdict | 'absent'
  readonly cluster: Verdict | 'absent'
  /** What the test printed through the agent, else on the bare server. */
  readonly why: string
}

export interface Comparison {
  readonly tests: number
  readonly passed: number
  readonly skipped: number
  /** Names of tests that fail on the bare server and here. */
  readonly failedOnBoth: readonly string[]
  readonly known: readonly string[]
  readonly unexpected: readonly Difference[]
  /** Listed, and yet no difference. */
  readonly stale: readonly string[]
}

/** Times that a difference is looked at again. */
export const againMax = 2

export const differencesOf = (bare: Results, cluster: Results): Difference[] =>
  [...new Set([...bare.keys(), ...cluster.keys()])].flatMap((test) => {
    const expected = bare.get(test)
    const got = cluster.get(test)
    if (expected?.verdict === got?.verdict) return []
    const why = got?.why || expected?.why || ''
    return [{ test, bare: expected?.verdict ?? 'absent', cluster: got?.verdict ?? 'absent', why } as const]
  })

const matches = (pattern: string, test: string): boolean =>
  pattern.endsWith('*') ? test.startsWith(pattern.slice(0, -1)) : pattern === test

/** Sorts what differs by what is known. Pure. */
export const compare = (suite: string, bare: Results, cluster: Results, known: readonly Known[]): Comparison => {
  const listed = known.filter((entry) => entry.suite === suite)
  const differences = differencesOf(bare, cluster)
  const isListed = ({ test }: Difference): boolean => listed.some((entry) => matches(entry.test, test))
  const count = (verdict: Verdict): number =>
    [...cluster.values()].filter((result) => result.verdict === verdict).length
  return {
    tests: cluster.size,
    passed: count('passed'),
    skipped: count('skipped'),
    failedOnBoth: [...cluster]
      .filter(([test, { verdict }]) => verdict === 'failed' && bare.get(test)?.verdict === 'failed')
      .map(([test]) => test),
    known: differences.filter((difference) => isListed(difference)).map(({ test }) => test),
    unexpected: differences.filter((difference) => !isListed(difference)),
    stale: listed
      .filter((entry) => !differences.some(({ test }) => matches(entry.test, test)))
      .map((entry) => entry.test),
  }
}
