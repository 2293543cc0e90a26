/**
 * What is asked of a server to see that it lives (server-watch.ts): each part that a node needs, over a connection that nobody else
 * waits on. The answers cost the server some 2 ms of CPU a second, most of it for the postmaster's.
 *
 * Not asked: the clients' own backends, each other's concern only, until one holds a lock that the apply worker waits for.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { probe as askPostmaster } from '../postgres/index.ts'
import type { Database } from './database.ts'
import { queryOf, type LocalServer } from './server.ts'
import type { Probe } from './server-watch.ts'

const everyMs = 250
/** The postmaster's costs a fork. With the silence, a look and a report (control/ipc.ts) it is told within 2 s. */
const postmasterEveryMs = 350
/** What these do takes moments, whatever clients ask for: one that runs and does not answer is suspicious, but may be starved. */
const busyWeight = 1 / 8
/** A large transaction is decoded, and applied, for as long as it takes. */
const busyWithClients = 0
/** The postmaster's answer is awaited for as long as the server lives. */
const postmasterWithinMsMax = 2 ** 31 - 1

export interface ServerProbesOptions {
  readonly server: LocalServer
  readonly dataDir: string
  /** Those that are open. */
  readonly databases: () => readonly Pick<Database, 'ping' | 'workerPid' | 'openSessions'>[]
  /** The data folder was removed under the running server. */
  readonly onFolderGone: () => void
}

export const createServerProbes = async (options: ServerProbesOptions): Promise<readonly Probe[]> => {
  const { server, databases } = options
  const query = queryOf(await server.connect('watch'))
  const backendPid = Number((await query('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid'])
  // Its server writes it first and removes it last.
  const pidFile = join(options.dataDir, 'postmaster.pid')
  const answered = (): boolean => true
  const lost = (): boolean => false
  /** Who of several has not answered yet is the one that is silent. */
  const all = (asked: () => readonly { readonly pid: number; readonly ping: () => Promise<void> }[]) => {
    const silent = new Set<number>()
    return {
      pid: () => [...silent][0] ?? asked()[0]?.pid,
      ask: async () => {
        const parts = asked().map(async ({ pid, ping }) => {
          silent.add(pid)
          await ping().finally(() => silent.delete(pid))
        })
        return Promise.all(parts).then(answered, lost)
      },
    }
  }
  const captures = all(() =>
    databases().flatMap(({ openSessions: opened }) =>
      opened === undefined ? [] : { pid: opened.capturePid, ping: () => opened.capture.ping() },
    ),
  )
  const workers = all(() => databases().flatMap(({ workerPid: pid, ping }) => (pid === undefined ? [] : { pid, ping })))
  return [
    {
      name: 'the postmaster',
      everyMs: postmasterEveryMs,
      busyWeight,
      pid: () => server.postgres.pid,
      ask: async () => {
        if (!existsSync(pidFile)) options.onFolderGone()
        return (await askPostmaster(server.socketPath, postmasterWithinMsMax)) !== 'silent'
      },
    },
    {
      name: 'a backend',
      everyMs,
      busyWeight,
      pid: () => backendPid,
      ask: () => query('SELECT 1').then(answered, lost),
    },
    {
      name: 'the capture stream',
      everyMs,
      busyWeight: busyWithClients,
      ...captures,
    },
    {
      name: 'the apply worker',
      everyMs,
      busyWeight: busyWithClients,
      ...workers,
    },
  ]
}
