/**
 * Who is who among a cluster's processes, read from /proc: so that tests can kill exactly what they mean to, and can
 * prove that nothing stays behind.
 *
 * @module
 */
import { readFileSync, readdirSync } from 'node:fs'
import { errnoOf } from './errors.ts'

export interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  /** Zombies are gone already; only their parent has not noticed. */
  readonly zombie: boolean
  readonly command: string
}

const read = (pid: number): ProcessInfo | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the name in parentheses and may itself hold spaces and parentheses (proc(5)).
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
    return { pid, parent: Number(parent), zombie: state === 'Z', command }
  } catch {
    return undefined // ended while we looked
  }
}

/** All live processes of the machine that we may see. */
export const processes = (): ProcessInfo[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((info) => info !== undefined && !info.zombie)
    .filter((info) => info !== undefined)

/** The given processes and all that descend from them. */
export const familyOf = (roots: readonly number[], all = processes()): ProcessInfo[] => {
  const family = new Set(roots)
  for (let size = -1; size !== family.size;) {
    size = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  return all.filter(({ pid }) => family.has(pid))
}

/** Processes that name the folder on their command line, and their descendants: detached servers are found this way. */
export const processesOf = (dir: string, roots: readonly number[] = []): ProcessInfo[] => {
  const all = processes()
  const naming = all.filter(({ pid, command }) => pid !== process.pid && command.includes(dir)).map(({ pid }) => pid)
  return familyOf([...roots, ...naming], all)
}

/** Sends a signal; a process that is gone already is fine. */
export const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error
  }
}

/** Whether a process still runs (a zombie does not). */
export const isAlive = (pid: number): boolean => {
  const info = read(pid)
  return info !== undefined && !info.zombie
}
