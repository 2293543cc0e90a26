/**
 * Does the journal go on from what a node holds?
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { Position } from '../../core/ids.ts'
import type { JournalTail } from '../../journal/contract.ts'

/**
 * Why the node can't go on from the journal; undefined where it can.
 * @param held the position up to which the node's server has everything
 * @returns journal_corrupt: the node is ahead of it | position_trimmed: it begins too late for the node
 */
export const discontinuity = (name: string, held: Position, tail: JournalTail): AllwriteError | undefined => {
  if (held > tail.last) {
    return new AllwriteError(
      'journal_corrupt',
      `node ${name} holds position ${held}, the journal ends at ${tail.last}`,
      {
        hint: 'The journal of this cluster was replaced or lost entries. Nothing was changed; restore the journal.',
      },
    )
  }
  if (held + 1 >= tail.first) return undefined
  return new AllwriteError(
    'position_trimmed',
    `node ${name} stopped at position ${held}, the journal begins at ${tail.first}`,
    { hint: 'The node was away longer than the journal keeps. It must be rebuilt from a copy of another node.' },
  )
}
