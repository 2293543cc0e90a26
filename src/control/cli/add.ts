/**
 * `allwrite add`: more nodes for a running cluster.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { nodesMax, parseCount } from '../options.ts'
import { notRunning } from './fail.ts'
import { checkedOption, dataOption, examples, tellStep } from './program.ts'

export function addAdd(program: Command): void {
  program
    .command('add')
    .description('add nodes to the running cluster; each copies one that serves; returns when they serve')
    .addOption(
      checkedOption(
        '--count <k>',
        `how many; a cluster has ${nodesMax} nodes at most`,
        'ALLWRITE_COUNT',
        parseCount,
      ).default(1),
    )
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite add', 'allwrite add --count 2 --data /var/lib/allwrite'))
    .action(async (options: unknown) => {
      const { data, count } = fieldsOf(options)
      const dir = String(data)
      if (!(await askSupervisor(dir, { command: 'add', count: Number(count) }, tellStep)))
        throw notRunning(resolve(dir))
    })
}
