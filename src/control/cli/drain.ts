/**
 * `allwrite drain NODE`, `allwrite undrain NODE`: a node's work goes to the others, and may come back.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, nodeArgument, tellStep } from './program.ts'

export function addDrain(program: Command): void {
  program
    .command('drain')
    .description('send new sessions of a node elsewhere, and end those that are there with their transactions')
    .argument('<node>', nodeArgument)
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite drain n2', 'allwrite undrain n2'))
    .action((node: string, options: unknown) => ask('drain', node, options))
  program
    .command('undrain')
    .description('let a drained node take sessions again')
    .argument('<node>', nodeArgument)
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite undrain n2'))
    .action((node: string, options: unknown) => ask('undrain', node, options))
}

async function ask(command: 'drain' | 'undrain', node: string, options: unknown): Promise<void> {
  const dir = String(fieldsOf(options)['data'])
  if (!(await askSupervisor(dir, { command, node }, tellStep))) throw notRunning(resolve(dir))
}
