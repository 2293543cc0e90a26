/**
 * Who runs for this cluster: one small file per process in DIR/run, so that a successor of a killed supervisor can end
 * them. A process id alone proves nothing, it may be a stranger's by now: the start time and the program must fit too.
 *
 * @module
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../core/errors.ts'
import { processAlive, processCommand, processStart } from '../postgres/index.ts'
import { pathsOf } from './cluster-dir.ts'
import { readJson, writeJson } from './json.ts'

export interface PidFile {
  readonly pid: number
  /** Ticks since boot; null where the system does not tell. */
  readonly start: string | null
  /** A word of its command line that no stranger has: the configuration's path. */
  readonly word: string
}

/** Orphans end by themselves when their channel closes; after this they are killed, ms. */
const orphanWithinMsMax = 3_000

/** How long the kernel may take to clear a killed process, ms. */
const killedWithinMsMax = 10_000

export function writePidFile(dir: string, name: string, pid: number, word: string): void {
  writeJson(join(pathsOf(dir).run, `${name}.pid`), { pid, start: processStart(pid) ?? null, word })
}

export function removePidFile(dir: string, name: string): void {
  rmSync(join(pathsOf(dir).run, `${name}.pid`), { force: true })
}

export function readPidFile(dir: string, name: string): PidFile | undefined {
  const fields = readJson(join(pathsOf(dir).run, `${name}.pid`))
  const { pid, start, word } = fields ?? {}
  if (typeof pid !== 'number' || typeof word !== 'string') return undefined
  return { pid, start: typeof start === 'string' ? start : null, word }
}

/** True while the very process that the file was written for runs. */
export function stillRuns({ pid, start, word }: PidFile): boolean {
  if (!processAlive(pid)) return false
  if (start !== null && processStart(pid) !== start) return false
  return processCommand(pid).some((argument) => argument.includes(word))
}

/**
 * Ends what an earlier supervisor left running; resolves when it is gone. Call with the lock held.
 * @returns the names of what still ran
 * @throws AllwriteError configuration if a process can't be ended
 */
export async function endOrphans(dir: string): Promise<readonly string[]> {
  const files = new Map<string, PidFile>()
  for (const file of readdirSync(pathsOf(dir).run)) {
    const name = /^(.+)\.pid$/.exec(file)?.[1]
    const content = name === undefined ? undefined : readPidFile(dir, name)
    if (name !== undefined && content && content.pid !== process.pid) files.set(name, content)
  }
  const running = () => [...files].filter(([, file]) => stillRuns(file))
  const found = running().map(([name]) => name)
  await until(() => running().length === 0, orphanWithinMsMax)
  for (const [, { pid }] of running()) process.kill(pid, 'SIGKILL')
  if (!(await until(() => running().length === 0, killedWithinMsMax))) {
    const names = running().map(([name, { pid }]) => `${name} (process ${pid})`)
    throw new AllwriteError('configuration', 'processes of an earlier run do not end', { detail: names.join(', ') })
  }
  for (const name of files.keys()) removePidFile(dir, name)
  return found
}

async function until(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (!condition()) {
    if (performance.now() > deadline) return false
    await delay(20)
  }
  return true
}
