/**
 * What SHOW shows: PgBouncer's columns, by name and order those of its version {@link spokenVersion}. Behind them stand columns of other
 * versions that tools ask for, and ours. Pure.
 *
 * @module
 */
import type { ResultColumn } from '../../wire/pgwire/messages.ts'
import {
  addTotals,
  noTotals,
  type ClientEntry,
  type PoolEntry,
  type ServerEntry,
  type Snapshot,
  type Totals,
} from './snapshot.ts'

/** Of PgBouncer: Debian 12's. */
export const spokenVersion = '1.18.0'
/** The database of the console, and its role. */
export const adminName = 'pgbouncer'

export interface Table {
  readonly columns: readonly ResultColumn[]
  readonly rows: (snapshot: Snapshot) => readonly (readonly Cell[])[]
}
export type Cell = string | number | null

const types = {
  text: { type: 25, size: -1 },
  int: { type: 23, size: 4 },
  bigint: { type: 20, size: 8 },
  numeric: { type: 1700, size: -1 },
} as const
const columns = (type: keyof typeof types, names: string): ResultColumn[] =>
  names.split(' ').map((name) => ({ name, ...types[type] }))

// --- clients and connections ---

const socketColumns = [
  ...columns('text', 'type user database state addr'),
  ...columns('int', 'port'),
  ...columns('text', 'local_addr'),
  ...columns('int', 'local_port'),
  ...columns('text', 'connect_time request_time'),
  ...columns('int', 'wait wait_us close_needed'),
  ...columns('text', 'ptr link'),
  ...columns('int', 'remote_pid'),
  ...columns('text', 'tls application_name'),
]
const debugColumns = columns('int', 'recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail')
/** As PgBouncer has them since 1.23; the id is what KILL_CLIENT takes. */
const laterColumns = columns('int', 'prepared_statements id')

const stateOf = (entry: ClientEntry | ServerEntry): string => {
  if ('used' in entry) return entry.used ? 'active' : 'idle'
  if (entry.waitUs !== undefined) return 'waiting'
  // The console answers for itself.
  return entry.link === undefined && entry.database !== adminName ? 'idle' : 'active'
}

function socketRow(entry: ClientEntry | ServerEntry, state: string): Cell[] {
  const waitUs = 'pins' in entry ? (entry.waitUs ?? 0) : 0
  return [
    'used' in entry ? 'S' : 'C',
    entry.user,
    entry.database,
    state,
    entry.address,
    entry.port,
    entry.localAddress,
    entry.localPort,
    timeOf(entry.connectedAt),
    timeOf(entry.requestedAt),
    Math.floor(waitUs / 1e6),
    waitUs % 1e6,
    0,
    pointer(entry.id),
    entry.link === undefined ? '' : pointer(entry.link),
    'pid' in entry ? entry.pid : 0,
    entry.tls,
    entry.applicationName,
  ]
}

const timeOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
const pointer = (id: number): string => `0x${id.toString(16)}`
const laterCells = (entry: ClientEntry | ServerEntry): Cell[] => [entry.preparedStatements, entry.id]

const socketTable = (entries: (snapshot: Snapshot) => readonly (ClientEntry | ServerEntry)[]): Table => ({
  columns: [...socketColumns, ...laterColumns],
  rows: (snapshot) => entries(snapshot).map((entry) => [...socketRow(entry, stateOf(entry)), ...laterCells(entry)]),
})

const debugTable = (isShown: (entry: ClientEntry | ServerEntry) => boolean): Table => ({
  columns: [...socketColumns, ...debugColumns, ...laterColumns],
  rows: ({ clients, servers }) =>
    [...clients, ...servers].filter(isShown).map((entry) => {
      const state = stateOf(entry)
      const shown = 'used' in entry ? `sv_${state}` : state === 'waiting' ? 'cl_waiting' : 'cl_active'
      return [...socketRow(entry, shown), 0, 0, 0, 0, 0, entry.unread, entry.unsent, ...laterCells(entry)]
    }),
})

// --- pools ---

const poolsTable: Table = {
  columns: [
    ...columns('text', 'database user'),
    ...columns('int', 'cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req'),
    ...columns('int', 'sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login'),
    ...columns('int', 'maxwait maxwait_us'),
    ...columns('text', 'pool_mode'),
  ],
  rows: (snapshot) => [
    ...snapshot.pools.map((pool): Cell[] => {
      const isOf = (entry: { readonly user: string; readonly database: string }): boolean =>
        entry.user === pool.user && entry.database === pool.database
      const waits = snapshot.clients.filter(isOf).map(({ waitUs }) => waitUs)
      const waiting = waits.filter((waitUs) => waitUs !== undefined)
      const waitUs = Math.max(0, ...waiting)
      const servers = snapshot.servers.filter(isOf)
      const used = servers.filter((server) => server.used).length
      return [
        pool.database,
        pool.user,
        waits.length - waiting.length,
        waiting.length,
        0,
        0,
        used,
        0,
        0,
        servers.length - used,
        0,
        0,
        pool.opening,
        Math.floor(waitUs / 1e6),
        waitUs % 1e6,
        'transaction',
      ]
    }),
    [adminName, adminName, snapshot.consoles, ...Array.from({ length: 12 }, () => 0), 'statement'],
  ],
}

const databasesOf = ({ pools, pausedDatabases, disabledDatabases }: Snapshot): string[] =>
  [...new Set([...pools.map(({ database }) => database), ...pausedDatabases, ...disabledDatabases])].sort()

const databasesTable: Table = {
  columns: [
    ...columns('text', 'name host'),
    ...columns('int', 'port'),
    ...columns('text', 'database force_user'),
    ...columns('int', 'pool_size min_pool_size reserve_pool'),
    ...columns('text', 'pool_mode'),
    ...columns('int', 'max_connections current_connections paused disabled'),
  ],
  rows: (snapshot) => [
    ...databasesOf(snapshot).map((database): Cell[] => {
      const open = snapshot.servers.filter((server) => server.database === database).length
      const paused = snapshot.pausedDatabases.has(database)
      const disabled = snapshot.disabledDatabases.has(database)
      // The node is chosen for each session: no host.
      const head = [database, null, snapshot.port, database, null, snapshot.connectionsMax, 0, 0, null]
      return [...head, 0, open, Number(paused), Number(disabled)]
    }),
    [adminName, null, snapshot.port, adminName, adminName, 2, 0, 0, 'statement', 0, 0, 0, 0],
  ],
}

const usersOf = ({ pools }: Snapshot): string[] => [...new Set(pools.map(({ user }) => user)), adminName].sort()

// --- sums ---

const listed = ({ transactions, queries, received, sent, transactionUs, queryUs, waitUs }: Totals): number[] =>
  [transactions, queries, received, sent, transactionUs, queryUs, waitUs].map(Math.round)

/** As calc_average of PgBouncer's src/stats.c: counts, bytes and waiting per second, times per transaction and per query. */
export function averagesOf({ totals, before, sinceMs }: Pick<PoolEntry, 'totals' | 'before' | 'sinceMs'>): Totals {
  const per = (count: number, value: number): number => (count === 0 ? 0 : value / count)
  const grown = addTotals(totals, {
    transactions: -before.transactions,
    queries: -before.queries,
    received: -before.received,
    sent: -before.sent,
    transactionUs: -before.transactionUs,
    queryUs: -before.queryUs,
    waitUs: -before.waitUs,
  })
  const seconds = sinceMs / 1000
  return {
    transactions: per(seconds, grown.transactions),
    queries: per(seconds, grown.queries),
    received: per(seconds, grown.received),
    sent: per(seconds, grown.sent),
    transactionUs: per(grown.transactions, grown.transactionUs),
    queryUs: per(grown.queries, grown.queryUs),
    waitUs: per(seconds, grown.waitUs),
  }
}

interface Sums {
  readonly database: string
  readonly totals: Totals
  readonly averages: Totals
}

/** The last is the console's own, which PgBouncer shows as well. */
function sumsOf(snapshot: Snapshot): Sums[] {
  const sums = [...new Set(snapshot.pools.map(({ database }) => database))].sort().map((database): Sums => {
    const pools = snapshot.pools.filter((pool) => pool.database === database)
    const totals = pools.map((pool) => pool.totals).reduce(addTotals, noTotals)
    const before = pools.map((pool) => pool.before).reduce(addTotals, noTotals)
    const sinceMs = Math.max(...pools.map((pool) => pool.sinceMs))
    return { database, totals, averages: averagesOf({ totals, before, sinceMs }) }
  })
  return [...sums, { database: adminName, totals: noTotals, averages: noTotals }]
}

const statsNames =
  'total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time ' +
  'avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time'
const totalsNames = 'xact_count query_count bytes_received bytes_sent xact_time query_time wait_time'
const numericRows = (names: string): ResultColumn[] => [...columns('text', 'database'), ...columns('numeric', names)]

const statsTable: Table = {
  columns: [
    ...numericRows(statsNames),
    // Before PgBouncer 1.8 queries were called requests: Debian 12's exporter still asks for it.
    ...columns('numeric', 'total_requests'),
  ],
  rows: (snapshot) =>
    sumsOf(snapshot).map(({ database, totals, averages }) => [
      database,
      ...listed(totals),
      ...listed(averages),
      totals.queries,
    ]),
}

const sumNames = ['xact_count', 'query_count', 'client_bytes', 'server_bytes', 'xact_time', 'query_time', 'wait_time']

const totalsTable: Table = {
  columns: [...columns('text', 'name'), ...columns('numeric', 'value')],
  rows: (snapshot) => {
    const sums = sumsOf(snapshot)
    const cells = (prefix: string, total: Totals): Cell[][] =>
      listed(total).map((value, index) => [`${prefix}_${sumNames[index] ?? ''}`, value])
    return [
      ...cells('total', sums.map(({ totals }) => totals).reduce(addTotals, noTotals)),
      ...cells('avg', sums.map(({ averages }) => averages).reduce(addTotals, noTotals)),
    ]
  },
}

const listsTable: Table = {
  columns: [...columns('text', 'list'), ...columns('int', 'items')],
  rows: (snapshot) => [
    ['databases', databasesOf(snapshot).length + 1],
    ['users', usersOf(snapshot).length],
    ['pools', snapshot.pools.length + 1],
    ['free_clients', 0],
    ['used_clients', snapshot.clients.length],
    ['login_clients', snapshot.logins],
    ['free_servers', 0],
    ['used_servers', snapshot.servers.length],
    ['dns_names', 0],
    ['dns_zones', 0],
    ['dns_queries', 0],
    ['dns_pending', 0],
  ],
}

const pinsTable: Table = {
  columns: [
    ...columns('int', 'id'),
    ...columns('text', 'user database addr'),
    ...columns('int', 'port'),
    ...columns('text', 'application_name node'),
    ...columns('int', 'remote_pid'),
    ...columns('text', 'reasons'),
  ],
  rows: ({ clients, servers }) =>
    clients
      .filter(({ pins }) => pins.length > 0)
      .map(({ id, user, database, address, port, applicationName, node, link, pins }) => {
        const pid = servers.find((server) => server.id === link)?.pid ?? null
        return [
          id,
          user,
          database,
          address,
          port,
          applicationName,
          node === undefined ? null : `n${node}`,
          pid,
          pins.join(', '),
        ]
      }),
}

const memoryTable: Table = {
  columns: [...columns('text', 'name'), ...columns('bigint', 'size used free memtotal')],
  rows: ({ memory: { heapTotal, heapUsed, external, rss } }) => [
    ['heap', 1, heapUsed, heapTotal - heapUsed, heapTotal],
    ['external', 1, external, 0, external],
    ['resident', 1, rss, 0, rss],
  ],
}

const none = (...shown: readonly ResultColumn[]): Table => ({ columns: shown, rows: () => [] })

/** By the word behind SHOW, in lower case. */
export const tables: ReadonlyMap<string, Table> = new Map<string, Table>([
  ['active_sockets', debugTable(({ unread, unsent }) => unread > 0 || unsent > 0)],
  ['clients', socketTable(({ clients }) => clients)],
  [
    'config',
    {
      columns: columns('text', 'key value default changeable'),
      rows: ({ settings }) =>
        settings.map(({ name, value, standard, changeable }) => [name, value, standard, changeable ? 'yes' : 'no']),
    },
  ],
  ['databases', databasesTable],
  // Names are looked up by the system; nothing is kept here.
  ['dns_hosts', none(...columns('text', 'hostname'), ...columns('bigint', 'ttl'), ...columns('text', 'addrs'))],
  ['dns_zones', none(...columns('text', 'zonename'), ...columns('bigint', 'serial'), ...columns('int', 'count'))],
  ['lists', listsTable],
  ['mem', memoryTable],
  // Processes that share a port and pass each other cancel requests: the pool's are told apart by their keys.
  [
    'peer_pools',
    none(...columns('int', 'peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login')),
  ],
  ['peers', none(...columns('int', 'peer_id'), ...columns('text', 'host'), ...columns('int', 'port pool_size'))],
  ['pins', pinsTable],
  ['pools', poolsTable],
  ['servers', socketTable(({ servers }) => servers)],
  ['sockets', debugTable(() => true)],
  [
    'state',
    {
      columns: columns('text', 'key value'),
      rows: ({ paused }) => [
        ['active', paused ? 'no' : 'yes'],
        ['paused', paused ? 'yes' : 'no'],
        ['suspended', 'no'],
      ],
    },
  ],
  ['stats', statsTable],
  [
    'stats_averages',
    {
      columns: numericRows(totalsNames),
      rows: (snapshot) => sumsOf(snapshot).map(({ database, averages }) => [database, ...listed(averages)]),
    },
  ],
  [
    'stats_totals',
    {
      columns: numericRows(totalsNames),
      rows: (snapshot) => sumsOf(snapshot).map(({ database, totals }) => [database, ...listed(totals)]),
    },
  ],
  ['totals', totalsTable],
  [
    'users',
    {
      columns: columns('text', 'name pool_mode'),
      rows: (snapshot) => usersOf(snapshot).map((user) => [user, null]),
    },
  ],
  ['version', { columns: columns('text', 'version'), rows: () => [[`PgBouncer ${spokenVersion} (Allwrite)`]] }],
])
