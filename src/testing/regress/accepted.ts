/**
 * Which differences are accepted, each for a reason of docs/REGRESSION.md. A folder of them has three kinds of files:
 *
 *     patterns.json   kinds of hunks, in whatever file
 *     <file>.diff     hunks of one file, literally
 *     files.json      files whose very subject is refused: { "<file>": "<reason>" }; whatever differs in them is accepted
 *
 * A hunk is judged by its lines alone, not by where it stands: what is accepted in one version's file is accepted in the next
 * version's too, and a change elsewhere in the file does not undo it.
 *
 * @module
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Hunk } from './hunks.ts'

/** What may differ, and why: the name of a reason (docs/REGRESSION.md has the list). */
export interface Accepted {
  readonly reason: string
  matches(hunk: Hunk): boolean
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((line, index) => line === b[index])

/**
 * Reads `accepted/<file>.diff`: hunks without line numbers, each after blank lines or a `# <reason>` line, which holds until the next.
 * @throws Error for a hunk without a reason, or a line that is none of these
 */
export const parseAccepted = (text: string): readonly Accepted[] => {
  const accepted: { reason: string; lines: string[] }[] = []
  let reason: string | undefined
  let open = false
  for (const [index, line] of text.split('\n').entries()) {
    if (/^[<>] /.test(line)) {
      if (reason === undefined) throw new Error(`line ${index + 1}: no reason before it`)
      if (!open) accepted.push({ reason, lines: [] })
      accepted.at(-1)?.lines.push(line)
      open = true
      continue
    }
    open = false
    const [, named] = /^# ([a-z0-9-]+)$/.exec(line) ?? []
    if (named !== undefined) reason = named
    else if (line !== '') throw new Error(`line ${index + 1}: neither a hunk nor "# reason": ${line}`)
  }
  return accepted.map(({ reason, lines }) => ({ reason, matches: (hunk) => same(hunk.lines, lines) }))
}

/** A kind of hunk, in `accepted/patterns.json`. */
export interface Pattern {
  readonly reason: string
  /** Regular expression for all of the bare server's lines, joined by newlines, without their marks; absent: there are none. */
  readonly bare?: string
  /** The same for the cluster's. */
  readonly cluster?: string
}

export const acceptPattern = ({ reason, bare, cluster }: Pattern): Accepted => {
  const [bareOnly, clusterOnly] = [bare, cluster].map((source) => new RegExp(`^(?:${source ?? ''})$`))
  const linesOf = (hunk: Hunk, mark: string): string =>
    hunk.lines
      .filter((line) => line.startsWith(mark))
      .map((line) => line.slice(2))
      .join('\n')
  return {
    reason,
    matches: (hunk) => bareOnly?.test(linesOf(hunk, '<')) === true && clusterOnly?.test(linesOf(hunk, '>')) === true,
  }
}

const jsonOf = <T>(dir: string, name: string, absent: T): T => {
  const path = join(dir, name)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'latin1')) : absent
}

const patternsOf = (dir: string): readonly Pattern[] => jsonOf(dir, 'patterns.json', [])

const filesOf = (dir: string): Readonly<Record<string, string>> => jsonOf(dir, 'files.json', {})

/** What is accepted in the output of file `name`, the most particular first. */
export const readAccepted = (dir: string, name: string): readonly Accepted[] => {
  const own = join(dir, `${name}.diff`)
  const whole = filesOf(dir)[name]
  return [
    ...(existsSync(own) ? parseAccepted(readFileSync(own, 'latin1')) : []),
    ...patternsOf(dir).map((pattern) => acceptPattern(pattern)),
    ...(whole === undefined ? [] : [{ reason: whole, matches: () => true }]),
  ]
}

/** Reasons that anything is accepted for. */
export const reasonsUsed = (dir: string): ReadonlySet<string> =>
  new Set([
    ...patternsOf(dir).map(({ reason }) => reason),
    ...Object.values(filesOf(dir)),
    ...readdirSync(dir)
      .filter((name) => name.endsWith('.diff'))
      .flatMap((name) => parseAccepted(readFileSync(join(dir, name), 'latin1')).map(({ reason }) => reason)),
  ])
