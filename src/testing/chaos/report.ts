/**
 * What a run found, as markdown: only what was measured. Pure.
 *
 * @module
 */
import type { Gap } from './probe.ts'
import type { RunResult } from './run.ts'

export interface ReportHead {
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly seed: number
  /** What it ran against, for people. */
  readonly target: string
}

export interface Report {
  readonly head: ReportHead
  readonly results: readonly RunResult[]
  /** The outcome of the replay of the whole journal; undefined where there was none to be made. */
  readonly replay: { readonly equal: boolean; readonly text: string } | undefined
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0)

/** Acknowledged and missing, by whatever workload's name, and of the probe. */
const lostOf = ({ verdict, probe }: RunResult): number =>
  sum(Object.entries(verdict.anomalies).map(([name, count]) => (name.startsWith('lost') ? count : 0))) +
  (probe?.lost ?? 0)

/** Nothing that is forbidden was seen, and something was done. */
export const isClean = ({ results, replay }: Report): boolean =>
  results.length > 0 &&
  results.every(
    (result) =>
      Object.keys(result.verdict.anomalies).length === 0 &&
      result.divergence === undefined &&
      lostOf(result) === 0 &&
      result.verdict.transactions > 0,
  ) &&
  replay?.equal !== false

/** The value below which the share of all lies; the nearest rank. `sorted` is ascending. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0

const describeGaps = (gaps: readonly Gap[]): string => {
  if (gaps.length === 0) return 'none measured'
  const ms = gaps.map((gap) => gap.ms).toSorted((a, b) => a - b)
  const strikes = new Set(gaps.map(({ strike }) => strike)).size
  const worst = gaps.reduce((a, b) => (b.ms > a.ms ? b : a))
  const text = `p50 ${percentile(ms, 0.5)} ms, p95 ${percentile(ms, 0.95)} ms, max ${percentile(ms, 1)} ms (n${worst.node}${worst.strike === undefined ? '' : `, ${worst.strike}`})`
  return worst.strike === undefined
    ? `${text}, without a fault`
    : `${text}; ${ms.length} gaps, ${strikes} kinds of fault`
}

/** Counts by name: `40001 ×12, 55P03 ×3`. */
const describeCounts = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, times]) => `${name} ×${times}`)
    .join(', ') || 'none'

const countBy = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const mergeCounts = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const merged: Record<string, number> = {}
  for (const counts of all) {
    for (const [name, times] of Object.entries(counts)) merged[name] = (merged[name] ?? 0) + times
  }
  return merged
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

const workloadRow = (result: RunResult): string => {
  const { verdict, seconds, strikes, divergence } = result
  const { workload, transactions, failed, unknown, anomalies } = verdict
  const minutes = (seconds / 60).toFixed(1)
  const counts = [transactions, failed, unknown, describeCounts(anomalies), lostOf(result)]
  return row([workload, minutes, ...counts, divergence === undefined ? 'none' : '**yes**', strikes.length])
}

export const formatReport = (report: Report): string => {
  const { head, results, replay } = report
  const strikes = results.flatMap((result) => result.strikes.map(({ what }) => what))
  const probes = results.flatMap(({ probe }) => probe ?? [])
  const acknowledged = sum(probes.flatMap((probe) => probe.acknowledged.map((times) => times.length)))
  const minutes = (sum(results.map(({ seconds }) => seconds)) / 60).toFixed(1)
  const transactions = sum(results.map(({ verdict }) => verdict.transactions))
  const lines = [
    `# Chaos: ${isClean(report) ? 'clean' : 'NOT clean'}`,
    '',
    `${head.date}, \`${head.command}\`, seed ${head.seed}, against ${head.target}.`,
    '',
    `**${minutes} minutes × ${transactions} acknowledged transactions**; anomalies: ${describeCounts(mergeCounts(results.map(({ verdict }) => verdict.anomalies)))}; lost: ${sum(results.map(lostOf))}; divergence: ${results.some(({ divergence }) => divergence !== undefined) ? '**yes**' : 'none'}.`,
    '',
    row(['workload', 'minutes', 'committed', 'aborted', 'unknown', 'anomalies', 'lost', 'divergence', 'faults']),
    row(Array.from({ length: 9 }, () => '---')),
    ...results.map(workloadRow),
    '',
    `- Faults: ${describeCounts(countBy(strikes))}.`,
    `- Open-loop probe: ${acknowledged} writes acknowledged, ${sum(probes.map(({ missed }) => missed))} not sent because all connections were busy or lost.`,
    `- Longest time without an acknowledged write at a node that was not struck: ${describeGaps(results.flatMap(({ gaps }) => gaps))}.`,
    `- Replay of the whole journal into a fresh server: ${replay === undefined ? 'not made' : replay.text}.`,
  ]
  for (const { verdict, divergence } of results) {
    if (verdict.witness !== '') lines.push('', `## ${verdict.workload}`, '', '```', verdict.witness, '```')
    if (divergence !== undefined)
      lines.push('', `## ${verdict.workload}: the nodes differ`, '', '```', divergence, '```')
  }
  return `${lines.join('\n')}\n`
}
