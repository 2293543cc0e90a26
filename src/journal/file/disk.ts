/**
 * The little of a file system that the segment store needs, so that a simulated disk can take its place.
 *
 * The append path is synchronous on purpose: a hop through libuv's thread pool costs more than a fast disk's
 * fdatasync (DESIGN.md has the figures). {@link DiskFile.datasync} is for disks where it does not.
 *
 * @module
 */
import { closeSync, constants, fdatasync, fdatasyncSync, fsyncSync, openSync, read, readdirSync } from 'node:fs'
import { fstatSync, ftruncateSync, mkdirSync, renameSync, unlinkSync, write, writeSync } from 'node:fs'

export interface DiskFile {
  /** Writes all of `bytes` at `at`. */
  writeNow(bytes: Uint8Array, at: number): void
  write(bytes: Uint8Array, at: number): Promise<void>
  /** Reads up to `bytes.length` bytes at `at`; returns how many there were. */
  read(bytes: Uint8Array, at: number): Promise<number>
  datasyncNow(): void
  datasync(): Promise<void>
  truncateNow(size: number): void
  size(): number
  close(): void
}

export interface Disk {
  makeDirectory(path: string): void
  /** File names in a directory. */
  list(directory: string): string[]
  /** Opens for reading; throws ENOENT if there is none. */
  open(path: string, mode: 'read' | 'write' | 'create'): DiskFile
  rename(from: string, to: string): void
  unlink(path: string): void
  /** Makes renames and new names durable. */
  syncDirectory(path: string): void
}

const flags = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
}

const nodeFile = (fd: number): DiskFile => ({
  writeNow(bytes, at) {
    let done = 0
    while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
  },
  write: (bytes, at) =>
    new Promise((resolve, reject) => {
      const step = (done: number): void => {
        write(fd, bytes, done, bytes.length - done, at + done, (error, written) => {
          if (error) reject(error)
          else if (done + written === bytes.length) resolve()
          else step(done + written)
        })
      }
      step(0)
    }),
  read: (bytes, at) =>
    new Promise((resolve, reject) => {
      const step = (done: number): void => {
        read(fd, bytes, done, bytes.length - done, at + done, (error, count) => {
          if (error) reject(error)
          else if (count === 0 || done + count === bytes.length) resolve(done + count)
          else step(done + count)
        })
      }
      step(0)
    }),
  datasyncNow: () => fdatasyncSync(fd),
  datasync: () => new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  truncateNow: (size) => ftruncateSync(fd, size),
  size: () => fstatSync(fd).size,
  close: () => closeSync(fd),
})

/** The real disk. Files are readable by their owner only: they hold the database. */
export const nodeDisk: Disk = {
  makeDirectory: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  list: (directory) => readdirSync(directory),
  open: (path, mode) => nodeFile(openSync(path, flags[mode], 0o600)),
  rename: renameSync,
  unlink: unlinkSync,
  syncDirectory(path) {
    const fd = openSync(path, constants.O_RDONLY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  },
}

/** The errno name of a foreign error, such as `ENOSPC`. */
export const errnoOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
