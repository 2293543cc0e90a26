/**
 * Data that only the running machine holds. A server without fsync (`--fsync off`) survives the death of its process, not that of
 * its machine: after one, pages and log may be torn, and it would not notice (RULES 3).
 *
 * From before such a server's first start until its folder was flushed after a clean stop, the file `unsynced` in the node's folder
 * names the boot of the machine. Another boot than now: what is beside it is not to be trusted.
 *
 * Without the file the data are trusted: they were flushed, or a person has removed it to go on with what is there.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { syncFolder } from '../../postgres/index.ts'

const pathOf = (nodeDir: string): string => join(nodeDir, 'unsynced')

/** Of this boot of the machine; undefined where the system does not tell (it is Linux's): then nothing is known, nor marked. */
const bootId = (): string | undefined => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Has the machine ended since unflushed data were written here? */
export const lostWithMachine = (nodeDir: string): boolean => {
  const path = pathOf(nodeDir)
  const now = bootId()
  return now !== undefined && existsSync(path) && readFileSync(path, 'utf8').trim() !== now
}

/** Before a server without fsync writes anything; durable when it resolves. */
export const markUnsynced = async (nodeDir: string): Promise<void> => {
  const now = bootId()
  if (now === undefined) return
  writeFileSync(pathOf(nodeDir), `${now}\n`, { mode: 0o600, flush: true })
  await syncFolder(nodeDir)
}

/** The data that were meant are gone. */
export const forgetUnsynced = (nodeDir: string): void => rmSync(pathOf(nodeDir), { force: true })

/** After a clean stop: flushes the folder's file system, and takes the mark away. Where that fails the mark stays. */
export const flushUnsynced = async (nodeDir: string): Promise<void> => {
  if (!existsSync(pathOf(nodeDir))) return
  await promisify(execFile)('sync', ['--file-system', nodeDir])
  forgetUnsynced(nodeDir)
  await syncFolder(nodeDir)
}
