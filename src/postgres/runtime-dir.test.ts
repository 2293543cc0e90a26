import { equal, ok, throws } from 'node:assert/strict'
import { mkdirSync, rmdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { existingRuntimeDir, privateDir, runtimeDir, socketPathBytesMax } from './runtime-dir.ts'
import { testFolder } from './test-folder.ts'

test('the folder is short, closed to others, and the same for every name of the data folder', () => {
  using folder = testFolder()
  const long = join(folder.path, 'x'.repeat(120))
  mkdirSync(long)
  symlinkSync(long, join(folder.path, 'short'))
  const path = runtimeDir(long)
  try {
    equal(runtimeDir(join(folder.path, 'short')), path)
    equal(statSync(path).mode & 0o007, 0)
    ok(Buffer.byteLength(`${path}/n16/.s.PGSQL.65535`) <= socketPathBytesMax)
  } finally {
    rmdirSync(path)
  }
})

test('a data folder has the same name before and after it is made', () => {
  using folder = testFolder()
  const data = join(folder.path, 'a', 'b')
  equal(existingRuntimeDir(data), undefined, 'looking makes nothing')
  const before = runtimeDir(data)
  equal(existingRuntimeDir(data), before)
  mkdirSync(data, { recursive: true })
  equal(runtimeDir(data), before)
  rmdirSync(before)
})

test('a link or a stranger’s folder in its place is refused', () => {
  using folder = testFolder()
  const path = join(folder.path, 'link')
  symlinkSync(folder.path, path)
  throws(() => privateDir(path, 0o700), /not a folder of ours/)
})
