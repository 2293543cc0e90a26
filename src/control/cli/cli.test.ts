import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hidePassword, prettyReporter } from '../events.ts'
import { downStatus } from '../status.ts'
import { table } from './status.ts'

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in a process of its own, with programs that must not be started. */
function run(words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const program = new URL('program.js', import.meta.url).href
  const code = `import { runCli } from '${program}'
    const absent = '/absent.js'
    process.exitCode = await runCli(['node', 'allwrite', ...process.argv.slice(1)],
      { journal: absent, agent: absent, endpoint: absent }, '1.2.3')`
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', code, '--', ...words],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

test('every command has help with examples', async () => {
  for (const command of ['up', 'status', 'stop', 'kill', 'start', 'add', 'remove', 'restart', 'psql']) {
    const { code, stdout } = await run([command, '--help'])
    equal(code, 0)
    match(stdout, /Examples:\n {2}/)
  }
})

test('wrong usage is told on stderr and ends with 2', async () => {
  const cases: [string[], RegExp][] = [
    [['up', '--nodes', '99'], /Expected 1 … 16/],
    [['up', '--base-port', 'x'], /--base-port/],
    [['up', '--journal-cap', '4 parsecs'], /512MiB/],
    [['up', '--fsync', 'maybe'], /on or off/],
    [['add', '--count', '16'], /Expected 1 … 15/],
    [['kill'], /missing required argument 'node'/],
    [['bogus'], /unknown command 'bogus'/],
    [['status', '--bogus'], /unknown option '--bogus'/],
  ]
  await Promise.all(
    cases.map(async ([words, stderrText]) => {
      const { code, stdout, stderr } = await run(words)
      deepEqual([code, stdout], [2, ''], words.join(' '))
      match(stderr, stderrText)
    }),
  )
})

test('an option’s environment variable is its twin', async () => {
  const { code, stderr } = await run(['up'], { ALLWRITE_NODES: '99' })
  equal(code, 2)
  match(stderr, /ALLWRITE_NODES/)
})

test('commands for a cluster that is not there fail with a hint, and make nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
  try {
    const ended = await Promise.all(
      [
        ['status'],
        ['stop'],
        ['kill', 'n1'],
        ['start', 'n1'],
        ['psql'],
        ['add'],
        ['remove', 'n1', '--for-good'],
        ['restart', '--all'],
      ].map((words) => run([...words, '--data', dir])),
    )
    for (const { code, stdout, stderr } of ended) {
      deepEqual([code, stdout], [1, ''])
      match(stderr, /^allwrite: error: .*\nHINT: {2}.*allwrite up/)
    }
    deepEqual(readdirSync(dir), [])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a removal is asked for twice, and a restart says of whom', async () => {
  const [removal, nobody, both] = await Promise.all([
    run(['remove', 'n2']),
    run(['restart']),
    run(['restart', 'n1', '--all']),
  ])
  equal(removal.code, 1)
  match(removal.stderr, /needs --for-good\nDETAIL: .*never given out again.*\nHINT: .*allwrite stop n2/)
  for (const { code, stderr } of [nobody, both]) {
    equal(code, 1)
    match(stderr, /which nodes .*\nHINT: .*--all/)
  }
})

test('--tls-cert without its key is refused', async () => {
  const { code, stderr } = await run(['up', '--tls-cert', 'x.pem'])
  equal(code, 1)
  match(stderr, /belong together/)
})

test('what people read shows no password, unless to a terminal', () => {
  const cluster = {
    dir: '/d',
    file: { version: 2 as const, members: [1], nextNode: 2, basePort: 1000, fsync: true },
    secrets: { appPassword: 'hidden-words', agentSecret: 'hidden-words' },
  }
  const status = downStatus(cluster)
  equal(status.nodes[0]?.url, 'postgresql://postgres:hidden-words@127.0.0.1:1011/postgres')
  let text = table(status, false)
  prettyReporter((line) => (text += line), { color: false, secrets: false, startedAt: 0 })({
    event: 'ready',
    ...status,
  })
  match(text, /n1/)
  ok(!text.includes('hidden-words'))
  ok(!text.includes('\u001b'), 'no colours')
  equal(hidePassword(status.cluster), 'postgresql://postgres:********@127.0.0.1:1000/postgres')
})
