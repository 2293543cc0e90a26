import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommand } from './command.ts'
import { noTotals, type PoolEntry, type Snapshot } from './snapshot.ts'
import { averagesOf, tables } from './tables.ts'

test('commands are read as PgBouncer reads them', () => {
  deepEqual(parseCommand('SHOW POOLS'), { kind: 'show', what: 'pools' })
  deepEqual(parseCommand('\n show "STATS" ; '), { kind: 'show', what: 'stats' })
  deepEqual(parseCommand('select version;'), { kind: 'show', what: 'version' })
  deepEqual(parseCommand('PAUSE'), { kind: 'act', action: 'pause', argument: '' })
  deepEqual(parseCommand('pause "my ""Db"'), { kind: 'act', action: 'pause', argument: 'my "Db' })
  deepEqual(parseCommand('KILL_CLIENT 12'), { kind: 'act', action: 'kill_client', argument: '12' })
  deepEqual(parseCommand("SET a = 'it''s'"), { kind: 'set', name: 'a', value: "it's" })
  deepEqual(parseCommand('set A to 5;'), { kind: 'set', name: 'A', value: '5' })
  for (const text of ['', ';', 'SHOW POOLS; SHOW STATS', 'SELECT 1 + 1', 'BEGIN', 'PAUSE a b', "SHOW 'x'", 'SET a'])
    equal(parseCommand(text), undefined, text)
})

test('a long text is refused without looking for a command in it', () => {
  equal(parseCommand(`show ${' '.repeat(1_000_000)}pools`), undefined)
})

/** Of PgBouncer 1.18.0, as Debian 12 has it: `SHOW …` of each, with psycopg2. */
const columnsOf118: Readonly<Record<string, string>> = {
  version: 'version:25',
  pools:
    'database:25 user:25 cl_active:23 cl_waiting:23 cl_active_cancel_req:23 cl_waiting_cancel_req:23 sv_active:23 sv_active_cancel:23 sv_being_canceled:23 sv_idle:23 sv_used:23 sv_tested:23 sv_login:23 maxwait:23 maxwait_us:23 pool_mode:25',
  clients:
    'type:25 user:25 database:25 state:25 addr:25 port:23 local_addr:25 local_port:23 connect_time:25 request_time:25 wait:23 wait_us:23 close_needed:23 ptr:25 link:25 remote_pid:23 tls:25 application_name:25',
  servers:
    'type:25 user:25 database:25 state:25 addr:25 port:23 local_addr:25 local_port:23 connect_time:25 request_time:25 wait:23 wait_us:23 close_needed:23 ptr:25 link:25 remote_pid:23 tls:25 application_name:25',
  stats:
    'database:25 total_xact_count:1700 total_query_count:1700 total_received:1700 total_sent:1700 total_xact_time:1700 total_query_time:1700 total_wait_time:1700 avg_xact_count:1700 avg_query_count:1700 avg_recv:1700 avg_sent:1700 avg_xact_time:1700 avg_query_time:1700 avg_wait_time:1700',
  stats_totals:
    'database:25 xact_count:1700 query_count:1700 bytes_received:1700 bytes_sent:1700 xact_time:1700 query_time:1700 wait_time:1700',
  stats_averages:
    'database:25 xact_count:1700 query_count:1700 bytes_received:1700 bytes_sent:1700 xact_time:1700 query_time:1700 wait_time:1700',
  totals: 'name:25 value:1700',
  lists: 'list:25 items:23',
  databases:
    'name:25 host:25 port:23 database:25 force_user:25 pool_size:23 min_pool_size:23 reserve_pool:23 pool_mode:25 max_connections:23 current_connections:23 paused:23 disabled:23',
  users: 'name:25 pool_mode:25',
  config: 'key:25 value:25 default:25 changeable:25',
  active_sockets:
    'type:25 user:25 database:25 state:25 addr:25 port:23 local_addr:25 local_port:23 connect_time:25 request_time:25 wait:23 wait_us:23 close_needed:23 ptr:25 link:25 remote_pid:23 tls:25 application_name:25 recv_pos:23 pkt_pos:23 pkt_remain:23 send_pos:23 send_remain:23 pkt_avail:23 send_avail:23',
  sockets:
    'type:25 user:25 database:25 state:25 addr:25 port:23 local_addr:25 local_port:23 connect_time:25 request_time:25 wait:23 wait_us:23 close_needed:23 ptr:25 link:25 remote_pid:23 tls:25 application_name:25 recv_pos:23 pkt_pos:23 pkt_remain:23 send_pos:23 send_remain:23 pkt_avail:23 send_avail:23',
  dns_hosts: 'hostname:25 ttl:20 addrs:25',
  dns_zones: 'zonename:25 serial:20 count:23',
}

test('columns are those of PgBouncer 1.18, and ours come behind them', () => {
  for (const [name, expected] of Object.entries(columnsOf118)) {
    const shown = (tables.get(name)?.columns ?? []).map((column) => `${column.name}:${column.type}`)
    equal(shown.slice(0, expected.split(' ').length).join(' '), expected, name)
  }
})

const pool = (database: string, user: string, queries: number): PoolEntry => ({
  database,
  user,
  totals: { ...noTotals, queries, transactions: 2, transactionUs: 5_000.4, queryUs: 3_000 },
  before: { ...noTotals, queries: 10 },
  sinceMs: 10_000,
  opening: 0,
})

const snapshot: Snapshot = {
  now: 0,
  port: 6432,
  paused: false,
  pausedDatabases: new Set(['held']),
  disabledDatabases: new Set(),
  pools: [pool('one', 'a', 30), pool('one', 'b', 40), pool('two', 'a', 10)],
  clients: [],
  servers: [],
  consoles: 1,
  logins: 0,
  settings: [],
  connectionsMax: 7,
  memory: { heapTotal: 3, heapUsed: 1, external: 4, rss: 5 },
}

test('every table has as many cells in a row as columns', () => {
  const socket = {
    id: 1,
    user: 'a',
    database: 'one',
    address: '::1',
    port: 1,
    localAddress: '::1',
    localPort: 2,
    connectedAt: 0,
    requestedAt: 0,
    tls: '',
    applicationName: 'x',
    preparedStatements: 0,
    unread: 1,
    unsent: 0,
  }
  const busy: Snapshot = {
    ...snapshot,
    clients: [{ ...socket, link: 2, waitUs: undefined, node: 1, pins: ['LISTEN'] }],
    servers: [{ ...socket, id: 2, link: 1, node: 1, pid: 9, used: true }],
    settings: [{ name: 'a', value: 'b', standard: 'c', changeable: true }],
  }
  for (const [name, { columns, rows }] of tables) for (const row of rows(busy)) equal(row.length, columns.length, name)
})

test('sums are by database, and averages are of what came since', () => {
  const rows = tables.get('stats')?.rows(snapshot) ?? []
  deepEqual(
    rows.map(([database, transactions, queries]) => [database, transactions, queries]),
    [
      ['one', 4, 70],
      ['two', 2, 10],
      ['pgbouncer', 0, 0],
    ],
  )
  const averages = averagesOf(pool('one', 'a', 30))
  deepEqual([averages.queries, averages.queryUs, averages.transactionUs], [2, 150, 2500.2])
  deepEqual(averagesOf({ totals: noTotals, before: noTotals, sinceMs: 0 }), noTotals)
})

test('a database that only waits is shown', () => {
  const shown = (tables.get('databases')?.rows(snapshot) ?? []).map((row) => [row[0], row.at(-2)])
  deepEqual(shown, [
    ['held', 1],
    ['one', 0],
    ['two', 0],
    ['pgbouncer', 0],
  ])
})
