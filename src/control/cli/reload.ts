/**
 * `allwrite reload`: the nodes read pg_hba.conf again.
 *
 * @module
 */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { readHba } from '../../wire/hba/read.ts'
import { pathsOf, readClusterFile } from '../cluster-dir.ts'
import { fieldsOf } from '../json.ts'
import { readPidFile, stillRuns } from '../pid-files.ts'
import { notRunning } from './fail.ts'
import { dataOption, examples, tellStep } from './program.ts'

export function addReload(program: Command): void {
  program
    .command('reload')
    .description('check pg_hba.conf in the cluster’s folder, and have all nodes read it again')
    .addOption(dataOption())
    .addHelpText('after', examples('allwrite reload'))
    .action(async (options: unknown) => {
      const dir = resolve(String(fieldsOf(options)['data']))
      // With what is wrong, nobody is told: each node would keep its rules, and only its log would say so.
      const rules = await readHba(pathsOf(dir).hba)
      const running = (name: string): number[] => {
        const file = readPidFile(dir, name)
        return file !== undefined && stillRuns(file) ? [file.pid] : []
      }
      const nodes = (readClusterFile(dir)?.members ?? []).flatMap((node) => running(`n${node}`))
      if (nodes.length === 0) throw notRunning(dir)
      for (const pid of [...nodes, ...running('proxy')]) process.kill(pid, 'SIGHUP')
      tellStep(`${rules.length} rules, told to ${nodes.length} nodes and their proxy`)
    })
}
