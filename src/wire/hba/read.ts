/**
 * The rules in a file.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { AllwriteError } from '../../core/errors.ts'
import { defaultRules, parseHba } from './rules.ts'
import type { HbaRule } from './rules.ts'

/** The rules of a file, or the default ones where it is absent. @throws AllwriteError configuration */
export const readHba = async (path: string): Promise<readonly HbaRule[]> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return defaultRules()
    throw AllwriteError.from(cause, 'configuration')
  }
  return parseHba(text, path)
}
