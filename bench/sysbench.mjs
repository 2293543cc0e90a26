/**
 * Runs sysbench's OLTP scripts against one or several nodes at once and adds the results up.
 *
 * sysbench's pgsql driver takes one port, so every system gets one sysbench process per node: the load generators then
 * cost the same everywhere. On SQLSTATE 40001, 40P01 and 23505 the pgsql driver rolls back, counts an "ignored error" and
 * starts the event again (drv_pgsql.c); for MariaDB --mysql-ignore-errors=all does the same. Errors are reported, not hidden.
 */
import { run } from '../dist/testing/tools.js'

/** @typedef {{ driver: 'pgsql' | 'mysql', host: string, port: string, user: string, password: string, database: string }} Target */
/** @typedef {{ tps: number, p95Ms: number, errorsPerSecond: number }} Result */

/** @returns {Target} */
export const targetOf = (url) => {
  const { hostname, port, username, password, pathname } = new URL(url)
  const user = decodeURIComponent(username)
  return {
    driver: 'pgsql',
    host: hostname,
    port,
    user,
    password: decodeURIComponent(password),
    database: pathname.slice(1),
  }
}

const argumentsFor = (/** @type {Target} */ target, size) => {
  const { driver, host, port, user, password, database } = target
  const server = { host, port, user, password, db: database }
  return [
    `--db-driver=${driver}`,
    ...Object.entries(server).map(([name, value]) => `--${driver}-${name}=${value}`),
    ...(driver === 'mysql' ? ['--mysql-ignore-errors=all'] : []),
    `--tables=${size.tables}`,
    `--table-size=${size.tableSize}`,
    // Our own ids 1 … table-size: with AUTO_INCREMENT a Galera cluster of 4 hands out every 4th id only, and three quarters
    // of the updates find no row, commit nothing, and count as transactions all the same (measured: 4 × too high).
    '--auto_inc=off',
  ]
}

const execute = async (args) => {
  const { code, stdout, stderr } = await run('sysbench', args, { msMax: 600_000 })
  if (code !== 0) throw new Error(`sysbench ${args.at(-2)} ${args.at(-1)}: exit ${code}\n${stdout}\n${stderr}`)
  return stdout
}

/** Makes the tables through one node. */
export const prepare = (target, size) => execute([...argumentsFor(target, size), 'oltp_write_only', 'prepare'])

const perSecond = (output, label) => Number(new RegExp(`${label}:\\s+\\d+\\s+\\(([\\d.]+) per sec`).exec(output)?.[1])

/**
 * Runs one script on all targets at the same time, the clients spread evenly.
 * @returns {Promise<Result>} tps and errors added up; p95 of the slowest target
 */
export const measure = async (targets, script, clients, seconds, size) => {
  const outputs = await Promise.all(
    targets.map((target, index) => {
      const threads = Math.floor(clients / targets.length) + (index < clients % targets.length ? 1 : 0)
      const how = [`--threads=${threads}`, `--time=${seconds}`, '--percentile=95']
      return execute([...argumentsFor(target, size), ...how, script, 'run'])
    }),
  )
  const sum = (label) => outputs.reduce((total, output) => total + perSecond(output, label), 0)
  const p95 = outputs.map((output) => Number(/95th percentile:\s+([\d.]+)/.exec(output)?.[1]))
  return { tps: sum('transactions'), errorsPerSecond: sum('ignored errors'), p95Ms: Math.max(...p95) }
}
