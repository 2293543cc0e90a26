/**
 * Wires the supervisor to the processes it starts: the compiled entry points beside this file.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import type { Programs } from '../control/supervisor.ts'

const entry = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url))

/** What `allwrite up` runs. */
export const programs: Programs = {
  journal: entry('journal'),
  agent: entry('agent'),
  proxy: entry('proxy'),
}
