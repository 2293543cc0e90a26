import { deepEqual, equal, throws } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureOwned, serverIdentity } from './identity.ts'
import { restoreLibraryLinks } from './symlinks.ts'
import { testFolder } from './test-folder.ts'

function fakePackage(folder: string): string {
  const lib = join(folder, 'native', 'lib')
  mkdirSync(lib, { recursive: true })
  writeFileSync(join(lib, 'libx.so.1.2'), 'x')
  const links = ['libx.so', 'libx.so.1'].map((name) => ({
    source: 'native/lib/libx.so.1.2',
    target: `native/lib/${name}`,
  }))
  writeFileSync(join(folder, 'native', 'pg-symlinks.json'), JSON.stringify(links))
  return lib
}

test('the links are made once, and a second call changes nothing', () => {
  using folder = testFolder()
  const lib = fakePackage(folder.path)
  for (let call = 0; call < 2; call++) {
    equal(
      restoreLibraryLinks(folder.path, () => {
        throw new Error('the package folder is writable: no spare folder is needed')
      }),
      undefined,
    )
    deepEqual(readdirSync(lib).sort(), ['libx.so', 'libx.so.1', 'libx.so.1.2'])
    equal(readFileSync(join(lib, 'libx.so'), 'utf8'), 'x')
  }
})

test('a read-only package gets its links in a folder of ours', () => {
  using folder = testFolder()
  const packageDir = join(folder.path, 'package')
  const spare = join(folder.path, 'spare')
  chmodSync(fakePackage(packageDir), 0o555)
  mkdirSync(spare)
  // Root writes everywhere: then another user must try.
  const identity = serverIdentity()
  ensureOwned(spare, identity)
  const module = new URL('symlinks.js', import.meta.url).href
  const code = `import { restoreLibraryLinks } from '${module}'
    process.stdout.write(String(restoreLibraryLinks('${packageDir}', () => '${spare}')))`
  const answer = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: '/',
    ...(identity ? { uid: identity.uid, gid: identity.gid } : {}),
  })
  equal(answer.toString(), spare)
  deepEqual(readdirSync(spare).sort(), ['libx.so', 'libx.so.1'])
  equal(readFileSync(join(spare, 'libx.so.1'), 'utf8'), 'x')
})

test('a package without its list is named in the error', () => {
  using folder = testFolder()
  throws(
    () => restoreLibraryLinks(folder.path, () => folder.path),
    (error: Error) => /pg-symlinks\.json/.test(error.message),
  )
})
