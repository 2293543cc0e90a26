/**
 * The little that our HTTP servers have in common: answers, and who may change something.
 *
 * What is read holds no secrets. What changes something is taken from the machine itself only, and never from a web page: a browser sends a
 * body of JSON to another origin only after asking, and is not allowed to.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AllwriteError } from '../core/errors.ts'
import { fieldsOf, type Fields } from './json.ts'

/** A request is a few words. */
const bodyBytesMax = 4_096

export function answer(response: ServerResponse, code: number, value: object): void {
  send(response, code, 'application/json', `${JSON.stringify(value)}\n`)
}

export function send(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

/** The path and the parameters; what can't be read is asked for nothing. */
export function targetOf(request: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
  return { path, query: new URLSearchParams(query) }
}

/** HEAD and OPTIONS are what load balancers ask with. */
export const isLook = ({ method }: IncomingMessage): boolean =>
  method === 'GET' || method === 'HEAD' || method === 'OPTIONS'

/**
 * The body of a request that changes something.
 * @throws AllwriteError configuration: it may not
 */
export async function readChange(request: IncomingMessage): Promise<Fields> {
  const address = request.socket.remoteAddress ?? ''
  if (!/^(::ffff:)?127\.|^::1$/.test(address)) throw refused('only the machine itself may ask for it')
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw refused('it takes application/json')
  let text = ''
  request.setEncoding('utf8')
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > bodyBytesMax) throw refused('its body is too long')
  }
  try {
    return fieldsOf(text === '' ? {} : JSON.parse(text))
  } catch {
    throw refused('its body is no JSON')
  }
}

const refused = (why: string): AllwriteError => new AllwriteError('configuration', `the request is refused: ${why}`)

/** Runs what changes something, and answers with what it returns, or with why not. */
export function answerChange(response: ServerResponse, change: Promise<object>): void {
  change.then(
    (value) => answer(response, 200, value),
    (thrown: unknown) => {
      const { code, message, detail, hint } = AllwriteError.from(thrown)
      answer(response, code === 'configuration' ? 400 : 503, {
        message,
        ...(detail === undefined ? {} : { detail }),
        ...(hint === undefined ? {} : { hint }),
      })
    },
  )
}
