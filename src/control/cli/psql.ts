/**
 * `allwrite psql [node]`: a SQL prompt at the cluster or at one node: psql where it is installed, else our own.
 *
 * @module
 */
import type { Command } from 'commander'
import { spawn } from 'node:child_process'
import { AllwriteError } from '../../core/errors.ts'
import { parseNodeName } from '../../core/ids.ts'
import { systemCode } from '../../postgres/index.ts'
import { fieldsOf } from '../json.ts'
import { runShell } from '../shell/shell.ts'
import { exitCodes } from './fail.ts'
import { dataOption, examples } from './program.ts'
import { readStatus } from './status.ts'

export function addPsql(program: Command, done: (exitCode: number) => void): void {
  program
    .command('psql')
    .description('open a SQL prompt at the cluster endpoint, or at one node')
    .argument('[node]', 'a node, n1 …; else the cluster endpoint')
    .argument('[arguments...]', 'for psql')
    .addOption(dataOption())
    .option('--shell', 'use the built-in prompt, even where psql is installed')
    .allowUnknownOption()
    .addHelpText(
      'after',
      examples(
        'allwrite psql',
        'allwrite psql n2',
        "allwrite psql n2 -c 'select 1'",
        "echo 'select 1' | allwrite psql",
      ),
    )
    .action(async (first: string | undefined, rest: readonly string[], options: unknown) => {
      const { data, shell } = fieldsOf(options)
      const node = first === undefined ? undefined : parseNodeName(first)
      const words = first === undefined || node !== undefined ? rest : [first, ...rest]
      const status = await readStatus(String(data))
      if (status.state === 'down') {
        throw new AllwriteError('unavailable', 'the cluster is down', { hint: 'Start it with "allwrite up".' })
      }
      const url = node === undefined ? status.cluster : status.nodes.find(({ id }) => id === `n${node}`)?.url
      if (url === undefined) {
        throw new AllwriteError('configuration', `there is no node ${first}`, {
          detail: `The cluster has ${status.nodes.map(({ id }) => id).join(', ')}.`,
        })
      }
      const code = shell === true ? undefined : await runPsql(url, words)
      done(code ?? (await runShell(url, { input: process.stdin, output: process.stdout, errors: process.stderr })))
    })
}

/**
 * Runs psql in our place; its exit code, or undefined if it is not installed. The password goes by the environment, which
 * only the owner can read; arguments are in everyone's `ps`.
 */
function runPsql(url: string, words: readonly string[]): Promise<number | undefined> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const env = {
    ...process.env,
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: pathname.slice(1),
  }
  // Ctrl-C is for psql: it cancels the statement.
  const ignore = () => undefined
  process.on('SIGINT', ignore)
  return new Promise((resolve, reject) => {
    const child = spawn('psql', words, { stdio: 'inherit', env })
    child.once('error', (error) => {
      process.off('SIGINT', ignore)
      if (systemCode(error) === 'ENOENT') resolve(undefined)
      else reject(new AllwriteError('unavailable', `could not run psql: ${error.message}`))
    })
    child.once('exit', (code) => {
      process.off('SIGINT', ignore)
      resolve(code ?? exitCodes.failed)
    })
  })
}
