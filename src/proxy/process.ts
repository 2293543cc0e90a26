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
import { emptyView, type ClusterView } from './view.ts'

export interface ProxyOptions {
  readonly host: string
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
  }[]
  /** Since the proxy began. */
  readonly pinnedMoves: number
  readonly pin: { readonly epoch: number; readonly node: number }
}

export interface Proxy extends AsyncDisposable {
  status(): ProxyStatus
  close(): Promise<void>
}

/** How long the cluster's API may take at the start, ms. */
const firstViewWithinMsMax = 30_000

interface Open {
  readonly spec: EndpointSpec
  readonly routes: Routes
  readonly endpoint: Endpoint
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
      open.push({ spec, routes, endpoint: await startEndpoint({ host, port: spec.port, tls: () => view.tls, routes }) })
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
        clients: endpoint.clients,
        waiting: endpoint.waiting,
        connections: [...routes.connections()],
      })),
      pinnedMoves: writer.moves,
      pin: writer.pin,
    }),
    close,
    [Symbol.asyncDispose]: close,
  }
}
