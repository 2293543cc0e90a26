/**
 * A transaction for the apply worker that only moves its origin: an origin moves with the commit of something (RULES 10).
 *
 * @module
 */
import type { NodeId, Position } from '../../core/ids.ts'
import { MessageType, TupleMark, ValueKind } from '../../wire/pgoutput/messages.ts'
import { writeRowChange } from '../../wire/pgoutput/publish.ts'
import type { ApplyBatch } from './publisher.ts'

const int4 = 23
const int8 = 20

const column = (key: boolean, name: string, type: number): Buffer => {
  const rest = Buffer.alloc(8)
  rest.writeUInt32BE(type)
  rest.writeInt32BE(-1, 4)
  return Buffer.concat([Buffer.from([key ? 1 : 0]), Buffer.from(`${name}\0`), rest])
}

/** The definition of allwrite.heartbeat, as a Relation message has it behind its id. */
const relation = Buffer.concat([
  Buffer.from('allwrite\0heartbeat\0d'),
  Buffer.from([0, 2]),
  column(true, 'node', int4),
  column(false, 'position', int8),
])

const text = (value: string): Buffer => {
  const head = Buffer.from([ValueKind.text, 0, 0, 0, 0])
  head.writeUInt32BE(value.length, 1)
  return Buffer.concat([head, Buffer.from(value)])
}

/** Updates this node's row, which must be there. */
export const heartbeatBatch = (node: NodeId, position: Position): ApplyBatch => ({
  position,
  records: [],
  write(out, names) {
    const { id } = names.of(relation, out)
    const head = Buffer.from([MessageType.update, 0, 0, 0, 0, TupleMark.new, 0, 2])
    writeRowChange(out, id, Buffer.concat([head, text(String(node)), text(String(position))]))
  },
})
