/**
 * `allwrite remove <node> --for-good`: takes a node out of the cluster.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, nodeArgument, tellStep } from './program.ts'

export function addRemove(program: Command): void {
  program
    .command('remove')
    .description('take a node out of the cluster, for good; its folder is kept in DIR/removed')
    .argument('<node>', nodeArgument)
    .option('--for-good', 'yes, for good')
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite remove n3 --for-good'))
    .action(async (node: string, options: unknown) => {
      const { data, forGood } = fieldsOf(options)
      if (forGood !== true) {
        throw new AllwriteError('configuration', `"allwrite remove ${node}" needs --for-good`, {
          detail:
            'The node leaves the cluster: its sessions end, its number is never given out again, and its folder is moved to DIR/removed, never to be used again.',
          hint: `To take it down for a while, use "allwrite stop ${node}".`,
        })
      }
      const dir = String(data)
      if (!(await askSupervisor(dir, { command: 'remove', node }, tellStep))) throw notRunning(resolve(dir))
    })
}
