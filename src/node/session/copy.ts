/**
 * COPY … FROM STDIN: the client's CopyData goes to the backend as it comes, at the backend's pace. Never retried.
 *
 * @module
 */
import { typeByte } from '../../wire/pgwire/frames.ts'
import { copyFail, sync } from '../../wire/pgwire/messages.ts'
import type { Answer, CycleOptions } from './channel.ts'
import type { Core } from './core.ts'
import type { ClientFrame } from '../../login/client-input.ts'

/** The client is gone, or said good-bye, in the middle of a unit. */
export class ClientGone extends Error {
  constructor() {
    super('the client is gone')
    this.name = 'ClientGone'
  }
}

const type = {
  data: typeByte('d'),
  done: typeByte('c'),
  fail: typeByte('f'),
  flush: typeByte('H'),
  sync: typeByte('S'),
  bye: typeByte('X'),
} as const

/** Watches one cycle for the copy that it may start. */
export class CopyWatch {
  readonly #core: Core
  #started = false
  #over = false
  #changed: (() => void) | undefined

  constructor(core: Core) {
    this.#core = core
  }

  /** The cycle's options, with what this needs added. */
  options(options: CycleOptions): CycleOptions {
    return {
      ...options,
      copyIn: () => {
        this.#started = true
        this.#wake()
      },
      failed: () => this.finish(),
    }
  }

  /** The cycle is answered, or failed: the backend reads no CopyData any more. */
  finish(): void {
    this.#over = true
    this.#wake()
  }

  #wake(): void {
    this.#changed?.()
    this.#core.input.wake()
  }

  /**
   * Resolves when the copy is over on the client's side, or there was none.
   * @param early frames that were taken from the client already
   * @throws ClientGone
   */
  async relay(early: () => ClientFrame | undefined = () => undefined): Promise<void> {
    const core = this.#core
    core.brute.onAbort = () => this.#wake()
    try {
      // Aborted or not: a COPY that begins after its cancel, which then was too early, must be ended by us.
      while (!this.#started && !this.#over && !core.channel.lost) {
        await new Promise<void>((resolve) => {
          this.#changed = resolve
        })
      }
      if (this.#started) await this.#pump(early)
    } finally {
      core.brute.onAbort = undefined
    }
  }

  /** A copy of the extended protocol: its Sync comes when all is sent. @param early as relay */
  async during(exchange: Promise<Answer>, early: () => ClientFrame | undefined): Promise<Answer> {
    const answer = exchange.finally(() => this.finish())
    const relayed = this.relay(early).finally(() => {
      this.#core.channel.write(sync)
    })
    const [result] = await Promise.all([answer, relayed])
    return result
  }

  async #pump(early: () => ClientFrame | undefined): Promise<void> {
    const core = this.#core
    // Inside a frame its rest must follow, even if the backend does not want it any more.
    let inside = false
    for (;;) {
      if (core.channel.lost) return
      if (!inside && this.#over) return
      if (!inside && core.aborting) {
        core.channel.write(copyFail('the transaction was aborted'))
        return
      }
      const frame = early() ?? core.input.take()
      if (!frame) {
        if (core.input.exhausted) throw new ClientGone()
        await core.input.wait()
        continue
      }
      if (frame.type === type.bye) throw new ClientGone()
      // As PostgreSQL: libpq sends Sync before it knows that the statement was COPY.
      if (frame.type === type.flush || frame.type === type.sync) continue
      inside = !frame.complete
      if (!core.channel.write(frame.bytes)) await new Promise<void>((resolve) => core.channel.drained(resolve))
      // Anything but data ends the copy: CopyDone, CopyFail, or what the server refuses.
      if (frame.type !== type.data) return
    }
  }
}
