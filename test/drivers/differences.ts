/**
 * What an application may see of a cluster that it would not see of a bare server. Anything else fails the comparison.
 *
 * @module
 */

export interface Difference {
  readonly scenario: string
  /** Where it shows. */
  readonly at: readonly ('agent' | 'endpoint')[]
  /** Lines of the transcript that are left out on both sides. */
  readonly lines: RegExp
  readonly reason: string
}

export const differences: readonly Difference[] = [
  {
    scenario: 'node-postgres',
    at: ['agent', 'endpoint'],
    lines: /^address: /,
    reason:
      'An agent reaches its server by a Unix socket: inet_client_addr() is null there. pg_stat_activity shows the agent, too.',
  },
  {
    scenario: 'node-postgres',
    at: ['agent', 'endpoint'],
    lines: /^the pid is the one that the driver was told: /,
    reason:
      'The process id in BackendKeyData names session and node, so that a cancel request finds its way through the endpoint; pg_backend_pid() is that of the server process.',
  },
  {
    scenario: 'node-postgres',
    at: ['agent', 'endpoint'],
    lines: /^no such database: /,
    reason: 'The same error with a HINT besides.',
  },
  {
    scenario: 'node-postgres',
    at: ['agent', 'endpoint'],
    lines: /^held, beside temporary tables: /,
    reason:
      'A temporary table or view may hide a table of the same name, and a WITH HOLD cursor whose query might write is refused (0A000): its query runs inside COMMIT.',
  },
]

/** The lines that must be equal. */
export const without = (scenario: string, at: 'agent' | 'endpoint', lines: readonly string[]): readonly string[] => {
  const known = differences.filter((difference) => difference.scenario === scenario && difference.at.includes(at))
  return lines.filter((line) => !known.some((difference) => difference.lines.test(line)))
}
