/**
 * A proxy as a whole: its endpoints, fed with the cluster's state, and the pinned writer as far as it takes part in the choice.
 *
 * @module
 */
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { takePin, watchCluster } from './cluster-client.ts'
import type { EndpointKind } from './contract.ts'
import { startEndpoint, type Endpoint } from './endpoint.ts'
import type { EndpointSpec } from './endpoint-spec.ts'
import { createPinnedWriter } from './pinned-writer.ts'
import { createRoutes, type Routes } from './routes.ts'
import { openHbaSource, type HbaSource } from '../login/hba-source.ts'
import { createThrottle } from '../login/throttle.ts'
import { openTlsSource, type TlsFiles } from '../login/tls.ts'
import type { ProxyKeys } from '../login/vouching.ts'
import { openPool, type FailoverCounts, type Pool, type PoolOptions, type PoolSettings } from './pool/index.ts'
import { emptyView, type ClusterView } from './view.ts'

/** What endpoints need that pool their clients' transactions: those of kind `cluster` and `pinned`. */
export interface Pooling {
  readonly keys: ProxyKeys
  /** The cluster's first database. */
  readonly database: string
  /** Read at the start, and again by {@link Proxy.reload}. */
  readonly hbaFile: string
  readonly tls?: TlsFiles
  readonly settings?: Partial<PoolSettings>
}

export interface ProxyOptions {
  readonly host: string
  /** Undefined: all endpoints pass bytes on. */
  readonly pooling?: Pooling
  readonly endpoints: readonly EndpointSpec[]
  /** The cluster's HTTP API: `http://127.0.0.1:15435`. */
  readonly api: string
  /** Entries that a reader's node may be behind. */
  readonly lagMax?: number
  readonly log: (message: string) => void
}

export interface ProxyStatus {
  /** As the proxy knows them: its own losses of contact are told by what it still says. */
  readonly endpoints: readonly {
    readonly name: string
    readonly kind: EndpointKind
    readonly port: number
    readonly clients: number
    readonly waiting: number
    /** Open connections by node's number. */
    readonly connections: readonly (readonly [node: number, count: number])[]
    /** Undefined: the endpoint passes bytes on. */
    readonly pool?: PoolStatus
  }[]
  /** Since the proxy began. */
  readonly pinnedMoves: number
  readonly pin: { readonly epoch: number; readonly node: number }
}

export interface PoolStatus {
  readonly failovers: FailoverCounts
  readonly pins: readonly (readonly [reason: string, sessions: number])[]
}

export interface Proxy extends AsyncDisposable {
  status(): ProxyStatus
  /** Reads pg_hba.conf again. @throws AllwriteError configuration: the rules are what they were */
  reload(): Promise<void>
  close(): Promise<void>
}

/** How long the cluster's API may take at the start, ms. */
const firstViewWithinMsMax = 30_000

interface Open {
  readonly spec: EndpointSpec
  readonly routes: Routes
  readonly endpoint: Endpoint | Pool
}

/**
 * Listens when the cluster's state is known.
 * @throws AllwriteError configuration: an address can't be listened on; unavailable: the API does not answer
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  let view = emptyView
  let connected = true
  const all: Routes[] = []
  const now = () => performance.now()
  const update = () => {
    const known: ClusterView = { ...view, pin: writer.pin }
    for (const routes of all) routes.update(known)
  }
  const writer = createPinnedWriter({ take: takePin, onChange: update, now, log: options.log })

  const first = deferred<void>()
  let lost: Error | undefined
  const unwatch = watchCluster({
    url: options.api,
    onView: (next) => {
      if (!connected) options.log('the cluster’s API answers again')
      connected = true
      view = next
      writer.update(next)
      update()
      first.resolve()
    },
    onLost: (error) => {
      lost = error
      if (connected) options.log(`the cluster’s API is away: ${error.message}`)
      connected = false
    },
  })
  const open: Open[] = []
  let pools: Pools | undefined
  const close = async () => {
    unwatch()
    writer.close()
    await Promise.all(open.map(({ endpoint }) => endpoint.close()))
  }
  const timer = setTimeout(() => {
    first.reject(
      new AllwriteError('unavailable', `the cluster's API at ${options.api} does not answer`, {
        ...(lost === undefined ? {} : { detail: lost.message }),
        hint: 'Is the cluster up? "allwrite status --json" names the address as "http".',
      }),
    )
  }, firstViewWithinMsMax)
  try {
    await first.promise
    pools = options.pooling && (await poolsOf(options.pooling, options.log))
    for (const spec of options.endpoints) {
      const routes = createRoutes({
        kind: spec.kind,
        now,
        ...(spec.members === undefined ? {} : { members: new Set(spec.members) }),
        ...(spec.excluded === undefined ? {} : { excluded: new Set(spec.excluded) }),
        ...(options.lagMax === undefined ? {} : { lagMax: options.lagMax }),
        ...(spec.kind === 'pinned' ? { onWanted: () => writer.wanted() } : {}),
      })
      all.push(routes)
      update()
      const { host } = options
      const endpoint =
        pools && (spec.kind === 'cluster' || spec.kind === 'pinned')
          ? await openPool({ host, port: spec.port, routes, ...pools.options })
          : await startEndpoint({ host, port: spec.port, tls: () => view.tls, routes })
      open.push({ spec, routes, endpoint })
    }
  } catch (thrown) {
    await close()
    throw thrown
  } finally {
    clearTimeout(timer)
  }
  return {
    status: () => ({
      endpoints: open.map(({ spec, routes, endpoint }) => ({
        name: spec.name,
        kind: spec.kind,
        port: endpoint.port,
        waiting: endpoint.waiting,
        connections: [...routes.connections()],
        ...(isPool(endpoint)
          ? { clients: endpoint.size, pool: { failovers: { ...endpoint.failovers }, pins: [...endpoint.pins()] } }
          : { clients: endpoint.clients }),
      })),
      pinnedMoves: writer.moves,
      pin: writer.pin,
    }),
    reload: async () => pools?.hba.reload(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

const isPool = (endpoint: Endpoint | Pool): endpoint is Pool => 'failovers' in endpoint

interface Pools {
  readonly hba: HbaSource
  /** What all pools of this process have in common. */
  readonly options: Omit<PoolOptions, 'host' | 'port' | 'routes'>
}

/** @throws AllwriteError configuration: pg_hba.conf or the TLS files can't be used */
async function poolsOf({ keys, database, hbaFile, tls, settings }: Pooling, log: ProxyOptions['log']): Promise<Pools> {
  const hba = await openHbaSource(hbaFile)
  return {
    hba,
    options: {
      keys,
      database,
      rules: () => hba.rules(),
      reload: () => hba.reload(),
      throttle: createThrottle(),
      ...(settings && { settings }),
      ...(tls && {
        tls: await openTlsSource(tls, ({ message }) => log(`TLS files could not be reloaded: ${message}`)),
      }),
      log: { warn: (fields, message) => log(`${message} ${JSON.stringify(fields)}`) },
    },
  }
}
