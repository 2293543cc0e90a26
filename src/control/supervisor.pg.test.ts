import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { existingRuntimeDir, processAlive, processesOf } from '../postgres/index.ts'
import { readAgentConfig } from './agent-config.ts'
import { pathsOf } from './cluster-dir.ts'
import { askSupervisor } from './control-client.ts'
import type { SupervisorEvent } from './events.ts'
import type { UpOptions } from './options.ts'
import { startSupervisor, type Supervisor } from './supervisor.ts'

const fixture = fileURLToPath(new URL('process.fixture.js', import.meta.url))
const programs = { journal: fixture, agent: fixture, proxy: fixture }

let root = ''
let options: UpOptions
let events: SupervisorEvent[] = []
const report = (event: SupervisorEvent) => void events.push(event)

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
  chmodSync(root, 0o711)
  events = []
  options = {
    dir: join(root, 'data'),
    nodes: 2,
    basePort: await freeBase(18),
    fsync: false,
    pgBin: null,
    journalRetainBytes: undefined,
    journalCapBytes: undefined,
    journalSegmentBytes: undefined,
    copyRateBytes: 32e6,
    slotWalBytes: 4_000_000_000,
    tlsCert: null,
    tlsKey: null,
    pool: {},
    logLevel: 'info',
    endpoints: [],
    readerLag: undefined,
  }
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A base with `count` free ports above it, most likely: others on this machine look for ports too. */
async function freeBase(count: number): Promise<number> {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 12_000)
    const taken = await Promise.all(Array.from({ length: count }, (_, index) => isTaken(base + index)))
    if (!taken.includes(true)) return base
  }
}

async function isTaken(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  const result = await Promise.race([
    once(server, 'listening').then(() => false),
    once(server, 'error').then(() => true),
  ]).catch(() => true)
  server.close()
  return result
}

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const found = look()
    if (found !== undefined && found !== false) return found
    ok(Date.now() < deadline, `in time: ${what}`)
    await delay(20)
  }
}

function agentPid(supervisor: Supervisor, node: number): number | undefined {
  return supervisor.status().nodes[node - 1]?.agentPid ?? undefined
}

const told = (words: RegExp): boolean => events.some((event) => event.event === 'progress' && words.test(event.text))

const namesOf = (supervisor: Supervisor): string =>
  supervisor
    .status()
    .nodes.map(({ id, state }) => `${id} ${state}`)
    .join(', ')

function proxySees(): unknown {
  const path = join(options.dir, 'proxy.seen')
  if (!existsSync(path)) return undefined
  const nodes: { id: number; serving: boolean; alive: boolean }[] = JSON.parse(readFileSync(path, 'utf8'))
  return nodes.map(({ id, serving, alive }) => `n${id} ${serving ? 'serving' : alive ? 'alive' : 'dead'}`).join(', ')
}

test('a cluster starts, is asked, loses processes and gets them back, and leaves nothing behind', async () => {
  const supervisor = await startSupervisor(options, programs, report)
  const base = options.basePort ?? 0
  const ready = events.find((event) => event.event === 'ready')
  match(ready?.cluster ?? '', new RegExp(`^postgresql://postgres:[\\w-]{32}@127\\.0\\.0\\.1:${base}/postgres$`))
  deepEqual(
    ready?.nodes.map(({ id, url, dataDir }) => [id, new URL(url).port, dataDir.endsWith(`/${id}/pgdata`)]),
    [
      ['n1', String(base + 11), true],
      ['n2', String(base + 12), true],
    ],
  )
  deepEqual(
    [ready?.reader, ready?.proxy, ready?.http].map((url) => new URL(url ?? '').port),
    [base + 1, base + 2, base + 3].map(String),
  )

  // Secrets are the owner's alone.
  const paths = pathsOf(supervisor.status().dir)
  equal(statSync(paths.secret).mode & 0o777, 0o600)
  equal(statSync(join(paths.node(1), 'agent.json')).mode & 0o777, 0o600)
  const config = readAgentConfig(join(paths.node(2), 'agent.json'))
  deepEqual([config.node, config.listenPort, config.fsync], [2, base + 12, false])
  ok(existsSync(join(config.templateDir, 'PG_VERSION')))

  // Another process asks.
  const asked = await until('positions are known', () => supervisor.status().nodes[1]?.position === 20 && true).then(
    () => askSupervisor(options.dir, 'status'),
  )
  equal(asked?.state, 'up')
  deepEqual(
    asked?.nodes.map(({ state, position, lag }) => [state, position, lag]),
    [
      ['serving', 10, 30],
      ['serving', 20, 20],
    ],
  )
  await until('the proxy knows', () => proxySees() === 'n1 serving, n2 serving')

  // A second one is refused.
  await rejects(startSupervisor(options, programs, report), /is running already/)

  // An agent that dies comes back under another process id.
  const first = agentPid(supervisor, 1) ?? 0
  process.kill(first, 'SIGKILL')
  const second = await until('n1 is back', () => {
    const pid = agentPid(supervisor, 1)
    return pid !== first && supervisor.status().nodes[0]?.state === 'serving' && pid
  })
  notEqual(second, first)

  // A node taken down stays down, and the proxy hears of it.
  await askSupervisor(options.dir, { command: 'kill', node: 'n2' })
  equal(supervisor.status().nodes[1]?.state, 'down')
  await until('the proxy knows', () => proxySees() === 'n1 serving, n2 dead')
  await askSupervisor(options.dir, { command: 'start', node: 'n2' })
  await until('n2 is back', () => proxySees() === 'n1 serving, n2 serving')
  await rejects(askSupervisor(options.dir, { command: 'kill', node: 'n7' }), /there is no node n7/)

  const pids = supervisor.status().nodes.map((node) => node.agentPid ?? 0)
  await askSupervisor(options.dir, 'stop')
  await supervisor.stopped
  equal(events.at(-1)?.event, 'stopped')
  deepEqual(pids.filter(processAlive), [])
  equal(existingRuntimeDir(options.dir), undefined)
  equal(await askSupervisor(options.dir, 'status'), undefined)

  // The folder remembers its members; another number is for new clusters, and said so.
  const again = await startSupervisor({ ...options, nodes: 3 }, programs, report)
  ok(told(/has 2 nodes: --nodes is for a new one/))
  equal(again.status().nodes.length, 2)
  equal(again.status().cluster, ready?.cluster, 'the same password')
  await again.stop()
})

test('nodes are added and removed: numbers are given out once, and a crash in between is finished', async () => {
  // The real journal: a member that goes is fenced there.
  const journal = fileURLToPath(new URL('../main/journal.js', import.meta.url))
  const supervisor = await startSupervisor({ ...options, nodes: 1 }, { ...programs, journal }, report)
  const dir = supervisor.status().dir
  const steps: string[] = []
  await rejects(
    supervisor.removeNode(1, () => undefined),
    /n1 can not be removed: no other node serves/,
  )
  await askSupervisor(dir, { command: 'add', count: 2 }, (text) => steps.push(text))
  deepEqual(steps, ['n2: joining', 'n2: listening', 'n2 serves', 'n3: joining', 'n3: listening', 'n3 serves'])
  equal(namesOf(supervisor), 'n1 serving, n2 serving, n3 serving')
  await until('the proxy knows', () => proxySees() === 'n1 serving, n2 serving, n3 serving')
  const peersOf = (node: number) =>
    readAgentConfig(join(pathsOf(dir).node(node), 'agent.json')).peers.map((peer) => peer.node)
  deepEqual(
    [peersOf(1), peersOf(3)],
    [
      [2, 3],
      [1, 2],
    ],
    'those that run hear of the new ones',
  )

  // One at a time.
  const removal = supervisor.removeNode(2, (text) => steps.push(text))
  await rejects(
    supervisor.addNodes(1, () => undefined),
    /busy: a removal is under way/,
  )
  await removal
  match(steps.at(-1) ?? '', /n2 is no member any more; its folder is ".*\/removed\/n2-\w+"/)
  deepEqual([peersOf(1), peersOf(3)], [[3], [1]])
  await until('the proxy knows', () => proxySees() === 'n1 serving, n3 serving')

  // One that can't join is no member, and its number is gone.
  process.env['ALLWRITE_FIXTURE_DIE'] = 'n4'
  await rejects(
    supervisor.addNodes(1, (text) => steps.push(text)),
    /n4 did not start/,
  )
  delete process.env['ALLWRITE_FIXTURE_DIE']
  match(steps.at(-1) ?? '', /n4 could not join, and is no member/)
  await supervisor.addNodes(1, () => undefined)
  equal(namesOf(supervisor), 'n1 serving, n3 serving, n5 serving')

  const taken = createServer().listen((options.basePort ?? 0) + 16, '127.0.0.1')
  await once(taken, 'listening')
  await rejects(
    supervisor.addNodes(1, () => undefined),
    /port \d+ is in use/,
  )
  taken.close()
  await supervisor.stop()

  // A crash came between the end of n3's membership and the move of its folder.
  const path = pathsOf(dir).cluster
  const file = JSON.parse(readFileSync(path, 'utf8'))
  deepEqual(file, { ...file, version: 2, members: [1, 3, 5], nextNode: 6 })
  writeFileSync(path, JSON.stringify({ ...file, members: [1, 5] }))
  const again = await startSupervisor({ ...options, nodes: undefined }, programs, report)
  equal(namesOf(again), 'n1 serving, n5 serving')
  equal(existsSync(pathsOf(dir).node(3)), false)
  deepEqual(
    readdirSync(pathsOf(dir).removed).map((name) => name.split('-')[0]),
    ['n2', 'n3', 'n4'],
  )
  await again.stop()
})

test('a cluster of the first version of its file has the members that it had', async () => {
  const first = await startSupervisor(options, programs, report)
  const { dir } = first.status()
  await first.stop()
  const { basePort, fsync } = JSON.parse(readFileSync(pathsOf(dir).cluster, 'utf8'))
  writeFileSync(pathsOf(dir).cluster, JSON.stringify({ version: 1, nodes: 2, basePort, fsync }))
  const again = await startSupervisor(options, programs, report)
  equal(namesOf(again), 'n1 serving, n2 serving')
  await again.stop()
})

test('nodes are restarted one after the other; a failure leaves the rest as it is', async () => {
  const supervisor = await startSupervisor(options, programs, report)
  const pids = () => [agentPid(supervisor, 1), agentPid(supervisor, 2)]
  const before = pids()
  const down: number[] = []
  const watch = setInterval(
    () => down.push(supervisor.status().nodes.filter(({ state }) => state !== 'serving').length),
    1,
  )
  await supervisor.restartNodes(undefined, undefined, () => undefined)
  clearInterval(watch)
  equal(Math.max(...down), 1, 'never two at once')
  equal(namesOf(supervisor), 'n1 serving, n2 serving')
  equal(new Set([...before, ...pids()]).size, 4)

  writeFileSync(join(pathsOf(options.dir).node(1), 'die'), '')
  const kept = agentPid(supervisor, 2)
  await rejects(
    supervisor.restartNodes(undefined, undefined, () => undefined),
    /n1 did not start/,
  )
  equal(agentPid(supervisor, 2), kept)
  equal(namesOf(supervisor), 'n1 down, n2 serving')
  await rejects(
    supervisor.restartNodes([2], undefined, () => undefined),
    /n2 is not restarted: no other node serves/,
  )
  await rejects(
    supervisor.restartNodes([7], undefined, () => undefined),
    /there is no node n7/,
  )
  rmSync(join(pathsOf(options.dir).node(1), 'die'))
  await supervisor.restartNodes([1], undefined, () => undefined)
  equal(namesOf(supervisor), 'n1 serving, n2 serving')
  await supervisor.stop()
})

test('a cluster made before is up while a node joins, and without one that can’t start', async () => {
  const first = await startSupervisor({ ...options, nodes: 3 }, programs, report)
  const { dir } = first.status()
  await first.stop()
  writeFileSync(join(pathsOf(dir).node(2), 'joins'), '')
  writeFileSync(join(pathsOf(dir).node(3), 'die'), '')
  events = []
  const supervisor = await startSupervisor(options, programs, report)
  const ready = events.find((event) => event.event === 'ready')
  deepEqual(
    ready?.nodes.map(({ state, note }) => [state, note]),
    [
      ['serving', undefined],
      ['joining', 'copying n1'],
      ['down', 'exit code 1'],
    ],
  )
  ok(told(/stays down: n3 did not start/))
  await until('the proxy knows', () => proxySees() === 'n1 serving, n2 dead, n3 dead')
  rmSync(join(pathsOf(dir).node(2), 'joins'))
  await until('n2 serves', () => namesOf(supervisor) === 'n1 serving, n2 serving, n3 down')
  await until('the proxy knows', () => proxySees() === 'n1 serving, n2 serving, n3 dead')
  await supervisor.stop()
})

test('a taken port is named before anything starts', async () => {
  const port = (options.basePort ?? 0) + 12
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  await rejects(startSupervisor(options, programs, report), new RegExp(`port ${port} is in use`))
  server.close()
  equal(existsSync(pathsOf(options.dir).template), false)
})

test('a folder with something else in it is refused', async () => {
  await rejects(startSupervisor({ ...options, dir: process.cwd() }, programs, report), /not a cluster's folder/)
})

test('a process that can’t start ends the whole start, with its log’s end in the error', async () => {
  const failing = { ...programs, agent: join(root, 'absent.js') }
  await rejects(startSupervisor(options, failing, report), (error: unknown) => {
    match(String(error), /n\d did not start/)
    return true
  })
  equal(existingRuntimeDir(options.dir), undefined)
  const again = await startSupervisor(options, programs, report)
  await again.stop()
})

test('a cancelled start stops what was started', async () => {
  const cancel = new AbortController()
  const started = startSupervisor(
    options,
    programs,
    (event) => {
      report(event)
      if (event.event === 'node') cancel.abort()
    },
    cancel.signal,
  )
  await rejects(started, /cancelled/)
  deepEqual(processesOf(pathsOf(options.dir).pgData(1)), [])
  equal(existingRuntimeDir(options.dir), undefined)
})

test('what a killed supervisor leaves is ended by the next one', async () => {
  const dir = options.dir
  const code = `
    import { startSupervisor } from '${new URL('supervisor.js', import.meta.url).href}'
    const options = JSON.parse(process.argv[1])
    options.journalRetainBytes = options.journalCapBytes = undefined
    await startSupervisor(options, ${JSON.stringify(programs)}, (event) => process.send(event))`
  const { spawn } = await import('node:child_process')
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ready: Extract<SupervisorEvent, { event: 'ready' }> = await new Promise((resolve, reject) => {
    child.on('message', (event) => {
      const message: SupervisorEvent = JSON.parse(JSON.stringify(event))
      if (message.event === 'ready') resolve(message)
    })
    child.once('exit', () => reject(new Error('ended before it was ready')))
  })
  const pids = ready.nodes.map((node) => node.agentPid ?? 0)
  // Stopped agents do not see that their channel closed: they are real leftovers.
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  child.kill('SIGKILL')
  await once(child, 'exit')
  deepEqual(pids.filter(processAlive), pids)
  const supervisor = await startSupervisor(options, programs, report)
  deepEqual(pids.filter(processAlive), [])
  ok(events.some((event) => event.event === 'progress' && /earlier run left: .*n1/.test(event.text)))
  await supervisor.stop()
  equal(existsSync(join(pathsOf(dir).run, 'n1.pid')), false)
})

test('an agent that ignores the order to stop is killed at last', { timeout: 60_000 }, async () => {
  const supervisor = await startSupervisor({ ...options, nodes: 1 }, programs, report)
  writeFileSync(join(pathsOf(options.dir).node(1), 'deaf'), '')
  const before = agentPid(supervisor, 1) ?? 0
  process.kill(before, 'SIGKILL')
  const pid = await until('n1 is back', () => {
    const now = agentPid(supervisor, 1)
    return now !== before && supervisor.status().nodes[0]?.state === 'serving' && now
  })
  await supervisor.kill()
  equal(processAlive(pid), false)
})
