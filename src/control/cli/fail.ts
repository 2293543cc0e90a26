/**
 * How a command ends: its errors in PostgreSQL's style on stderr, and its exit code.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** 0: done. 1: it failed. 2: wrong usage. 3: the cluster is down (as `pg_ctl status` says it). */
export const exitCodes = { done: 0, failed: 1, usage: 2, down: 3 } as const

/** `error: …`, DETAIL and HINT. A bug shows its stack. */
export function errorText(thrown: unknown): string {
  if (!(thrown instanceof AllwriteError)) {
    return `allwrite: internal error: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`
  }
  const lines = [`allwrite: error: ${thrown.message}`]
  if (thrown.detail !== undefined) lines.push(`DETAIL:  ${thrown.detail.replaceAll('\n', '\n         ')}`)
  if (thrown.hint !== undefined) lines.push(`HINT:  ${thrown.hint}`)
  return `${lines.join('\n')}\n`
}

/** The refusal of commands that need a running cluster. */
export const notRunning = (dir: string): AllwriteError =>
  new AllwriteError('unavailable', `no cluster runs in "${dir}"`, {
    hint: `Start it with "allwrite up --data ${dir}".`,
  })
