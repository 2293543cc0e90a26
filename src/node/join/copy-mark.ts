/**
 * The mark of a data folder that is a copy whose node has not adopted it: a file in the folder, so that both appear at once.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeId, position, type NodeId, type Position } from '../../core/ids.ts'

const fileName = 'allwrite.copy'

export interface CopyMark {
  readonly donor: NodeId
  /** The donor's verdict log was read before the journal ended there: it knows the aborts of the two windows before. */
  readonly verdictsAt: Position
}

export const writeCopyMark = (folder: string, mark: CopyMark, flush: boolean): void =>
  writeFileSync(join(folder, fileName), JSON.stringify(mark), { mode: 0o600, flush })

export const readCopyMark = (folder: string): CopyMark | undefined => {
  const path = join(folder, fileName)
  if (!existsSync(path)) return undefined
  const fields = JSON.parse(readFileSync(path, 'utf8')) as Record<keyof CopyMark, number>
  return { donor: nodeId(fields.donor), verdictsAt: position(fields.verdictsAt) }
}

export const removeCopyMark = (folder: string): void => rmSync(join(folder, fileName))
