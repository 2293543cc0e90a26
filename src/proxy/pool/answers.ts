/**
 * Messages of a node, as a pool's connection has to know them.
 *
 * @module
 */
import type { ErrorFields } from '../../wire/pgwire/errors.ts'
import { backendCollectedMax, backendRules, backendType, type FrameRules } from '../../wire/pgwire/frames.ts'

/** What a message is answered by. `sync`: ReadyForQuery alone; `query` and `call`: anything up to one. */
export type AnswerKind = 'parse' | 'bind' | 'describe' | 'close' | 'execute' | 'sync' | 'query' | 'call'

/** What a hidden exchange came to. */
export interface HiddenAnswer {
  error: ErrorFields | undefined
  errorFrame: Buffer | undefined
  /** Columns in text format. */
  readonly rows: (string | null)[][]
  /** Of a Describe: a digest of parameters and columns. */
  description: string | undefined
  /** ReadyForQuery's, where there was one. */
  status: number
}

export const endsWithReady = (kind: AnswerKind): boolean => kind === 'sync' || kind === 'query' || kind === 'call'

export const emptyAnswer = (): HiddenAnswer => ({
  error: undefined,
  errorFrame: undefined,
  rows: [],
  description: undefined,
  status: 0,
})

/** The kind that a message type completes; 0 elsewhere. */
export const completes = new Map<number, AnswerKind>([
  [backendType.parseComplete, 'parse'],
  [backendType.bindComplete, 'bind'],
  [backendType.closeComplete, 'close'],
  [backendType.complete, 'execute'],
  [backendType.empty, 'execute'],
  [backendType.suspended, 'execute'],
  [backendType.description, 'describe'],
  [backendType.noData, 'describe'],
])

/** As a backend's, but descriptions come whole: they are compared. */
export const rules: FrameRules = { lengthMax: backendRules.lengthMax.slice(), streamed: backendRules.streamed.slice() }
for (const kind of [backendType.description, backendType.parameters]) {
  rules.lengthMax[kind] = backendCollectedMax
  rules.streamed[kind] = 0
}

/** Nobody prepares a statement of this name. */
export const noStatement = 'allwrite_none'

/** A Parse message of a name and the rest behind it, as it was sent. */
export function parseMessage(name: string, body: Buffer): Buffer {
  const head = Buffer.from(`P\0\0\0\0${name}\0`, 'latin1')
  head.writeUInt32BE(head.length - 1 + body.length, 1)
  return Buffer.concat([head, body])
}

/** The columns of a DataRow's body. */
export function columnsOf(body: Buffer): (string | null)[] {
  const columns: (string | null)[] = []
  for (let offset = 2; offset < body.length;) {
    const length = body.readInt32BE(offset)
    columns.push(length < 0 ? null : body.toString('utf8', offset + 4, offset + 4 + length))
    offset += 4 + Math.max(length, 0)
  }
  return columns
}
