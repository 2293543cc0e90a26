/**
 * PostgreSQL servers as child processes: where the binaries are, how a data folder comes to be, how a server starts,
 * stops and is cleared away when its agent died. No SQL is spoken here, except the first bytes of a connection that
 * tell whether the server answers.
 *
 * Contract
 * 1. A server that `startPostgres` returned answers on its socket. It listens nowhere else unless told.
 * 2. It outlives its agent (own session): a killed agent must not take the server down in the middle of a write. So
 *    whoever starts next on the folder calls `endLeftover` first, which returns only when no process of the folder lives.
 * 3. Nothing here runs a server as root: it is started as `postgres`, else `nobody`, and the folders belong to that user.
 *
 * Failure cases: every expected one (wrong version, foreign folder, unreachable path, server died while starting) is an
 * AllwriteError with code `configuration` or `postgres`, a DETAIL with the server's last log lines, and a HINT.
 *
 * @module
 */
export { takeBaseBackup, type BaseBackup, type BaseBackupOptions } from './base-backup.ts'
export { locateBinaries, type PostgresBinaries } from './binaries.ts'
export { checkDataDir, copyDataDir, initDatabase, syncFolder, type InitOptions } from './data-dir.ts'
export { ensureOwned, serverIdentity, type Identity } from './identity.ts'
export { endLeftover, processesOf } from './leftover.ts'
export { processActivity, processAlive, processCommand, processStart, type ProcessActivity } from './proc.ts'
export { probe, type ProbeResult } from './probe.ts'
export { existingRuntimeDir, runtimeDir, socketPathBytesMax } from './runtime-dir.ts'
export { startPostgres, type PostgresExit, type PostgresOptions, type PostgresServer, type StopMode } from './server.ts'
export { systemCode, wordsOf } from './system-error.ts'
