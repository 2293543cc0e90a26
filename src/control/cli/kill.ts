/**
 * `allwrite kill <node>`: kill -9 of a node, to see that the others do not mind.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, nodeArgument } from './program.ts'

export function addKill(program: Command): void {
  program
    .command('kill')
    .description('kill -9 a node’s agent and server; it stays down until "allwrite start"')
    .argument('<node>', nodeArgument)
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite kill n2', 'allwrite kill n2 --data /var/lib/allwrite'))
    .action(async (node: string, options: unknown) => {
      const dir = String(fieldsOf(options)['data'])
      if (!(await askSupervisor(dir, { command: 'kill', node }))) throw notRunning(resolve(dir))
    })
}
