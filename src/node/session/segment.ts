/**
 * A stretch of an extended batch that is sent with one Sync: the client's bytes, joined where they are neighbours, and what
 * the backend will answer to each message that counts.
 *
 * @module
 */
import { joinBytesMax } from '../../login/client-output.ts'
import { backendType } from '../../wire/pgwire/frames.ts'
import { sync } from '../../wire/pgwire/messages.ts'
import type { Core } from './core.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import { changeWish, isControl, shownInstead } from './statements.ts'

/** One expected completion, in order. */
export type Expected =
  | { readonly kind: 'parse'; readonly name: string; readonly statement: ClassifiedStatement }
  | { readonly kind: 'bind' }
  | { readonly kind: 'close'; readonly statementName: string | undefined }
  | { readonly kind: 'execute'; readonly statement: ClassifiedStatement | undefined }

export class Segment {
  readonly #slices: Buffer[] = []
  readonly #expected: Expected[] = []
  bytes = 0
  /** Something in it must not run outside a transaction of ours or the client's. */
  needsWrap = false
  /** A portal is made or run: its transaction must outlive the Sync if more follows. */
  usesPortal = false
  /** Named statements that the server has parsed: in the way of a retry. */
  readonly parsed: string[] = []
  /** Those of them whose ParseComplete an abort has kept from the client: for it they do not exist. */
  readonly unseen: string[] = []
  /** Statements that are run, for what they change. */
  readonly runs: (ClassifiedStatement | undefined)[] = []

  get empty(): boolean {
    return this.#slices.length === 0
  }

  /** It begins or ends a transaction by itself. */
  get controls(): boolean {
    return this.runs.some((statement) => statement !== undefined && isControl(statement))
  }

  push(bytes: Buffer, expected?: Expected): void {
    const last = this.#slices.at(-1)
    this.bytes += bytes.length
    if (expected) this.#expected.push(expected)
    if (last && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#slices[this.#slices.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length)
    } else this.#slices.push(bytes)
  }

  /** Only Parse, Close and Describe of statements: nothing of it runs, so it needs no transaction and loses none. */
  get onlyPrepares(): boolean {
    return !this.usesPortal && this.runs.length === 0
  }

  /** The bytes to send; `end`: with our Sync behind. */
  take(end: boolean): Buffer | readonly Buffer[] {
    if (end) this.push(sync)
    const [first] = this.#slices
    if (first && this.#slices.length === 1) return first
    return this.bytes <= joinBytesMax ? Buffer.concat(this.#slices) : this.#slices
  }

  /**
   * Follows the backend's answers: names become known when they are; a SHOW of the guard is answered by the wish.
   * @param onRow told of each row, and of each statement's end, before the client sees it
   */
  track(core: Core, onRow?: () => void): (kind: number, shown: boolean) => Buffer | undefined {
    const expected = this.#expected
    let next = 0
    return (kind, shown) => {
      if (kind === backendType.error) {
        next = expected.length
        return undefined
      }
      const item = expected[next]
      if (kind === backendType.row || kind === backendType.complete) onRow?.()
      const instead = item?.kind === 'execute' ? shownInstead(core, item.statement, kind) : undefined
      if (kind === backendType.row) return instead
      next++
      if (item) this.#completed(core, item, shown)
      return instead
    }
  }

  #completed(core: Core, item: Expected, shown: boolean): void {
    if (item.kind === 'parse') {
      core.names.parsed(item.name, item.statement)
      if (item.name === '') return
      this.parsed.push(item.name)
      if (!shown) this.unseen.push(item.name)
    } else if (item.kind === 'close') {
      if (item.statementName !== undefined) core.names.forget(item.statementName)
    } else if (item.kind === 'execute') changeWish(core, item.statement)
  }
}
