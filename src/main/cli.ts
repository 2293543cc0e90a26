/**
 * Entry point of `bin/allwrite`.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { runCli } from '../control/cli/program.ts'
import { fieldsOf } from '../control/json.ts'
import { programs } from './supervisor.ts'

const { version } = fieldsOf(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')))
process.exitCode = await runCli(process.argv, programs, String(version))
