/**
 * Reading what the system's calls throw, without believing more than was checked.
 *
 * @module
 */

/** The `code` of an error of Node's system calls, such as `ENOENT`; undefined for anything else. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

/** The words of anything thrown; a child process's own (stderr) where it has some. */
export function wordsOf(thrown: unknown): string {
  if (
    thrown instanceof Error &&
    'stderr' in thrown &&
    typeof thrown.stderr === 'string' &&
    thrown.stderr.trim() !== ''
  ) {
    return thrown.stderr.trim()
  }
  return thrown instanceof Error ? thrown.message : String(thrown)
}
