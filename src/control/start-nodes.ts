/**
 * When is a cluster up? After a loss of one node's data a person wants the others, now.
 *
 * - A cluster that is made now is up when all its nodes are ready: nothing may be missing from the beginning.
 * - One that was made before is up when at least one node serves and each other one is ready, joins (it copies a peer, or reads
 *   a long piece of the journal), or could not start. Those that join go on, and are told of by progress.
 *
 * @module
 */
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import type { Reporter } from './events.ts'
import type { NodeSlot } from './node-slot.ts'

export interface StartNodesOptions {
  readonly isNew: boolean
  readonly report: Reporter
  /** Calls back whenever a node's state has changed, until the result is called. */
  readonly onChange: (look: () => void) => () => void
}

/** @throws AllwriteError of the first node that could not start, where the cluster can't be up for it */
export async function startNodes(slots: readonly NodeSlot[], options: StartNodesOptions): Promise<void> {
  if (options.isNew) return void (await Promise.all(slots.map((slot) => slot.start())))
  const pending = new Set(slots)
  const failures: AllwriteError[] = []
  const up = deferred<void>()
  const look = (): void => {
    const [first] = failures
    if (first && failures.length === slots.length) up.reject(first)
    const ready = slots.length - pending.size - failures.length
    if (ready > 0 && [...pending].every(({ state }) => state === 'joining')) up.resolve()
  }
  const forget = options.onChange(look)
  for (const slot of slots) {
    slot
      .start()
      .catch((thrown: unknown) => {
        const failure = AllwriteError.from(thrown)
        const { code, message, hint } = failure
        failures.push(failure)
        if (code === 'cancelled') return
        const words = [message, hint].filter(Boolean).join(' ')
        options.report({ event: 'progress', node: slot.name, text: `stays down: ${words}` })
      })
      .finally(() => {
        pending.delete(slot)
        look()
      })
  }
  await up.promise.finally(forget)
}
