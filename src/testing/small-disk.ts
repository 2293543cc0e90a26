/**
 * A disk that is soon full: a file system of its own in memory (tmpfs), which only root may mount. A folder on it meets the
 * kernel's own ENOSPC, wherever the product writes.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from './errors.ts'

export interface SmallDisk {
  /** Takes all the room that is left. */
  fill(): void
  /** Gives it back. */
  free(): void
  unmount(): void
}

const filler = '.filler'

const mount = (...args: readonly string[]): void => {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`)
}

/** For node:test's `skip`: why no disk can be made small here; false where one can. */
export const needsMount: string | false = (() => {
  const path = mkdtempSync(join(tmpdir(), 'allwrite-mount-'))
  try {
    mountDisk(path, 1).unmount()
    return false
  } catch {
    return 'only root can mount a small disk'
  } finally {
    rmdirSync(path)
  }
})()

/** Makes the folder, and mounts the disk on it. @throws Error where that is not allowed: {@link needsMount} */
export function mountDisk(path: string, mebibytes: number): SmallDisk {
  mkdirSync(path, { recursive: true })
  mount('-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0711`, 'allwrite-test', path)
  return {
    fill() {
      const fd = openSync(join(path, filler), 'a')
      try {
        // Down to the last page.
        for (let bytes = 1024 * 1024; bytes >= 4096; bytes /= 4) writeUntilFull(fd, Buffer.alloc(bytes))
      } finally {
        closeSync(fd)
      }
    },
    free: () => rmSync(join(path, filler), { force: true }),
    unmount: () => void spawnSync('umount', ['-l', path]),
  }
}

function writeUntilFull(fd: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(fd, bytes)
  } catch (error) {
    if (errnoOf(error) !== 'ENOSPC') throw error
  }
}
