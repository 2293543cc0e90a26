/**
 * What a proxy asks over HTTP: the cluster, for its state, as a stream; a node, to become the pinned writer.
 *
 * @module
 */
import { get, request, type ClientRequest } from 'node:http'
import { createInterface } from 'node:readline'
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { parsePin, parseView, type ClusterView, type NodeView, type Pin } from './view.ts'

export interface WatchOptions {
  /** `http://127.0.0.1:15435`, without a path. */
  readonly url: string
  readonly onView: (view: ClusterView) => void
  /** The stream has ended, or could not be had; it is tried again. */
  readonly onLost: (error: Error) => void
}

/** A line comes each quarter of a second; after this the stream counts as dead, ms. */
const silentMsMax = 3_000
/** Pause before the stream is asked for again, ms. */
const againMs = 250
/** How long a node may take to take over, ms: a certified transaction. One that hangs is told by the stream. */
const takeWithinMsMax = 5_000
/** An answer is a few numbers. */
const answerBytesMax = 4_096

/** Follows the cluster's state until the result is called; what is known stays known while the stream is away. */
export function watchCluster({ url, onView, onLost }: WatchOptions): () => void {
  let current: ClientRequest | undefined
  let again: NodeJS.Timeout | undefined
  let closed = false

  const open = (): void => {
    const asked = get(`${url}/watch`, { agent: false, timeout: silentMsMax }, (response) => {
      if (response.statusCode !== 200) {
        asked.destroy(new AllwriteError('unavailable', `${url} answers ${response.statusCode}`))
        return
      }
      const lines = createInterface({ input: response })
      lines.on('line', (line) => {
        try {
          onView(parseView(line))
        } catch (thrown) {
          asked.destroy(AllwriteError.from(thrown, 'protocol'))
        }
      })
      response.on('error', () => undefined)
      response.once('close', () => asked.destroy())
    })
    current = asked
    let error: Error = new AllwriteError('unavailable', 'the stream of the cluster’s state ended')
    asked.once('timeout', () => asked.destroy(new AllwriteError('unavailable', `${url} says nothing`)))
    asked.on('error', (cause) => (error = cause))
    asked.once('close', () => {
      if (closed) return
      onLost(error)
      again = setTimeout(open, againMs)
    })
  }
  open()
  return () => {
    closed = true
    clearTimeout(again)
    current?.destroy()
  }
}

/** Asks a node to be the pinned writer after `epoch`. @throws AllwriteError unavailable with the node's own words */
export function takePin({ host, port }: NodeView, epoch: number): Promise<Pin> {
  const { promise, resolve, reject } = deferred<Pin>()
  const body = JSON.stringify({ epoch })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const options = { host, port, path: '/pinned', method: 'POST', headers, agent: false, timeout: takeWithinMsMax }
  const asked = request(options, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
      if (text.length > answerBytesMax) asked.destroy(new AllwriteError('protocol', 'the answer is too long'))
    })
    response.once('end', () => {
      if (response.statusCode !== 200) return reject(new AllwriteError('unavailable', text.trim() || 'it refuses'))
      try {
        resolve(parsePin(JSON.parse(text)))
      } catch (thrown) {
        reject(AllwriteError.from(thrown, 'protocol'))
      }
    })
    response.once('error', reject)
  })
  asked.once('timeout', () => asked.destroy(new AllwriteError('unavailable', 'it does not answer')))
  asked.once('error', reject)
  asked.end(body)
  return promise
}
