/**
 * A donor as a joiner sees it: a peer's server that holds what its agent vouches for.
 *
 * The agent vouches by holding an advisory lock on its control connection, from the moment when it has caught up until it
 * finds its node inconsistent, or dies. A lock needs no clean-up, is not in a copy, and is asked for over the same server as
 * everything else. Of a server without it nothing is copied: its data may be wrong, or its agent may be about to replace it.
 *
 * On one machine the joiner reaches a donor's server through its private socket, and its verdict log in its folder. docs/adr/0011
 * says what takes their place between machines.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { nodeName, type NodeId, type Position } from '../../core/ids.ts'
import { timeLimit } from '../../journal/cancel.ts'
import { originPosition, type Query } from '../recovery/progress.ts'
import { agentRole, connectAsAgent, queryOf, socketPathIn } from '../server.ts'
import { connectBackend } from '../session/backend.ts'

/** Where a peer on this machine is found. */
export interface Peer {
  readonly node: NodeId
  /** Of its server's socket. */
  readonly runtimeDir: string
  /** The agent's own folder. */
  readonly nodeDir: string
}

/** The verdict log's name in an agent's own folder. */
export const verdictsFile = 'verdicts'

/** The two numbers of the advisory lock: "allw", "copy". */
const vouchLock = [0x616c_6c77, 0x636f_7079] as const

/** A peer that does not answer for so long is no donor, ms: it may be stopped, and the next one lives. */
const answerMsMax = 5_000
/** A copy that gets nothing for so long is given up, ms. The donor's checkpoint, at its begin, is waited for as well. */
const streamSilentMsMax = 60_000

export interface Voucher {
  /** From now on, for as long as this connection lives, the node may be copied. */
  begin(query: Query): Promise<void>
  /** Something is wrong with the node's data: it is not to be copied any more, nor ever again by this agent. */
  end(): void
}

export const createVoucher = (): Voucher => {
  let holder: Query | undefined
  let ended = false
  return {
    async begin(query) {
      if (ended) return
      holder = query
      await query('SELECT pg_advisory_lock($1, $2)', vouchLock)
    },
    end() {
      ended = true
      // Where this fails the server is gone, and the lock with it.
      holder?.('SELECT pg_advisory_unlock($1, $2)', vouchLock).catch(() => undefined)
      holder = undefined
    },
  }
}

const vouchedSql = `SELECT 1 AS vouched FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = ($1, $2, 2) AND l.granted AND a.usename = $3`

const loadSql = `SELECT (SELECT count(*)::text FROM pg_stat_progress_basebackup) AS copies,
  (SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> $1) AS clients`

export interface Donor extends AsyncDisposable {
  readonly node: NodeId
  /** Whether its agent vouches for it now. */
  vouched(): Promise<boolean>
  /** Copies that it gives now, and clients that it serves. */
  load(): Promise<{ readonly copies: number; readonly clients: number }>
  /** A position up to which it has applied everything. */
  position(): Promise<Position>
  /** A replication connection, ready for a command. */
  replication(signal: AbortSignal): Promise<Socket>
  /** What its agent remembers of verdicts: complete up to every position that its server has applied. */
  verdicts(): Buffer
}

export interface DonorOptions {
  readonly database: string
  readonly agentSecret: string
}

/**
 * Connects to a peer.
 * @returns undefined where it can't be a donor now: it is down, catching up, or inconsistent
 */
export const connectDonor = async (peer: Peer, options: DonorOptions): Promise<Donor | undefined> => {
  const { database, agentSecret } = options
  const client = await connectAsAgent({
    socketDir: peer.runtimeDir,
    database,
    agentPassword: agentSecret,
    name: 'copy',
    answerMsMax,
    onLost: () => undefined,
  }).catch(() => undefined)
  if (client === undefined) return undefined
  const query = queryOf(client)
  const donor: Donor = {
    node: peer.node,
    async vouched() {
      return (await query(vouchedSql, [...vouchLock, agentRole])).length > 0
    },
    async load() {
      const [row] = await query(loadSql, [agentRole])
      return { copies: Number(row?.['copies']), clients: Number(row?.['clients']) }
    },
    position: () => originPosition(query),
    async replication(signal) {
      using limit = timeLimit(signal, answerMsMax)
      const { socket } = await connectBackend({
        socketPath: socketPathIn(peer.runtimeDir),
        user: agentRole,
        database,
        credentials: { kind: 'password', password: agentSecret },
        settings: [['replication', 'true']],
        signal: limit.signal,
      })
      socket.setTimeout(streamSilentMsMax, () => {
        socket.destroy(new AllwriteError('unavailable', `${nodeName(peer.node)} sends nothing any more`))
      })
      return socket
    },
    verdicts: () => readFileSync(join(peer.nodeDir, verdictsFile)),
    // A server that hangs does not even take leave.
    [Symbol.asyncDispose]: () => Promise.race([client.end(), delay(answerMsMax, undefined, { ref: false })]),
  }
  if (await donor.vouched().catch(() => false)) return donor
  await donor[Symbol.asyncDispose]()
  return undefined
}
