/**
 * What `allwrite up` tells while it runs: one JSON line per event on stdout (`--json`), or words for people on stderr.
 *
 * @module
 */
import { createColors } from 'picocolors'
import type { ClusterStatus, NodeState, NodeStatus } from './status.ts'

export type SupervisorEvent =
  | { readonly event: 'progress'; readonly text: string; readonly node?: string }
  | ({ readonly event: 'ready' } & ReadyFields)
  | { readonly event: 'node'; readonly id: string; readonly state: NodeState; readonly note?: string }
  | { readonly event: 'stopped' }

type ReadyFields = Pick<ClusterStatus, 'dir' | 'cluster' | 'reader' | 'proxy' | 'http' | 'endpoints' | 'nodes'>

export type Reporter = (event: SupervisorEvent) => void

/** One line per event. Holds credentials: it is for the program that started us. */
export const jsonReporter =
  (write: (text: string) => void): Reporter =>
  (event) =>
    write(`${JSON.stringify(event)}\n`)

/** Whether a stream wants colours: a terminal, and no wish against them (https://no-color.org). */
export const wantsColor = (stream: { readonly isTTY?: boolean }, env = process.env): boolean =>
  stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'

export interface PrettyOptions {
  readonly color: boolean
  /** Passwords in URLs are shown: to a terminal, not into a log file. */
  readonly secrets: boolean
  readonly startedAt: number
}

/** Lines for people. */
export function prettyReporter(write: (text: string) => void, options: PrettyOptions): Reporter {
  const paint = createColors(options.color)
  const mark: Readonly<Record<NodeState, string>> = {
    serving: paint.green('●'),
    catching_up: paint.yellow('◐'),
    starting: paint.yellow('○'),
    joining: paint.yellow('◔'),
    stopping: paint.yellow('○'),
    silent: paint.red('◌'),
    hung: paint.red('✗'),
    inconsistent: paint.red('✗'),
    down: paint.red('✗'),
  }
  return (event) => {
    switch (event.event) {
      case 'progress':
        return write(`${paint.dim('·')} ${event.node ? `${event.node}: ` : ''}${event.text}\n`)
      case 'node':
        return write(
          `${mark[event.state]} ${event.id} ${event.state.replace('_', ' ')}${event.note ? `: ${event.note}` : ''}\n`,
        )
      case 'stopped':
        return write(`${paint.dim('·')} stopped\n`)
      case 'ready':
        return write(card(event, paint, options))
    }
  }
}

/** What a node does that does not serve: the cluster is up without it. */
const unready = ({ state, note }: NodeStatus): string =>
  state === 'serving' ? '' : `  (${state.replace('_', ' ')}${note === undefined ? '' : `: ${note}`})`

function card(event: ReadyFields, paint: ReturnType<typeof createColors>, options: PrettyOptions): string {
  const show = (url: string) => (options.secrets ? url : hidePassword(url))
  const seconds = ((performance.now() - options.startedAt) / 1000).toFixed(1)
  const row = (name: string, value: string) => `  ${paint.bold(name.padEnd(9))}${value}`
  const count = event.nodes.length
  return [
    '',
    `  ${paint.bold(paint.green('Allwrite'))}  ${count} node${count === 1 ? '' : 's'}, each takes reads and writes ${paint.dim(`(${seconds} s)`)}`,
    '',
    row('cluster', paint.cyan(show(event.cluster))),
    row('reader', show(event.reader)),
    row('pinned', show(event.proxy)),
    ...event.endpoints.map(({ name, url }) => row(name, show(url))),
    ...event.nodes.map((node) => row(node.id, `${show(node.url)}${unready(node)}`)),
    row('http', event.http),
    row('data', event.dir),
    '',
    `  ${paint.dim('Try')}      allwrite psql   ·   allwrite status   ·   allwrite kill ${event.nodes.at(-1)?.id ?? ''}`,
    `  ${paint.dim('Stop')}     Ctrl-C${options.secrets ? '' : `      ${paint.dim('(URLs with password: allwrite status --json)')}`}`,
    '',
    '',
  ].join('\n')
}

/** The URL with stars for its password. */
export const hidePassword = (url: string): string => url.replace(/^(\w+:\/\/[^:/@]+:)[^@]*@/, '$1********@')
