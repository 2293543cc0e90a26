/**
 * The npm package's shared libraries need names that npm drops: symbolic links are not packed, and recent npm does not
 * run the package's install script. We make them when a server is first needed.
 *
 * @module
 */
import { lstatSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { systemCode, wordsOf } from './system-error.ts'

interface Link {
  readonly source: string
  readonly target: string
}

/**
 * Makes the links listed in `<packageDir>/native/pg-symlinks.json`. Idempotent, and safe when several processes do it
 * at once: each link is put in place by a rename.
 * @param spareDir where the links go when the package folder is read-only
 * @returns the folder for LD_LIBRARY_PATH, or undefined where the package folder itself now has all
 * @throws AllwriteError configuration if neither place can be written
 */
export function restoreLibraryLinks(packageDir: string, spareDir: () => string): string | undefined {
  const links = readLinks(packageDir)
  try {
    for (const { source, target } of links) {
      const path = join(packageDir, target)
      makeLink(relative(dirname(path), join(packageDir, source)), path)
    }
    return undefined
  } catch (thrown) {
    const code = systemCode(thrown)
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') throw AllwriteError.from(thrown, 'configuration')
  }
  const folder = spareDir()
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  for (const { source, target } of links) makeLink(join(packageDir, source), join(folder, basename(target)))
  return folder
}

function readLinks(packageDir: string): readonly Link[] {
  const path = join(packageDir, 'native', 'pg-symlinks.json')
  try {
    const links: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (Array.isArray(links) && links.every(isLink)) return links
    throw new Error('not a list of links inside the package')
  } catch (thrown) {
    throw new AllwriteError('configuration', `could not read "${path}"`, {
      detail: wordsOf(thrown),
      hint: 'Reinstall the dependencies with "npm ci".',
      cause: thrown,
    })
  }
}

function isLink(value: unknown): value is Link {
  if (typeof value !== 'object' || value === null || !('source' in value) || !('target' in value)) return false
  return [value.source, value.target].every((path) => typeof path === 'string' && !path.split('/').includes('..'))
}

function makeLink(destination: string, path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  // A regular file of that name is the library itself (a package that was packed with its links resolved).
  if (stat?.isFile()) return
  if (stat?.isSymbolicLink() && readlinkSync(path) === destination) return
  const temporary = `${path}.${process.pid}`
  rmSync(temporary, { force: true })
  symlinkSync(destination, temporary)
  renameSync(temporary, path)
}
