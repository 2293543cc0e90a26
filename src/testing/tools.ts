/**
 * Other people's programs that tests drive: psql, pgbench, sysbench.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'

export interface ToolResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ToolOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  /** SIGKILL after this long, ms. */
  readonly msMax?: number
}

/** A reason to skip where the program is not installed, else false: fits node:test's `skip`. */
export const missing = (tool: string): string | false => {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' })
    return false
  } catch {
    return `${tool} is not installed`
  }
}

/** Runs a program to its end and returns what it printed; a non-zero exit is the caller's to judge. */
export const run = (tool: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(tool, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: 'pipe' })
    const chunks = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (chunks.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (chunks.stderr += text))
    const timer = setTimeout(() => child.kill('SIGKILL'), options.msMax ?? 300_000)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, ...chunks })
    })
    child.stdin.on('error', () => undefined) // a program that does not read its input may close it
    child.stdin.end(options.input ?? '')
  })

/** libpq's environment for a URL, so that no password shows in a process list. */
export const libpqEnv = (url: string): Record<string, string> => {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
  }
}
