/**
 * Leaves columns out of what pgoutput says: of a relation's definition, and of the rows that follow it.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { ValueKind } from './messages.ts'

const broken = (): AllwriteError => new AllwriteError('protocol', 'malformed replication message: tuple')

/**
 * A relation's definition without some of its columns.
 * @param body namespace, name, identity and columns, as a record carries them
 * @returns the definition, and by position whether the column stayed
 */
export const withoutColumns = (
  body: Buffer,
  dropped: ReadonlySet<string>,
): { readonly body: Buffer; readonly kept: readonly boolean[] } => {
  const head = body.indexOf(0, body.indexOf(0) + 1) + 2
  const parts: Buffer[] = []
  const kept: boolean[] = []
  const count = body.readUInt16BE(head)
  for (let at = head + 2, i = 0; i < count; i++) {
    const nameEnd = body.indexOf(0, at + 1)
    const stays = !dropped.has(body.toString('utf8', at + 1, nameEnd))
    kept.push(stays)
    if (stays) parts.push(body.subarray(at, nameEnd + 9))
    at = nameEnd + 9
  }
  const length = Buffer.alloc(2)
  length.writeUInt16BE(parts.length)
  return { body: Buffer.concat([body.subarray(0, head), length, ...parts]), kept }
}

/** Where a value ends. */
const valueEnd = (message: Buffer, at: number): number => {
  const kind = message[at]
  if (kind === ValueKind.null || kind === ValueKind.unchanged) return at + 1
  if (kind !== ValueKind.text || at + 5 > message.length) throw broken()
  return at + 5 + message.readUInt32BE(at + 1)
}

/** An insert, update or delete with the values of the columns that were kept. */
export const withoutValues = (message: Buffer, kept: readonly boolean[]): Buffer => {
  const parts: Buffer[] = [message.subarray(0, 5)]
  let at = 5
  while (at < message.length) {
    if (at + 3 > message.length || message.readUInt16BE(at + 1) !== kept.length) throw broken()
    const head = Buffer.from(message.subarray(at, at + 3))
    head.writeUInt16BE(kept.filter(Boolean).length, 1)
    parts.push(head)
    at += 3
    for (const stays of kept) {
      const end = valueEnd(message, at)
      if (end > message.length) throw broken()
      if (stays) parts.push(message.subarray(at, end))
      at = end
    }
  }
  return Buffer.concat(parts)
}
