/**
 * The files of a suite, one after the other, each through a bare server and through a node of a cluster; then what differs.
 *
 * Contract
 * 1. Both sides see the same files in the same order, so that what a file leaves behind is there for the next on both.
 * 2. Behind each file the nodes come to rest at the same position; where they don't, the file is called out, not a later one.
 * 3. Behind the last, rows and catalogs of all nodes are equal.
 *
 * Failure cases: a file that does not end in its time is ended and called out; the run goes on. Differences are results, not errors.
 *
 * @module
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertAllEqual, assertSameCatalogs, whenQuiescent } from '../equality.ts'
import { fieldsOf } from '../errors.ts'
import { readAccepted } from './accepted.ts'
import { formatJudged, hunksOf, judge } from './hunks.ts'
import type { Judged } from './hunks.ts'
import { normalise } from './normalise.ts'
import { runFile } from './psql.ts'
import type { Sides } from './sides.ts'

export interface JudgeOptions {
  /** Gets outputs and differences. */
  readonly outDir: string
  /** Folder of `<file>.diff`, `patterns.json` and `files.json`. */
  readonly acceptedDir: string
}

export interface RunOptions extends JudgeOptions {
  /** A folder with `sql/`, and `data/` where its files want that. */
  readonly dir: string
  readonly files: readonly string[]
  readonly psql: string
  /** For each file at each side, ms. */
  readonly fileMsMax: number
  /** Compares the nodes behind every file instead of the last only. */
  readonly compareEach: boolean
  /** Ends the run behind the file that is under way. */
  readonly signal?: AbortSignal
  readonly say: (text: string) => void
}

export interface FileResult {
  readonly name: string
  readonly judged: readonly Judged[]
  /** What is wrong besides the output: not ended in its time, nodes that don't come to rest or differ. */
  readonly faults: readonly string[]
  readonly bareMs: number
  readonly clusterMs: number
}

export interface RunResult {
  readonly files: readonly FileResult[]
  /** Of the last comparison of all nodes; undefined: they are equal. */
  readonly difference: string | undefined
}

/** A node may lag, and say nothing for a second, under load; it may not stop or be taken for damaged. */
const harmlessStates = new Set(['serving', 'catching_up', 'silent'])

/**
 * How long nodes may take to come to rest behind a file, ms. Rows of tables without a key and of types without equality are looked
 * for one by one.
 */
const restMsMax = 300_000

/** Without the URLs' passwords. */
const messageOf = (error: unknown): string => {
  const { message } = fieldsOf(error)
  const cause = error instanceof Error && error.cause !== undefined ? `: ${fieldsOf(error.cause).message}` : ''
  return `${message}${cause}`.replaceAll(/(:\/\/[^:@/\s]*):[^@\s]*@/g, '$1:…@')
}

const faultOf = async (check: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await check()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

const compareNodes = (sides: Sides): Promise<string | undefined> =>
  faultOf(async () => {
    await assertAllEqual(sides.cluster, restMsMax)
    await assertSameCatalogs(sides.cluster, restMsMax)
  })

type Side = 'bare' | 'cluster'

/** One side's run of a file; its output stands, made comparable, in `<outDir>/<side>/<name>.out`. */
const runSide = async (
  options: RunOptions,
  side: Side,
  url: string,
  name: string,
): Promise<{ ms: number; inTime: boolean }> => {
  const path = outputPath(options, side, name)
  const begun = performance.now()
  const { dir, psql, fileMsMax: msMax } = options
  const inTime = await runFile({ psql, url, dir, buildDir: join(options.outDir, `${side}-build`), msMax }, name, path)
  // Outputs of encoding tests are no UTF-8: bytes stay what they are.
  writeFileSync(path, normalise(readFileSync(path, 'latin1')), 'latin1')
  return { ms: performance.now() - begun, inTime }
}

const outputPath = ({ outDir }: JudgeOptions, side: Side, name: string): string => join(outDir, side, `${name}.out`)

/** Compares the outputs of a file, and writes the differences to `<outDir>/diff/<file>.diff`. */
const judgeFile = async (options: JudgeOptions, name: string): Promise<readonly Judged[]> => {
  const hunks = await hunksOf(outputPath(options, 'bare', name), outputPath(options, 'cluster', name))
  const judged = judge(hunks, readAccepted(options.acceptedDir, name))
  writeFileSync(join(options.outDir, 'diff', `${name}.diff`), formatJudged(judged), 'latin1')
  return judged
}

/** Judges the outputs of an earlier run anew: after a change of what is accepted. What was wrong besides them is not known any more. */
export const judgeAgain = async (options: JudgeOptions, files: readonly string[]): Promise<RunResult> => {
  const results: FileResult[] = []
  for (const name of files.filter((file) => existsSync(outputPath(options, 'cluster', file)))) {
    results.push({ name, judged: await judgeFile(options, name), faults: [], bareMs: 0, clusterMs: 0 })
  }
  return { files: results, difference: 'not compared' }
}

const runOne = async (sides: Sides, options: RunOptions, name: string): Promise<FileResult> => {
  const stateChanges = sides.cluster.changes.length
  const [bare, cluster] = await Promise.all([
    runSide(options, 'bare', sides.bare.url, name),
    runSide(options, 'cluster', sides.cluster.urlOf(1), name),
  ])
  const judged = await judgeFile(options, name)
  const seconds = options.fileMsMax / 1000
  const rest = await faultOf(() => whenQuiescent(sides.cluster, restMsMax))
  const changes = sides.cluster.changes
    .slice(stateChanges)
    .filter(({ state }) => !harmlessStates.has(state))
    .map(({ id, state }) => `${id} ${state}`)
  const faults = [
    bare.inTime ? undefined : `the bare server did not end it within ${seconds} s`,
    cluster.inTime ? undefined : `the cluster did not end it within ${seconds} s`,
    changes.length === 0 ? undefined : `nodes left service: ${changes.join(', ')}`,
    rest,
    options.compareEach && rest === undefined ? await compareNodes(sides) : undefined,
  ].filter((fault) => fault !== undefined)
  return { name, judged, faults, bareMs: bare.ms, clusterMs: cluster.ms }
}

/** Folders, and files that its servers may write to as another user. */
const prepareFolders = (outDir: string): void => {
  for (const side of ['bare', 'cluster']) {
    mkdirSync(join(outDir, side), { recursive: true })
    for (const folder of [`${side}-build`, `${side}-build/results`]) {
      mkdirSync(join(outDir, folder), { recursive: true })
      chmodSync(join(outDir, folder), 0o777)
    }
  }
  mkdirSync(join(outDir, 'diff'), { recursive: true })
}

export const notAccepted = ({ judged }: FileResult): number =>
  judged.filter(({ reason }) => reason === undefined).length

const line = (result: FileResult): string => {
  const { name, judged, faults, bareMs, clusterMs } = result
  const open = notAccepted(result)
  const verdict =
    judged.length === 0 ? 'equal' : open === 0 ? `accepted (${judged.length})` : `DIFFERS (${open} of ${judged.length})`
  const times = `${(bareMs / 1000).toFixed(1)} s, ${(clusterMs / 1000).toFixed(1)} s`
  return [`${name.padEnd(28)} ${verdict.padEnd(20)} ${times}`, ...faults.map((fault) => `  ! ${fault}`)].join('\n')
}

/** Runs the files; differences are written to `<outDir>/diff/<file>.diff`. */
export const runSuite = async (sides: Sides, options: RunOptions): Promise<RunResult> => {
  prepareFolders(options.outDir)
  const files: FileResult[] = []
  for (const name of options.files) {
    if (options.signal?.aborted === true) break
    const result = await runOne(sides, options, name)
    files.push(result)
    options.say(line(result))
  }
  return { files, difference: await compareNodes(sides) }
}

/** Whether nothing was found that nobody has accepted. */
export const isClean = ({ files, difference }: RunResult): boolean =>
  difference === undefined && files.every((file) => notAccepted(file) === 0 && file.faults.length === 0)

/** The figures: files by verdict, accepted hunks by reason. */
export const formatSummary = (result: RunResult): string => {
  const { files, difference } = result
  const equal = files.filter(({ judged }) => judged.length === 0)
  const open = files.filter((file) => notAccepted(file) > 0)
  const faulty = files.filter(({ faults }) => faults.length > 0)
  const reasons = new Map<string, { hunks: number; files: number }>()
  for (const { judged } of files) {
    const own = judged.flatMap(({ reason }) => reason ?? [])
    for (const reason of own) {
      const sum = reasons.get(reason) ?? { hunks: 0, files: 0 }
      reasons.set(reason, { ...sum, hunks: sum.hunks + 1 })
    }
    for (const reason of new Set(own)) {
      const sum = reasons.get(reason)
      if (sum !== undefined) sum.files += 1
    }
  }
  return [
    `${files.length} files: ${equal.length} equal, ${files.length - equal.length - open.length} differ as documented, ${open.length} differ otherwise`,
    ...[...reasons]
      .toSorted(([, a], [, b]) => b.files - a.files)
      .map(([reason, sum]) => `  ${reason.padEnd(28)} ${sum.hunks} places in ${sum.files} files`),
    ...(open.length === 0 ? [] : [`not accepted: ${open.map(({ name }) => name).join(' ')}`]),
    ...(faulty.length === 0 ? [] : [`faults: ${faulty.map(({ name }) => name).join(' ')}`]),
    difference === undefined ? 'all nodes equal, rows and catalogs' : `the nodes DIFFER: ${difference}`,
    '',
  ].join('\n')
}
