/**
 * `allwrite stop [node]`: stops the cluster, or one node, in an orderly way.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { processAlive } from '../../postgres/index.ts'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, nodeArgument } from './program.ts'

/** The sum of the supervisor's own bounds, and some time for its last steps, ms. */
const stopWithinMsMax = 60_000

export function addStop(program: Command): void {
  program
    .command('stop')
    .description('stop the cluster, or one node, which stays down until "allwrite start"')
    .argument('[node]', nodeArgument)
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite stop', 'allwrite stop n2'))
    .action(async (node: string | undefined, options: unknown) => {
      const dir = String(fieldsOf(options)['data'])
      const status = await askSupervisor(dir, node === undefined ? 'stop' : { command: 'stop_node', node })
      if (!status) throw notRunning(resolve(dir))
      if (node === undefined && status.pid !== null) await ended(status.pid)
    })
}

async function ended(pid: number): Promise<void> {
  const deadline = performance.now() + stopWithinMsMax
  while (processAlive(pid)) {
    if (performance.now() > deadline)
      throw new AllwriteError('unavailable', `the supervisor, process ${pid}, does not end`)
    await delay(50)
  }
}
