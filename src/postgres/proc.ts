/**
 * What Linux tells about processes in /proc. Elsewhere every answer is "unknown", and only the direct checks remain.
 *
 * @module
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { systemCode } from './system-error.ts'

/** True while a process with this id exists; a zombie counts as ended, since nothing of it runs any more. */
export function processAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (thrown) {
    // EPERM: it exists, but belongs to someone else.
    return systemCode(thrown) === 'EPERM' && processState(pid) !== 'Z'
  }
  return processState(pid) !== 'Z'
}

/** Ticks since boot at which the process started: with the id, it names one process for ever. Undefined if unknown. */
export function processStart(pid: number): string | undefined {
  return statFields(pid)?.[19]
}

/** What the kernel knows of a process's doing. */
export interface ProcessActivity {
  /** It has the CPU, or waits for it. */
  readonly runnable: boolean
  /** CPU time that it has used, in ticks of 10 ms. */
  readonly ticks: number
}

/** Undefined if it is gone, or the system does not tell. */
export function processActivity(pid: number): ProcessActivity | undefined {
  const fields = statFields(pid)
  // utime and stime, fields 14 and 15 of proc(5).
  return fields && { runnable: fields[0] === 'R', ticks: Number(fields[11]) + Number(fields[12]) }
}

/** The process's arguments (world-readable); empty if it is gone. */
export function processCommand(pid: number): readonly string[] {
  const text = readText(`/proc/${pid}/cmdline`)
  return text === undefined ? [] : text.replace(/\0+$/, '').split('\0')
}

/** The working folder; `undefined` if it is gone or the kernel does not tell (another user's process). */
export function processFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** All process ids that /proc lists, this one's excluded. */
export function listProcesses(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid)
  } catch {
    return []
  }
}

function processState(pid: number): string | undefined {
  return statFields(pid)?.[0]
}

/** Fields of proc(5) `stat` from the third (state) on: the second, the name, may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | undefined {
  const text = readText(`/proc/${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
