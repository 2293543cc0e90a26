/**
 * Asks a connection, at a transaction's end, for what the transaction has left in its session (ADR 28).
 *
 * @module
 */
import { readTexts, learn, stateQuery, type SessionState } from './session-state.ts'
import type { ServerConnection } from './server-connection.ts'
import type { PoolSettings } from './settings.ts'
import { furnishError } from './words.ts'

const readOnlyName = 'default_transaction_read_only'

/** @throws ConnectionLost; AllwriteError: it can't be told */
export async function learnFrom(
  server: ServerConnection,
  session: {
    readonly state: SessionState
    /** What the agent has said of the transaction. */
    readonly touches: ReadonlySet<string>
    /** Of the transaction, those that may set a setting by its name in a string. */
    readonly texts: ReadonlySet<string>
    readonly user: string
    readonly settings: PoolSettings
  },
): Promise<void> {
  const { state, touches } = session
  const code = touches.has('code') || touches.has('prepare')
  for (const what of touches) {
    const name = /^setting (.*)$/.exec(what)?.[1]
    if (name?.includes('.')) state.customNames.add(name)
  }
  readTexts(state, session.texts)
  const answer = await server.ask(stateQuery(state.customNames))
  if (answer.error) throw furnishError(answer.error.message)
  const readOnly = server.reported.get(readOnlyName)
  learn(state, answer.rows, {
    user: session.user,
    readOnly: touches.has(`setting ${readOnlyName}`) || state.settings.has(readOnlyName) ? readOnly : undefined,
    filters: session.settings.SessionPinningFilters,
    code,
  })
  server.applied.clear()
  for (const [name, value] of state.settings) server.applied.set(name, value)
}
