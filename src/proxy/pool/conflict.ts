/**
 * A conflict (40001) that the client of an application that has opted in does not hear of: its transaction is rolled back and runs
 * again, and the error is dropped if everything that the client has seen comes out the same. Bounded; the last conflict is told as it is.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { parseErrorFields } from '../../wire/pgwire/errors.ts'
import { Status } from '../../wire/pgwire/messages.ts'
import { backendType } from '../../wire/pgwire/frames.ts'

/** A transaction that loses as often is told so: whoever retries then knows more of it than the pool. */
const conflictsMax = 5
/** Between two tries up to this for each conflict that it has had, ms: those that collide must not collide again. */
const pauseMs = 20

/** Whose conflict it is. */
interface Owner {
  readonly kind: { readonly user: string; readonly database: string }
  readonly context: { readonly settings: { readonly replay: boolean; readonly maskConflicts: readonly string[] } }
  readonly recording: { readonly lost: boolean }
}

/** Who has opted in: `role@database`, either being `*`. */
const masksConflicts = (patterns: readonly string[], user: string, database: string): boolean =>
  patterns.some((pattern) => {
    const [, role, name] = patternForm.exec(pattern) ?? []
    return (role === '*' || role === user) && (name === '*' || name === database)
  })

export const isConflictPattern = (text: string): boolean => patternForm.test(text)

const patternForm = /^(.+)@([^@]+)$/

/** The conflicts of one session's transaction. */
export class Conflicts {
  /** The unit has had its conflict, and this is ReadyForQuery's status behind it. */
  ended: number | undefined
  #frame: Buffer | undefined
  #count = 0

  /** True: the message is not for the client. An error ends its unit: nothing but its ReadyForQuery follows. */
  takes({ context, kind, recording }: Owner, type: number, buffer: Buffer, start: number, end: number): boolean {
    const { replay, maskConflicts } = context.settings
    if (type !== backendType.error || !replay || recording.lost || this.#count >= conflictsMax) return false
    if (!masksConflicts(maskConflicts, kind.user, kind.database)) return false
    const frame = buffer.subarray(start, end)
    if (parseErrorFields(frame.subarray(5)).sqlState !== '40001') return false
    this.#frame = Buffer.from(frame)
    this.#count++
    return true
  }

  /** True: the unit has ended with a conflict. */
  isEnd(status: number): boolean {
    if (this.#frame === undefined) return false
    this.#frame = undefined
    this.ended = status
    return true
  }

  /** Before the transaction runs again. @returns whether a failed one has to be rolled back, and how long to wait, ms */
  again(): { readonly open: boolean; readonly ms: number } {
    const open = this.ended !== Status.idle
    this.ended = undefined
    return { open, ms: Math.random() * pauseMs * this.#count }
  }

  /** Some are kept from the client so far. */
  get any(): boolean {
    return this.#count > 0
  }

  clear(): void {
    this.ended = undefined
    this.#frame = undefined
    this.#count = 0
  }
}

/** What the client is told where the repetition came out otherwise. */
export const conflictDiffersError = (): AllwriteError =>
  new AllwriteError('conflict', 'could not serialize access due to concurrent update', {
    detail: 'The transaction was run again, and its statements did not give the same results.',
    hint: 'Retry the transaction.',
  })
