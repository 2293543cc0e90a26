/**
 * Messages of a node, as a pool's connection has to know them.
 *
 * @module
 */
import type { ErrorFields } from '../../wire/pgwire/errors.ts'
import { backendCollectedMax, backendRules, typeByte, type FrameRules } from '../../wire/pgwire/frames.ts'

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

export const backend = {
  parseComplete: typeByte('1'),
  bindComplete: typeByte('2'),
  closeComplete: typeByte('3'),
  notification: typeByte('A'),
  complete: typeByte('C'),
  row: typeByte('D'),
  error: typeByte('E'),
  copyIn: typeByte('G'),
  empty: typeByte('I'),
  notice: typeByte('N'),
  noData: typeByte('n'),
  parameter: typeByte('S'),
  suspended: typeByte('s'),
  description: typeByte('T'),
  parameters: typeByte('t'),
  ready: typeByte('Z'),
} as const

/** The kind that a message type completes; 0 elsewhere. */
export const completes = new Map<number, AnswerKind>([
  [backend.parseComplete, 'parse'],
  [backend.bindComplete, 'bind'],
  [backend.closeComplete, 'close'],
  [backend.complete, 'execute'],
  [backend.empty, 'execute'],
  [backend.suspended, 'execute'],
  [backend.description, 'describe'],
  [backend.noData, 'describe'],
])

/** As a backend's, but descriptions come whole: they are compared. */
export const rules: FrameRules = { lengthMax: backendRules.lengthMax.slice(), streamed: backendRules.streamed.slice() }
for (const kind of [backend.description, backend.parameters]) {
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
