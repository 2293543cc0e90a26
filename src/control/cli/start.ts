/**
 * `allwrite start <node>`: brings a node back that `kill` or `stop` took down.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, nodeArgument } from './program.ts'

export function addStart(program: Command): void {
  program
    .command('start')
    .description('start a node that was killed or stopped; returns when it is ready')
    .argument('<node>', nodeArgument)
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite start n2', 'allwrite start n2 --data /var/lib/allwrite'))
    .action(async (node: string, options: unknown) => {
      const dir = String(fieldsOf(options)['data'])
      if (!(await askSupervisor(dir, { command: 'start', node }))) throw notRunning(resolve(dir))
    })
}
