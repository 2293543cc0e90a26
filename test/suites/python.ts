/**
 * SQLAlchemy's suite for dialects, unmodified from Debian's package, and own scenarios of psycopg 2 and 3 (their authors' tests
 * are in no package of Debian's).
 *
 * @module
 */
import { mkdirSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '#testing/tools.ts'
import type { Result, Suite, Verdict } from './suite.ts'

/** The sources' folder: this file is dist/test/suites/python.js. */
const folder = fileURLToPath(new URL('../../../test/suites/python/', import.meta.url))
const packages = '/usr/lib/python3/dist-packages/'

interface Line {
  readonly test: string
  readonly outcome: Verdict
  readonly why: string
}

/** A test that fails, or whose clean-up fails, has failed. */
const readResults = (text: string): Map<string, Result> => {
  const results = new Map<string, Result>()
  for (const line of text.split('\n').filter(Boolean)) {
    const { test, outcome, why }: Line = JSON.parse(line)
    if (results.get(test)?.verdict !== 'failed') results.set(test, { verdict: outcome, why })
  }
  return results
}

const pytest = async (
  dir: string,
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Map<string, Result>> => {
  mkdirSync(dir, { recursive: true })
  const report = join(dir, `${performance.now()}.jsonl`)
  const { code, stdout, stderr } = await run(
    '/usr/bin/python3',
    ['-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...args],
    {
      cwd,
      env: { ...env, SUITE_RESULTS: report, PYTHONDONTWRITEBYTECODE: '1' },
      msMax: 1_800_000,
    },
  )
  // 1: tests failed. Above: it was interrupted, or found none.
  if ((code !== 0 && code !== 1) || !existsSync(report)) {
    throw new Error(`pytest in ${cwd}: exit ${code}\n${(stdout + stderr).slice(-4_000)}`)
  }
  return readResults(readFileSync(report, 'utf8'))
}

const needs = {
  '/usr/bin/python3': 'python3',
  [`${packages}pytest`]: 'python3-pytest',
  [`${packages}psycopg2`]: 'python3-psycopg2',
}

export const psycopg: Suite = {
  name: 'psycopg',
  needs: { ...needs, [`${packages}psycopg`]: 'python3-psycopg' },
  run: (url, dir, only) =>
    pytest(dir, join(folder, 'psycopg'), ['-c', '/dev/null', '--rootdir', '.', '--confcutdir', '..', ...(only ?? [])], {
      SUITE_URL: url,
    }),
}

/** SQLAlchemy makes a class for each database of one in its suite, and takes the name of that one on its command line. */
const original = (test: string): string => test.replace(/_postgresql\+[^:]*/, '')

export const sqlalchemy: Suite = {
  name: 'sqlalchemy',
  needs: { ...needs, [`${packages}sqlalchemy`]: 'python3-sqlalchemy' },
  setUp: 'create schema test_schema',
  run: (url, dir, only) =>
    pytest(
      dir,
      join(folder, 'sqlalchemy'),
      ['--dburi', url.replace('postgresql:', 'postgresql+psycopg2:'), ...(only ?? []).map(original)],
      {},
    ),
}
