/**
 * The few errors that the endpoint itself gives to clients.
 *
 * @module
 */

/** A FATAL ErrorResponse (PostgreSQL documentation, "Error and Notice Message Fields"). */
export function refusal(sqlState: string, message: string, hint: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${sqlState}\0M${message}\0H${hint}\0\0`
  const body = Buffer.from(fields)
  const head = Buffer.alloc(5)
  head.write('E', 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

export const noNodeServes = refusal(
  '57P03',
  'no node is serving',
  'Nodes may be starting or catching up: try again, and look at "allwrite status".',
)

export const noneWithinLag = refusal(
  '57P03',
  'no node of the reader endpoint is within its lag bound',
  'Nodes may be catching up: try again, look at "allwrite status", or allow more with --reader-lag.',
)

export const noPinnedWriter = refusal(
  '57P03',
  'no node is the pinned writer',
  'No node serves that could be it: try again, and look at "allwrite status".',
)

export const tooManyClients = refusal(
  '53300',
  'sorry, too many clients at this endpoint',
  'Close idle connections, or connect to the nodes directly.',
)
