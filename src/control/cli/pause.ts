/**
 * `allwrite pause`, `allwrite resume`: all proxies hold new work back, and let it go again; clients wait meanwhile.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { askSupervisor } from '../control-client.ts'
import { fieldsOf } from '../json.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples } from './program.ts'

export function addPause(program: Command): void {
  const add = (command: 'pause' | 'resume', description: string) =>
    program
      .command(command)
      .description(description)
      .addOption(dataOption())
      .addHelpText('after', examples('allwrite pause', 'allwrite resume'))
      .action(async (options: unknown) => {
        const dir = String(fieldsOf(options)['data'])
        if (!(await askSupervisor(dir, command))) throw notRunning(resolve(dir))
      })
  add('pause', 'hold new clients of the endpoints back; those that are connected go on')
  add('resume', 'let the clients go on that wait since "allwrite pause"')
}
