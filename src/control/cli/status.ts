/**
 * `allwrite status`: how the cluster is. Works when it is down, too.
 *
 * @module
 */
import { Option, type Command } from 'commander'
import { createColors } from 'picocolors'
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import { readClusterFile, readSecrets } from '../cluster-dir.ts'
import { askSupervisor } from '../control-client.ts'
import { hidePassword, wantsColor } from '../events.ts'
import { fieldsOf } from '../json.ts'
import { downStatus, type ClusterStatus } from '../status.ts'
import { exitCodes } from './fail.ts'
import { dataOption, examples } from './program.ts'

export function addStatus(program: Command, done: (exitCode: number) => void): void {
  program
    .command('status')
    .description('show the nodes and how they are; exit code 3 when the cluster is down')
    .addOption(dataOption())
    .addOption(new Option('--json', 'as JSON, with the passwords in the URLs').env('ALLWRITE_JSON'))
    .addHelpText('after', examples('allwrite status', "allwrite status --json | jq -r '.nodes[0].url'"))
    .action(async (options: unknown) => {
      const { data, json } = fieldsOf(options)
      const status = await readStatus(String(data))
      process.stdout.write(
        json === undefined ? table(status, wantsColor(process.stdout)) : `${JSON.stringify(status)}\n`,
      )
      done(status.state === 'down' ? exitCodes.down : exitCodes.done)
    })
}

/**
 * The running cluster's status, or what its folder tells.
 * @throws AllwriteError configuration if the folder holds no cluster
 */
export async function readStatus(data: string): Promise<ClusterStatus> {
  const running = await askSupervisor(data, 'status')
  if (running) return running
  const dir = resolve(data)
  const file = readClusterFile(dir)
  const secrets = file && readSecrets(dir)
  if (!secrets) {
    throw new AllwriteError('configuration', `there is no cluster in "${dir}"`, {
      hint: 'Make one with "allwrite up", or name its folder with --data.',
    })
  }
  return downStatus({ dir: realpathSync(dir), file, secrets })
}

/** For people: no passwords. */
export function table(status: ClusterStatus, color: boolean): string {
  const paint = createColors(color)
  const head = ['node', 'state', 'position', 'lag', 'agent', 'postgres', 'sessions', 'address']
  const rows = status.nodes.map((node) => [
    node.id,
    node.draining ? `${node.state.replace('_', ' ')}, draining` : node.state.replace('_', ' '),
    ...[node.position, node.lag, node.agentPid, node.postgresPid, node.sessions].map((value) => String(value ?? '-')),
    hidePassword(node.url).replace(/^.*@/, ''),
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number) => column >= 2 && column <= 6
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  const paintState = (row: string, state: string) =>
    state === 'serving' ? row : state === 'down' || state === 'inconsistent' ? paint.red(row) : paint.yellow(row)
  const address = hidePassword(status.cluster).replace(/^.*@/, '')
  return [
    `cluster ${paint.bold(status.state)}${status.paused ? ', paused' : ''}  ${address}  ${paint.dim(status.dir)}`,
    '',
    paint.dim(line(head)),
    ...rows.map((row, index) => paintState(line(row), status.nodes[index]?.state ?? 'down')),
    ...status.nodes.flatMap((node) => (node.note === undefined ? [] : [paint.dim(`${node.id}: ${node.note}`)])),
    '',
  ].join('\n')
}
