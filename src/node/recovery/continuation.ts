/**
 * Does the journal go on from what a node holds?
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { Position } from '../../core/ids.ts'
import type { JournalTail } from '../../journal/contract.ts'

/**
 * @param held the position up to which the node's server has everything
 * @throws AllwriteError journal_corrupt: the node is ahead of it | position_trimmed: it begins too late for the node
 */
export const requireContinuation = (name: string, held: Position, tail: JournalTail): void => {
  if (held > tail.last) {
    throw new AllwriteError(
      'journal_corrupt',
      `node ${name} holds position ${held}, the journal ends at ${tail.last}`,
      {
        hint: 'The journal of this cluster was replaced or lost entries. Nothing was changed; restore the journal.',
      },
    )
  }
  if (tail.first > 1 && held + 1 < tail.first) {
    throw new AllwriteError(
      'position_trimmed',
      `node ${name} stopped at position ${held}, the journal begins at ${tail.first}`,
      {
        hint: 'The node was away longer than the journal keeps. It must be rebuilt from a copy of another node.',
      },
    )
  }
}
