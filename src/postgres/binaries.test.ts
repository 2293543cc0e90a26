import { equal, match, ok, rejects } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AllwriteError } from '../core/errors.ts'
import { locateBinaries } from './binaries.ts'
import { testFolder } from './test-folder.ts'

function fakeServer(folder: string, answer: string): void {
  for (const name of ['postgres', 'initdb']) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 })
  }
}

const configuration = (words: RegExp) => (error: unknown) => {
  ok(error instanceof AllwriteError)
  equal(error.code, 'configuration')
  match(error.message, words)
  ok(error.hint, 'tells what to do')
  return true
}

test('the npm package is found, and runs', async () => {
  const { major, version, postgres } = await locateBinaries()
  equal(major, 18)
  match(version, /^18\./)
  ok(postgres.startsWith('/'))
})

test('a server of one’s own is used where it is new enough', async () => {
  using folder = testFolder()
  fakeServer(folder.path, 'postgres (PostgreSQL) 17.6 (Debian 17.6-1)')
  equal((await locateBinaries(folder.path)).major, 17)
})

test('an older server is refused with its version', async () => {
  using folder = testFolder()
  fakeServer(folder.path, 'postgres (PostgreSQL) 16.2')
  await rejects(locateBinaries(folder.path), configuration(/16\.2 is too old/))
})

test('a folder without a server is named', async () => {
  using folder = testFolder()
  await rejects(locateBinaries(folder.path), configuration(/postgres" can not be executed/))
})
