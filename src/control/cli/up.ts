/**
 * `allwrite up`: starts a cluster and stays in the foreground until it is stopped.
 *
 * @module
 */
import { Option, type Command } from 'commander'
import { fieldsOf } from '../json.ts'
import { jsonReporter, prettyReporter, wantsColor } from '../events.ts'
import {
  checkTogether,
  defaults,
  nodesMax,
  parseBasePort,
  parseLogLevel,
  parseNodes,
  parseRate,
  parseSize,
  parseSwitch,
  type UpOptions,
} from '../options.ts'
import { resolve } from 'node:path'
import { startSupervisor, type Programs } from '../supervisor.ts'
import { AllwriteError } from '../../core/errors.ts'
import { exitCodes } from './fail.ts'
import { checkedOption, dataOption, examples } from './program.ts'
import { endpointOption, endpointsOf, readerLagOption, noPoolOption, poolOf, poolOption } from './proxy.ts'

export function addUp(program: Command, programs: Programs, done: (exitCode: number) => void): void {
  program
    .command('up')
    .description('start a cluster on this machine; Ctrl-C stops it')
    .addOption(dataOption())
    .addOption(
      checkedOption(
        '--nodes <n>',
        `how many nodes, 1 … ${nodesMax} (new cluster: ${defaults.nodes})`,
        'ALLWRITE_NODES',
        parseNodes,
      ),
    )
    .addOption(
      checkedOption(
        '--base-port <port>',
        `the endpoint's port; nodes follow at +11 (new cluster: ${defaults.basePort})`,
        'ALLWRITE_BASE_PORT',
        parseBasePort,
      ),
    )
    .addOption(
      checkedOption(
        '--fsync <on|off>',
        'off: nodes are disposable, a power failure rebuilds them',
        'ALLWRITE_FSYNC',
        parseSwitch,
      ),
    )
    .addOption(
      checkedOption(
        '--journal-retain <size>',
        'journal kept for nodes that were away',
        'ALLWRITE_JOURNAL_RETAIN',
        parseSize,
      ),
    )
    .addOption(checkedOption('--journal-cap <size>', 'largest size of the journal', 'ALLWRITE_JOURNAL_CAP', parseSize))
    .addOption(
      checkedOption('--journal-segment <size>', 'size of a file of the journal', 'ALLWRITE_JOURNAL_SEGMENT', parseSize),
    )
    .addOption(
      checkedOption(
        '--copy-rate <MB/s>',
        `how fast a node that joins copies another one (default: ${defaults.copyRate})`,
        'ALLWRITE_COPY_RATE',
        parseRate,
      ),
    )
    .addOption(
      checkedOption(
        '--slot-wal <size>',
        `WAL that a user's replication slot may keep at a node (default: ${defaults.slotWal})`,
        'ALLWRITE_SLOT_WAL',
        parseSize,
      ),
    )
    .addOption(
      new Option('--pg-bin <dir>', 'programs of your own PostgreSQL 17 or newer ("path": from PATH)').env(
        'ALLWRITE_PG_BIN',
      ),
    )
    .addOption(new Option('--tls-cert <file>', 'certificate for clients, PEM').env('ALLWRITE_TLS_CERT'))
    .addOption(new Option('--tls-key <file>', 'its key, PEM').env('ALLWRITE_TLS_KEY'))
    .addOption(endpointOption())
    .addOption(readerLagOption())
    .addOption(poolOption())
    .addOption(noPoolOption())
    .addOption(
      checkedOption('--log-level <level>', 'of the agents’ logs', 'ALLWRITE_LOG_LEVEL', parseLogLevel).default(
        defaults.logLevel,
      ),
    )
    .addOption(new Option('--json', 'one JSON object per event on stdout').env('ALLWRITE_JSON'))
    .addHelpText(
      'after',
      examples(
        'allwrite up',
        'allwrite up --nodes 2 --data /var/lib/allwrite',
        'allwrite up --fsync off --base-port 25432 --json',
      ),
    )
    .action(async (options: unknown) => {
      const fields = fieldsOf(options)
      done(await up(readOptions(fields), fields['json'] !== undefined, programs))
    })
}

/** Text options are texts or absent; the parsed ones have passed their parser. */
function readOptions(fields: Readonly<Record<string, unknown>>): UpOptions {
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : null)
  const number = (name: string) => (typeof fields[name] === 'number' ? fields[name] : undefined)
  const path = (name: string) => {
    const value = text(name)
    return value === null ? null : resolve(value)
  }
  return checkTogether({
    dir: text('data') ?? defaults.dir,
    nodes: number('nodes'),
    basePort: number('basePort'),
    fsync: typeof fields['fsync'] === 'boolean' ? fields['fsync'] : undefined,
    pgBin: text('pgBin') === 'path' ? 'path' : path('pgBin'),
    journalRetainBytes: number('journalRetain'),
    journalCapBytes: number('journalCap'),
    journalSegmentBytes: number('journalSegment'),
    copyRateBytes: number('copyRate') ?? parseRate(defaults.copyRate),
    slotWalBytes: number('slotWal') ?? parseSize(defaults.slotWal),
    tlsCert: path('tlsCert'),
    tlsKey: path('tlsKey'),
    logLevel: text('logLevel') ?? defaults.logLevel,
    endpoints: endpointsOf(fields['endpoint']),
    readerLag: number('readerLag'),
    pool: poolOf(fields['pool']),
  })
}

async function up(options: UpOptions, json: boolean, programs: Programs): Promise<number> {
  const terminal = process.stderr
  const report = json
    ? jsonReporter((text) => void process.stdout.write(text))
    : prettyReporter((text) => void terminal.write(text), {
        color: wantsColor(terminal),
        secrets: terminal.isTTY,
        startedAt: performance.now(),
      })
  // A reader of our events that goes away must not end the cluster with EPIPE.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  const cancel = new AbortController()
  let signals = 0
  let onSignal = () => cancel.abort()
  const handler = () => {
    signals++
    onSignal()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, handler)
  try {
    const supervisor = await startSupervisor(options, programs, report, cancel.signal)
    let failure: unknown
    const stop = () =>
      void (signals > 1 ? supervisor.kill() : supervisor.stop()).catch((thrown: unknown) => (failure = thrown))
    onSignal = stop
    if (signals > 0) stop()
    await supervisor.stopped
    await new Promise((resolve) => setImmediate(resolve))
    if (failure !== undefined) throw failure
    return exitCodes.done
  } catch (thrown) {
    if (thrown instanceof AllwriteError && thrown.code === 'cancelled' && signals > 0) return exitCodes.done
    throw thrown
  } finally {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, handler)
  }
}
