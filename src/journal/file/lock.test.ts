import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockDirectory } from './lock.ts'
import { temporaryDirectory, until } from './testing.ts'

const fieldsOf = (pid: number): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

const hold = (directory: string, pid: number): void => {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  writeFileSync(join(directory, 'lock'), `${pid} ${fieldsOf(pid)[19]} ${boot}`)
}

const onLinux = { skip: existsSync('/proc/self/stat') ? false : 'reads /proc' }

test('a second lock on one directory is refused, and free again after disposal', async () => {
  using directory = temporaryDirectory()
  {
    await using first = await lockDirectory(directory.path)
    assert(first)
    await assert.rejects(lockDirectory(directory.path), { code: 'unavailable', message: /in use by another process$/ })
  }
  await using again = await lockDirectory(directory.path)
  assert(again)
})

test(
  'a live holder outside our network namespace is seen by the file, a killed one nobody reaped is not',
  onLinux,
  async (t) => {
    using directory = temporaryDirectory()
    // The shell becomes `sleep` and never waits for its child, as the first process of many a container.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] })
    t.after(() => parent.kill('SIGKILL'))
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const child = Number(line.toString())
    hold(directory.path, child)
    await assert.rejects(lockDirectory(directory.path), { message: new RegExp(`in use by process ${child}$`) })

    process.kill(child, 'SIGKILL')
    await until(() => fieldsOf(child)[0] === 'Z', 'the killed child is a zombie')
    await using lock = await lockDirectory(directory.path)
    assert(lock)
  },
)
