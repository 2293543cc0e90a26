/**
 * The command line: `allwrite <command>`. Data on stdout, everything else on stderr; every option has an environment
 * variable `ALLWRITE_…`.
 *
 * @module
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { AllwriteError } from '../../core/errors.ts'
import { defaults } from '../options.ts'
import type { Programs } from '../supervisor.ts'
import { errorText, exitCodes } from './fail.ts'
import { addAdd } from './add.ts'
import { addDrain } from './drain.ts'
import { addKill } from './kill.ts'
import { addPause } from './pause.ts'
import { addProxy } from './proxy.ts'
import { addPsql } from './psql.ts'
import { addReload } from './reload.ts'
import { addRemove } from './remove.ts'
import { addRestart } from './restart.ts'
import { addStart } from './start.ts'
import { addStatus } from './status.ts'
import { addStop } from './stop.ts'
import { addUp } from './up.ts'

/**
 * Runs one command.
 * @param argv as `process.argv`
 * @returns the exit code
 */
export async function runCli(argv: readonly string[], programs: Programs, version: string): Promise<number> {
  let exitCode: number = exitCodes.done
  const program = new Command('allwrite')
    .description('PostgreSQL where every node is a writer')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(see "allwrite --help")')
    .addHelpText(
      'after',
      examples('allwrite up', 'allwrite psql n2', 'allwrite status', 'allwrite kill n1', 'allwrite stop'),
    )
  const done = (code: number) => (exitCode = code)
  addUp(program, programs, done)
  addStatus(program, done)
  addStop(program)
  addKill(program)
  addStart(program)
  addAdd(program)
  addReload(program)
  addRemove(program)
  addRestart(program)
  addDrain(program)
  addPause(program)
  addProxy(program)
  addPsql(program, done)
  try {
    await program.parseAsync(argv)
    return exitCode
  } catch (thrown) {
    // commander has told its own errors already; --help and --version end here with 0.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage
    process.stderr.write(errorText(thrown))
    return exitCodes.failed
  }
}

/** `--data`, which all commands have. */
export const dataOption = (): Option =>
  new Option('--data <dir>', 'the folder of the cluster').env('ALLWRITE_DATA').default(defaults.dir)

/** An option whose text `parse` checks; its refusal is a usage error. */
export function checkedOption(
  flags: string,
  description: string,
  env: string,
  parse: (text: string) => string | number | boolean,
): Option {
  return new Option(flags, description).env(env).argParser((text: string) => {
    try {
      return parse(text)
    } catch (thrown) {
      if (thrown instanceof AllwriteError) throw new InvalidArgumentError(thrown.detail ?? thrown.message)
      throw thrown
    }
  })
}

/** Takes the steps of a command that takes long. */
export const tellStep = (text: string): void => void process.stderr.write(`· ${text}\n`)

/** Help's last part. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`

export const nodeArgument = 'the node, n1 …'
