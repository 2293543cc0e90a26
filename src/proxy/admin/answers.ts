/**
 * The console's answers to one command each, but for the ReadyForQuery behind them. Pure, except for what the controls do.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { noticeResponse } from '../../wire/pgwire/errors.ts'
import { commandComplete, dataRow, rowDescription } from '../../wire/pgwire/messages.ts'
import { parseCommand, type Action } from './command.ts'
import type { Controls, Snapshot } from './snapshot.ts'
import { adminName, spokenVersion, tables, type Table } from './tables.ts'

/** PgBouncer's errors of its console all have this SQLSTATE. */
const consoleError = (message: string, hint?: string): AllwriteError =>
  new AllwriteError('protocol', message, hint === undefined ? {} : { hint })

const notSupported = (message: string, hint: string): AllwriteError =>
  new AllwriteError('unsupported', message, { hint })

/** What the console itself is asked by clients that set up every session: PgBouncer answers the same. */
const sessionSettings: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF-8'],
  ['default_transaction_isolation', 'read committed'],
  ['standard_conforming_strings', 'on'],
  ['datestyle', 'ISO'],
  ['timezone', 'GMT'],
  ['extra_float_digits', '2'],
])

/** What a client of the console is told at its login. */
export const consoleParameters: ReadonlyMap<string, string> = new Map([
  ['server_version', `${spokenVersion}/bouncer`],
  ['client_encoding', 'UTF8'],
  ['server_encoding', 'UTF8'],
  ['DateStyle', 'ISO'],
  ['TimeZone', 'GMT'],
  ['standard_conforming_strings', 'on'],
  ['is_superuser', 'on'],
])

/**
 * Runs a command.
 * @param signal the client does not want it any more
 * @throws AllwriteError what it is told instead
 */
export async function answer(text: string, controls: Controls, signal: AbortSignal): Promise<readonly Buffer[]> {
  const command = parseCommand(text)
  if (command === undefined) throw invalidCommand(text)
  if (command.kind === 'show') return show(command.what, text, controls.snapshot())
  if (command.kind === 'set') {
    if (sessionSettings.has(command.name.toLowerCase())) return [notice('SET ignored'), commandComplete('SET')]
    controls.set(command.name, command.value)
    return [commandComplete(`SET ${command.name}=${command.value}`)]
  }
  const { action, argument } = command
  const said = await act(action, argument, text, controls, signal)
  return [...said, commandComplete(action.toUpperCase())]
}

const invalidCommand = (text: string): AllwriteError => consoleError(`invalid command '${text}', use SHOW HELP;`)

const notice = (message: string, detail?: string): Buffer =>
  noticeResponse({ severity: 'NOTICE', sqlState: '00000', message, ...(detail === undefined ? {} : { detail }) })

// --- SHOW ---

const help = `
\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION
\tSHOW PINS
\tSHOW PEERS|PEER_POOLS
\tSHOW SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE
\tSHOW DNS_HOSTS|DNS_ZONES
\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS
\tSET key = arg
\tRELOAD
\tPAUSE [<db>]
\tRESUME [<db>]
\tDISABLE <db>
\tENABLE <db>
\tRECONNECT [<db>]
\tKILL [<db>]
\tKILL_CLIENT <client_id>
\tWAIT_CLOSE [<db>]`

function show(what: string, text: string, snapshot: Snapshot): readonly Buffer[] {
  const setting = sessionSettings.get(what)
  if (setting !== undefined) return answerOf(oneText(what, setting), snapshot)
  if (what === 'help') return [notice('Console usage', help), commandComplete('SHOW')]
  if (what === 'fds')
    throw notSupported(
      'SHOW FDS is not supported',
      'File descriptors and passwords are not handed out; SHOW SOCKETS shows the connections.',
    )
  const table = tables.get(what)
  if (table === undefined) throw invalidCommand(text)
  return answerOf(table, snapshot)
}

const oneText = (name: string, value: string): Table => ({
  columns: [{ name, type: 25, size: -1 }],
  rows: () => [[value]],
})

const answerOf = ({ columns, rows }: Table, snapshot: Snapshot): readonly Buffer[] => [
  rowDescription(columns),
  ...rows(snapshot).map((row) => dataRow(row.map((cell) => (cell === null ? null : String(cell))))),
  commandComplete('SHOW'),
]

// --- commands ---

/** The notices that it has to say. */
async function act(
  action: Action,
  argument: string,
  text: string,
  controls: Controls,
  signal: AbortSignal,
): Promise<readonly Buffer[]> {
  const database = argument === '' ? undefined : argument
  switch (action) {
    case 'pause': {
      mayNotBePaused(controls)
      await controls.pause(notAdmin('pause', database), signal)
      // Who has only gone away leaves it paused, as at PgBouncer.
      if (isCancelled(signal)) {
        controls.resume(database)
        throw cancelled()
      }
      return []
    }
    case 'resume': {
      if (!controls.resume(database)) throw notPaused(database)
      return []
    }
    case 'kill': {
      mayNotBePaused(controls)
      controls.kill(notAdmin('kill', database))
      return []
    }
    case 'kill_client': {
      if (!/^(?:0x[0-9a-f]+|\d+)$/i.test(argument)) throw consoleError('invalid client pointer supplied')
      if (!controls.killClient(Number(argument))) throw consoleError('client not found')
      return []
    }
    case 'reconnect': {
      controls.reconnect(notAdmin('reconnect', database))
      return []
    }
    case 'wait_close': {
      if (database === adminName) throw consoleError(`cannot wait in admin db: ${database}`)
      await controls.reconnected(database, signal)
      if (isCancelled(signal)) throw cancelled()
      return []
    }
    case 'disable':
    case 'enable': {
      if (database === undefined) throw consoleError('a database is required')
      controls[action](notAdmin(action, database) ?? database)
      return []
    }
    case 'reload': {
      if (database !== undefined) throw invalidCommand(text)
      await controls.reload()
      return []
    }
    case 'suspend':
      throw notSupported('SUSPEND is not supported', 'PAUSE holds new transactions back.')
    case 'shutdown':
      throw notSupported(
        'SHUTDOWN is not supported',
        'Stop the process that serves the endpoint: "allwrite stop", or SIGTERM to "allwrite proxy".',
      )
    default:
      return action satisfies never
  }
}

/** What a command is given up for by a cancel request. */
export const cancelReason = 'cancel request'
const isCancelled = ({ aborted, reason }: AbortSignal): boolean => aborted && reason === cancelReason
const cancelled = (): AllwriteError => new AllwriteError('cancelled', 'canceling statement due to user request')

function mayNotBePaused(controls: Controls): void {
  if (controls.snapshot().paused) throw consoleError('already suspended/paused')
}

function notAdmin(action: Action, database: string | undefined): string | undefined {
  if (database === adminName) throw consoleError(`cannot ${action} admin db: ${database}`)
  return database
}

const notPaused = (database: string | undefined): AllwriteError =>
  database === undefined
    ? consoleError('pooler is not paused/suspended', 'What "allwrite pause" has paused, "allwrite resume" lets go on.')
    : consoleError(`database ${database} is not paused`)
