/**
 * One supervisor per cluster folder. Two would start two servers' agents on the same data.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import { systemCode } from '../postgres/index.ts'
import { readPidFile } from './pid-files.ts'

/**
 * Takes the folder's lock until disposed. It is an abstract Unix socket named after the folder's inode: it exists once,
 * and the kernel drops it with its process, also after kill -9. (Node has no flock.)
 * @throws AllwriteError configuration where another supervisor runs
 */
export async function lockCluster(dir: string): Promise<AsyncDisposable> {
  const { dev, ino } = statSync(dir)
  const server = createServer((connection) => connection.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(systemCode(error) === 'EADDRINUSE' ? taken(dir) : error))
    server.listen(`\0allwrite-cluster-${dev}-${ino}`, resolve)
  })
  server.unref()
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
}

function taken(dir: string): AllwriteError {
  const holder = readPidFile(dir, 'supervisor')
  return new AllwriteError('configuration', `the cluster in "${dir}" is running already`, {
    ...(holder ? { detail: `Its supervisor is process ${holder.pid}.` } : {}),
    hint: 'Use "allwrite status" and "allwrite stop", or another folder with --data.',
  })
}
