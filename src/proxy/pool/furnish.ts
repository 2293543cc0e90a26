/**
 * Gives a connection the state of the session that borrows it, and nothing of another one's (ADR 28).
 *
 * @module
 */
import type { ServerConnection } from './server-connection.ts'
import { settingChanges } from './session-state.ts'
import { furnishError } from './words.ts'

/**
 * @param session who borrows
 * @param moved it was at another node before
 * @returns undefined if there is nothing to wait for
 * @throws ConnectionLost; AllwriteError: the state can't be had here
 */
export function furnish(
  connection: ServerConnection,
  session: object,
  settings: ReadonlyMap<string, string>,
  moved: boolean,
): Promise<void> | undefined {
  if (connection.lastUser !== session && connection.sequencesUsed) {
    connection.sequencesUsed = false
    // Nothing waits for it: what is sent behind it runs behind it. It can't fail outside a transaction.
    connection.askAlong('DISCARD SEQUENCES').then(
      ({ error }) => {
        if (error) connection.destroy()
      },
      () => undefined,
    )
  }
  connection.lastUser = session
  const { applied } = connection
  const changes = applied.size === 0 && settings.size === 0 ? [] : settingChanges(applied, settings)
  return changes.length === 0 && !moved ? undefined : change(connection, changes, settings, moved)
}

async function change(
  connection: ServerConnection,
  changes: readonly string[],
  settings: ReadonlyMap<string, string>,
  moved: boolean,
): Promise<void> {
  const answers = changes.map((sql) => connection.ask(sql))
  // The new node waits until it has all that was committed before: the session's own writes among it.
  if (moved) answers.push(...catchUp(settings.get('allwrite.consistency')).map((sql) => connection.ask(sql)))
  for (const { error } of await Promise.all(answers)) if (error) throw furnishError(error.message)
  connection.applied.clear()
  for (const [name, value] of settings) connection.applied.set(name, value)
}

/** Waits at its node for all that was committed anywhere, and gives the level back. */
const catchUp = (level: string | undefined): readonly string[] => [
  "SET allwrite.consistency TO 'cluster'",
  'SELECT 1',
  level === undefined ? 'RESET allwrite.consistency' : `SET allwrite.consistency TO '${level.replaceAll("'", "''")}'`,
]
