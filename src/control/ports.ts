/**
 * Are the cluster's ports free? Asked before anything starts, so that the answer names the port.
 *
 * @module
 */
import { createServer } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import { systemCode } from '../postgres/index.ts'

/** @throws AllwriteError configuration, naming the first port that can't be listened on */
export async function requireFreePorts(host: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const code = await tryPort(host, port)
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
