/**
 * Stands for the journal, the proxy or an agent in the supervisor's tests: argv[2] names its configuration, as theirs
 * does. As an agent it listens at its port and answers everyone with its name. A file `die` beside the configuration makes
 * every start fail, and so does its node's name in the environment's ALLWRITE_FIXTURE_DIE; `joins` makes it join until the file is
 * gone; `deaf` makes it ignore the order to stop; `proxy.seen` gets the nodes that a proxy was told.
 *
 * @module
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { watchCluster } from '../proxy/index.ts'
import { fieldsOf } from './json.ts'

const configPath = process.argv[2] ?? ''
const folder = dirname(configPath)
const { node, listenPort, api } = fieldsOf(JSON.parse(readFileSync(configPath, 'utf8')))
const deaf = existsSync(join(folder, 'deaf'))

if (existsSync(join(folder, 'die')) || process.env['ALLWRITE_FIXTURE_DIE'] === `n${String(node)}`) {
  process.stderr.write('told to die\n')
  process.exit(1)
}

const send = (message: object): void => {
  if (process.connected) process.send?.(message, () => undefined)
}

const end = (): void => {
  if (!deaf) process.exit(0)
}
process.on('disconnect', end)
process.on('SIGTERM', end)
process.on('message', (value) => {
  if (fieldsOf(value)['type'] === 'stop') end()
})
if (typeof api === 'string') {
  watchCluster({
    url: api,
    onView: ({ nodes }) => {
      writeFileSync(join(folder, 'proxy.new'), JSON.stringify(nodes))
      renameSync(join(folder, 'proxy.new'), join(folder, 'proxy.seen'))
    },
    onLost: () => undefined,
  })
}
// Something to stay alive for.
setInterval(() => undefined, 60_000)

if (typeof node === 'number' && typeof listenPort === 'number') {
  const server = createServer((socket) => socket.end(`n${node}`))
  server.listen(listenPort, '127.0.0.1', () => {
    const status = {
      type: 'status',
      state: 'serving',
      position: 10 * node,
      journalPosition: 40,
      postgresPid: null,
      sessions: 0,
    }
    send({ type: 'progress', text: 'listening' })
    const ready = (): void => {
      send({ type: 'ready', postgresPid: process.pid })
      send(status)
      setInterval(() => send(status), 200)
    }
    const joins = (): boolean => existsSync(join(folder, 'joins'))
    if (!joins()) return ready()
    send({ type: 'progress', text: 'copying n1', joining: true })
    const timer = setInterval(() => {
      if (joins()) return
      clearInterval(timer)
      ready()
    }, 50)
  })
} else {
  send({ type: 'ready' })
}
