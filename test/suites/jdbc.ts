/**
 * A scenario of PostgreSQL's JDBC driver (its authors' tests are in no package of Debian's): `jdbc/Scenario.java`.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { libpqEnv, run } from '#testing/tools.ts'
import type { Result, Suite } from './suite.ts'

const scenario = fileURLToPath(new URL('../../../test/suites/jdbc/Scenario.java', import.meta.url))
const jar = '/usr/share/java/postgresql.jar'

/** Lines `passed <tab> name`, `failed <tab> name <tab> why`; `end` behind the last. */
const readLines = (stdout: string): Map<string, Result> =>
  new Map(
    stdout.split('\n').flatMap((line): [string, Result][] => {
      const [verdict, name, why = ''] = line.split('\t')
      return (verdict === 'passed' || verdict === 'failed') && name !== undefined ? [[name, { verdict, why }]] : []
    }),
  )

export const jdbc: Suite = {
  name: 'jdbc',
  needs: { javac: 'default-jdk-headless', [jar]: 'libpostgresql-jdbc-java' },
  run: async (url, _dir, only = []) => {
    const { stdout, stderr } = await run(
      'java',
      ['-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', jar, scenario, ...only],
      {
        env: libpqEnv(url),
        msMax: 600_000,
      },
    )
    if (!/^end$/m.test(stdout))
      throw new Error(`the JDBC scenario did not run to its end\n${(stdout + stderr).slice(-4_000)}`)
    return readLines(stdout)
  },
}
