/**
 * Named statements that a batch has left on the server. They are no part of a transaction: a batch that lost its own
 * leaves them behind all the same.
 *
 * @module
 */
import { close, sync } from '../../wire/pgwire/messages.ts'
import { hiddenCycle } from './channel.ts'
import type { Core } from './core.ts'
import type { Segment } from './segment.ts'

export class Leftovers {
  readonly #core: Core
  #parsed: string[] = []
  /** Those of them whose ParseComplete the client has not seen. */
  #unseen: string[] = []

  constructor(core: Core) {
    this.#core = core
  }

  /** What an answered segment, or one that was lost, has left. */
  add(segment: Segment): void {
    this.#parsed.push(...segment.parsed)
    this.#unseen.push(...segment.unseen)
  }

  /** Before the batch runs again: it would find its own. @throws as Core.exchange */
  async closeAll(): Promise<void> {
    const bytes = this.#close(this.#parsed)
    if (bytes) await this.#core.exchange(bytes, hiddenCycle)
  }

  /** After the batch: a client that has seen no ParseComplete will parse again, under the same name. @throws BackendLost */
  async closeUnseen(): Promise<void> {
    const bytes = this.#close(this.#unseen)
    if (bytes) await this.#core.raw(bytes, hiddenCycle)
  }

  #close(names: readonly string[]): Buffer[] | undefined {
    this.#parsed = []
    this.#unseen = []
    if (names.length === 0) return undefined
    for (const name of names) this.#core.names.forget(name)
    return [...names.map((name) => close('S', name, 'latin1')), sync]
  }
}
