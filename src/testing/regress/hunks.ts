/**
 * Where two outputs differ, as diff(1) tells it, judged.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import type { Accepted } from './accepted.ts'

/** The suite's largest output has a few MB. */
const outputBytesMax = 256 * 1024 * 1024

export interface Hunk {
  /** Line of the bare server's output, 1 …: for the reader. */
  readonly line: number
  /** `< …` the bare server's, `> …` the cluster's. */
  readonly lines: readonly string[]
}

export interface Judged {
  readonly hunk: Hunk
  /** Undefined: nobody has accepted it. */
  readonly reason: string | undefined
}

/**
 * Bytes are characters (latin1), whatever encoding they were meant in.
 * @throws Error where diff(1) can't compare the files
 */
export const hunksOf = (barePath: string, clusterPath: string): Promise<readonly Hunk[]> =>
  new Promise((resolve, reject) => {
    const options = { encoding: 'latin1', maxBuffer: outputBytesMax } as const
    execFile('diff', ['-a', barePath, clusterPath], options, (error, stdout) => {
      // 1: they differ.
      if (error !== null && error.code !== 1) reject(error)
      else resolve(parseDiff(stdout))
    })
  })

/** Reads diff's normal format. */
export const parseDiff = (text: string): readonly Hunk[] => {
  const hunks: { line: number; lines: string[] }[] = []
  for (const line of text.split('\n')) {
    const [, begin] = /^(\d+)(?:,\d+)?[acd]\d/.exec(line) ?? []
    if (begin !== undefined) hunks.push({ line: Number(begin), lines: [] })
    else if (/^[<>] /.test(line)) hunks.at(-1)?.lines.push(line)
  }
  return hunks
}

export const judge = (hunks: readonly Hunk[], accepted: readonly Accepted[]): readonly Judged[] =>
  hunks.map((hunk) => ({ hunk, reason: accepted.find((one) => one.matches(hunk))?.reason }))

/** As it stands in `accepted/<file>.diff`, with where it was: whoever accepts one copies it from here. */
export const formatJudged = (judged: readonly Judged[]): string =>
  judged.map(({ hunk, reason }) => `@ ${hunk.line} ${reason ?? 'NOT ACCEPTED'}\n${hunk.lines.join('\n')}\n`).join('\n')
