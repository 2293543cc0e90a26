/**
 * What an application saw, as text: equal transcripts mean that it could not tell one server from the other.
 *
 * @module
 */
import { inspect } from 'node:util'

/** The fields of a server's error that drivers pass on (PostgreSQL manual, 54.8), without those of its source code. */
const errorFields = [
  'severity',
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  // postgres.js names some of them as the protocol does.
  'schema_name',
  'table_name',
  'column_name',
  'constraint_name',
] as const

export interface Transcript {
  /** So far. */
  readonly lines: readonly string[]
  /** Something that the application saw, such as rows. */
  say(label: string, value?: unknown): void
  /** The result of something that must succeed, also returned. */
  keep<T>(label: string, running: PromiseLike<T>): Promise<T>
  /** The error of something that must fail: classes from the outermost to the server's own, and the server's fields. */
  fails(label: string, running: PromiseLike<unknown>): Promise<void>
  /**
   * A name for a value that the server made up, such as a generated id: the same value has the same name, `<kind>#1` is the first
   * that was seen.
   */
  named(kind: string, value: unknown): string
}

export const createTranscript = (): Transcript => {
  const lines: string[] = []
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const say = (label: string, value?: unknown): void => {
    lines.push(value === undefined ? label : `${label}: ${textOf(value)}`)
  }
  return {
    lines,
    say,
    async keep(label, running) {
      const value = await running
      say(label, value)
      return value
    },
    async fails(label, running) {
      let value: unknown
      try {
        value = await running
      } catch (thrown) {
        lines.push(`${label}: ${describeError(thrown)}`)
        return
      }
      say(`${label}: did not fail`, value)
    },
    named(kind, value) {
      const key = `${kind} ${String(value)}`
      let name = names.get(key)
      if (name === undefined) {
        const count = (counts.get(kind) ?? 0) + 1
        counts.set(kind, count)
        names.set(key, (name = `${kind}#${count}`))
      }
      return name
    },
  }
}

const textOf = (value: unknown): string =>
  inspect(value, {
    depth: 8,
    compact: true,
    breakLength: Infinity,
    maxArrayLength: 200,
    maxStringLength: 2_000,
    sorted: true,
    getters: false,
  })

/** Errors that libraries wrap around the server's own. */
const wrapped = (error: object): unknown => {
  for (const name of ['cause', 'parent', 'original', 'driverError']) {
    const inner: unknown = Reflect.get(error, name)
    if (inner instanceof Error) return inner
  }
  return undefined
}

/** Generated ids that the server puts into a message. */
const withoutId = (text: string): string =>
  text.replace(/^(Failing row contains \()\d+/, '$1#').replaceAll(/[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/g, 'uuid')

export const describeError = (thrown: unknown): string => {
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let error = thrown; error instanceof Error && !seen.has(error); error = wrapped(error)) {
    seen.add(error)
    const fields = errorFields.flatMap((name) => {
      const value: unknown = Reflect.get(error, name)
      return typeof value === 'string' || typeof value === 'number' ? [`${name}=${withoutId(String(value))}`] : []
    })
    parts.push(`${error.constructor.name} "${error.message}" ${fields.join(' ')}`.trimEnd())
  }
  return parts.length === 0 ? `threw ${textOf(thrown)}` : parts.join(' < ')
}
