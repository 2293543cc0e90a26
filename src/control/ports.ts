/**
 * Are the cluster's ports free? Asked before anything starts, so that the answer names the port.
 *
 * @module
 */
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../core/errors.ts'
import { systemCode } from '../postgres/index.ts'

/** Between two looks at a port that a process which is just ending still holds, ms. */
const againMs = 50

/**
 * @param patienceMs how long a port may still be held by what was ended just before
 * @throws AllwriteError configuration, naming the first port that can't be listened on
 */
export async function requireFreePorts(host: string, ports: readonly number[], patienceMs = 0): Promise<void> {
  const until = performance.now() + patienceMs
  for (const port of ports) {
    let code = await tryPort(host, port)
    while (code === 'EADDRINUSE' && performance.now() < until) {
      await delay(againMs)
      code = await tryPort(host, port)
    }
    if (code === undefined) continue
    throw new AllwriteError('configuration', `port ${port} is ${code === 'EADDRINUSE' ? 'in use' : 'not available'}`, {
      detail: `The cluster needs the ports ${ports.join(', ')} on ${host}${code === 'EADDRINUSE' ? '' : ` (${code})`}.`,
      hint: 'Choose others with --base-port, or end the program that uses it.',
    })
  }
}

function tryPort(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(systemCode(error) ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
