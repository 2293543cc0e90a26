/**
 * Every suite; CI runs them all.
 *
 * @module
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { dumps } from './dumps.ts'
import { goSuites } from './go.ts'
import { jdbc } from './jdbc.ts'
import { psycopg, sqlalchemy } from './python.ts'
import { programs } from './programs.ts'
import type { Suite } from './suite.ts'

export const allSuites: readonly Suite[] = [...goSuites, psycopg, jdbc, sqlalchemy, dumps, programs]

const isThere = (need: string): boolean => {
  if (need.startsWith('/')) return existsSync(need)
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, need), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Debian packages that the suites lack on this machine. */
export const missingPackages = (suites: readonly Suite[]): string[] => [
  ...new Set(
    suites.flatMap(({ needs }) =>
      Object.entries(needs)
        .filter(([need]) => !isThere(need))
        .map(([, debian]) => debian),
    ),
  ),
]
