/**
 * JSON files and messages, read without trust.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { AllwriteError } from '../core/errors.ts'
import { systemCode, wordsOf } from '../postgres/index.ts'

export type Fields = Readonly<Record<string, unknown>>

/** The fields of an object; none for anything else. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/**
 * Reads a JSON file; undefined if there is none.
 * @throws AllwriteError configuration: unreadable, or not JSON
 */
export function readJson(path: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(readFileSync(path, 'utf8')))
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return undefined
    throw new AllwriteError('configuration', `could not read "${path}"`, { detail: wordsOf(thrown), cause: thrown })
  }
}

/** Writes a JSON file, readable by us alone: complete and durable under its name, or not at all. */
export function writeJson(path: string, value: object): void {
  const temporary = `${path}.${process.pid}.new`
  rmSync(temporary, { force: true })
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(file, `${JSON.stringify(value, undefined, 2)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

/** Checked reading of fields. @throws AllwriteError configuration, naming the field and the file */
export function readerOf(fields: Fields, path: string) {
  const wrong = (name: string, wanted: string) =>
    new AllwriteError('configuration', `"${name}" in "${path}" must be ${wanted}`)
  const text = (name: string): string => {
    const value = fields[name]
    if (typeof value !== 'string' || value === '') throw wrong(name, 'a text')
    return value
  }
  return {
    text,
    textOrNull: (name: string) => (fields[name] === null || fields[name] === undefined ? null : text(name)),
    number: (name: string): number => {
      const value = fields[name]
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(name, 'a whole number')
      return value
    },
    list: (name: string): readonly unknown[] => {
      const value = fields[name]
      if (!Array.isArray(value)) throw wrong(name, 'a list')
      return value
    },
    flag: (name: string): boolean => {
      const value = fields[name]
      if (typeof value !== 'boolean') throw wrong(name, 'true or false')
      return value
    },
  }
}
