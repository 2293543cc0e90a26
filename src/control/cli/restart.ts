/**
 * `allwrite restart [node …|--all]`: a rolling restart, also to other PostgreSQL programs of the same major version.
 *
 * @module
 */
import { Option, type Command } from 'commander'
import { resolve } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, tellStep } from './program.ts'

export function addRestart(program: Command): void {
  program
    .command('restart')
    .description('restart nodes one after the other while the others serve; transactions may end first')
    .argument('[nodes...]', 'the nodes, n1 …')
    .option('--all', 'all nodes that run')
    .addOption(
      new Option(
        '--pg-bin <dir>',
        'go on with these PostgreSQL programs ("path": from PATH); give them to the next "allwrite up", too',
      ),
    )
    .addOption(dataOption())
    .addHelpText(
      'after',
      examples(
        'allwrite restart n2',
        'allwrite restart --all',
        'allwrite restart --all --pg-bin /usr/lib/postgresql/18/bin',
      ),
    )
    .action(async (nodes: readonly string[], options: unknown) => {
      const { data, all, pgBin } = fieldsOf(options)
      if ((all === true) === nodes.length > 0) {
        throw new AllwriteError('configuration', 'which nodes are to be restarted?', {
          hint: 'Name them, or say --all.',
        })
      }
      const dir = String(data)
      const asked = {
        command: 'restart' as const,
        ...(all === true ? {} : { nodes }),
        ...(typeof pgBin === 'string' ? { pgBin: pgBin === 'path' ? pgBin : resolve(pgBin) } : {}),
      }
      if (!(await askSupervisor(dir, asked, tellStep))) throw notRunning(resolve(dir))
    })
}
