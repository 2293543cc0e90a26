/**
 * A scenario uses one client library as applications do, and writes down what it sees.
 *
 * Contract
 * 1. It begins with an empty schema `public` and leaves in it what it made: that is compared, too.
 * 2. What depends on time or chance is not written down, generated ids only by name ({@link Transcript.named}): else the bare server
 *    would differ from itself.
 * 3. It ends every connection that it opened.
 *
 * @module
 */
import type { Transcript } from './transcript.ts'

export interface Place {
  /** What an application is configured with: one server, or an endpoint of several. */
  readonly url: string
  /** For applications that run several times: one URL each, of the same or of different nodes. */
  readonly instances: readonly [string, string, string]
}

export type Scenario = (place: Place, transcript: Transcript) => Promise<void>
