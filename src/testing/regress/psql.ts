/**
 * One file through psql, as pg_regress does it (src/test/regress/pg_regress_main.c, psql_start_test).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { libpqEnv } from '../tools.ts'

export interface PsqlOptions {
  /** psql, or its path. */
  readonly psql: string
  readonly url: string
  /** The suite's folder. */
  readonly dir: string
  /** A folder that the server can write to. */
  readonly buildDir: string
  /** SIGKILL after this long, ms. */
  readonly msMax: number
}

/** What pg_regress sets for every psql it starts (initialize_environment). */
const regressEnv = {
  LC_MESSAGES: 'C',
  LANG: 'C',
  PGTZ: 'America/Los_Angeles',
  PGDATESTYLE: 'Postgres, MDY',
  PGOPTIONS: '-c intervalstyle=postgres_verbose',
  PG_DLSUFFIX: '.so',
}

/**
 * Writes what psql prints for `sql/<name>.sql` to `outputPath`.
 * @returns whether it ended within its time
 */
export const runFile = async (options: PsqlOptions, name: string, outputPath: string): Promise<boolean> => {
  const input = openSync(join(options.dir, 'sql', `${name}.sql`), 'r')
  const output = openSync(outputPath, 'w')
  try {
    const inherited = Object.entries(process.env).filter(([key]) => !/^(PG|LC_|LANG)/.test(key))
    return await new Promise((resolve, reject) => {
      const child = spawn(options.psql, ['-X', '-a', '-q'], {
        // Files of the suite name others relative to it.
        cwd: options.buildDir,
        stdio: [input, output, output],
        env: {
          ...Object.fromEntries(inherited),
          ...regressEnv,
          ...libpqEnv(options.url),
          PGAPPNAME: `pg_regress/${name}`,
          PG_ABS_SRCDIR: options.dir,
          PG_ABS_BUILDDIR: options.buildDir,
          PG_LIBDIR: options.dir,
        },
      })
      let late = false
      const timer = setTimeout(() => {
        late = true
        child.kill('SIGKILL')
      }, options.msMax)
      child.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      child.once('close', () => {
        clearTimeout(timer)
        resolve(!late)
      })
    })
  } finally {
    closeSync(input)
    closeSync(output)
  }
}
