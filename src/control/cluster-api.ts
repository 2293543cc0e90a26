/**
 * The cluster's HTTP API, on the loopback address: status, metrics and health to look at, the stream that proxies follow, and what an
 * operator may change. No secrets in it: URLs come without passwords.
 *
 *     GET  /status                    as `allwrite status --json`
 *     GET  /metrics                   Prometheus
 *     GET  /watch                     proxy/view.ts: a line of JSON at each change, and each quarter of a second
 *     GET  /, /primary … /liveness    health.ts: 200 where at least one node is fit
 *     GET  /nodes/n1/primary …        health.ts, of one node, by the supervisor's word
 *     POST /nodes/n1/drain, /nodes/n1/undrain, /pause, /resume
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { AllwriteError } from '../core/errors.ts'
import { parseNodeName } from '../core/ids.ts'
import type { ClusterView } from '../proxy/index.ts'
import { hidePassword } from './events.ts'
import { healthCode } from './health.ts'
import { answer, answerChange, isLook, readChange, send, targetOf } from './http.ts'
import { metricsType } from './metrics.ts'
import type { ClusterStatus } from './status.ts'

export interface ClusterApiOptions {
  readonly host: string
  readonly port: number
  readonly status: () => ClusterStatus
  readonly view: () => ClusterView
  readonly metrics: () => string
  readonly setDraining: (id: number, wanted: boolean) => Promise<void>
  readonly setPaused: (wanted: boolean) => void
}

export interface ClusterApi extends AsyncDisposable {
  /** Something that proxies must know has changed. */
  changed(): void
}

/** How often the stream tells how far behind the nodes are, ms. */
const tellEveryMs = 250
/** Proxies that may follow at a time. */
const watchersMax = 256
/** One that does not read is given up; it asks again. */
const unreadBytesMax = 1024 * 1024

/** @throws AllwriteError configuration if the address can't be listened on */
export async function serveClusterApi(options: ClusterApiOptions): Promise<ClusterApi> {
  const { host, port } = options
  const watchers = new Set<ServerResponse>()
  const changed = (): void => {
    if (watchers.size === 0) return
    const line = `${JSON.stringify(options.view())}\n`
    for (const watcher of watchers) {
      if (watcher.writableLength > unreadBytesMax) watcher.destroy()
      else watcher.write(line)
    }
  }
  const watch = (response: ServerResponse): void => {
    if (watchers.size >= watchersMax) return answer(response, 503, { message: 'too many proxies follow' })
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
    response.write(`${JSON.stringify(options.view())}\n`)
    watchers.add(response)
    response.once('close', () => watchers.delete(response))
    response.on('error', () => undefined)
  }

  const server = createServer((request, response) => {
    const { path } = targetOf(request)
    if (request.method === 'POST') return answerChange(response, change(request, path, options))
    if (!isLook(request)) return answer(response, 405, { message: 'the method is not allowed' })
    if (path === '/watch') return watch(response)
    return look(request, response, options)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const details = { detail: cause.message, hint: 'Choose other ports with --base-port.', cause }
      reject(new AllwriteError('configuration', `could not listen on ${host}:${port}`, details))
    })
    server.listen({ host, port }, resolve)
  })
  const timer = setInterval(changed, tellEveryMs)
  return {
    changed,
    [Symbol.asyncDispose]: () => {
      clearInterval(timer)
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

function look(request: IncomingMessage, response: ServerResponse, options: ClusterApiOptions): void {
  const { path, query } = targetOf(request)
  if (path === '/metrics') return send(response, 200, metricsType, options.metrics())
  const status = options.status()
  if (path === '/status') return answer(response, 200, withoutSecrets(status))
  const [, name, rest] = /^\/nodes\/([^/]+)(\/.*)?$/.exec(path) ?? []
  const nodes = name === undefined ? status.nodes : status.nodes.filter(({ id }) => id === name)
  const codes = nodes.map((node) => healthCode(name === undefined ? path : (rest ?? '/'), query, node))
  const [first] = codes
  if (first === undefined) return answer(response, 404, { message: 'there is nothing here' })
  const { url, ...one } = nodes[0] ?? { url: '' }
  const shown = name === undefined ? { state: status.state } : { ...one, url: hidePassword(url) }
  return answer(response, codes.includes(200) ? 200 : 503, shown)
}

async function change(request: IncomingMessage, path: string, options: ClusterApiOptions): Promise<object> {
  await readChange(request)
  const [, name = '', verb] = /^\/nodes\/([^/]+)\/(drain|undrain)$/.exec(path) ?? []
  if (path === '/pause' || path === '/resume') options.setPaused(path === '/pause')
  else if (verb !== undefined) {
    const node = parseNodeName(name)
    if (node === undefined) throw new AllwriteError('configuration', `no node is named "${name}"`)
    await options.setDraining(node, verb === 'drain')
  } else throw new AllwriteError('configuration', 'there is nothing here')
  return withoutSecrets(options.status())
}

/** What a stranger on this machine may see. */
function withoutSecrets(status: ClusterStatus): ClusterStatus {
  const nodes = status.nodes.map((node) => ({ ...node, url: hidePassword(node.url) }))
  const { cluster, reader, proxy } = status
  return { ...status, cluster: hidePassword(cluster), reader: hidePassword(reader), proxy: hidePassword(proxy), nodes }
}
