/**
 * The cluster's pg_hba.conf as this node has it: read at the start and when asked to. A file that can't be used leaves the rules as they
 * are; without a file every role comes in with its password.
 *
 * @module
 */
import { readHba } from '../wire/hba/read.ts'
import type { HbaRule } from '../wire/hba/rules.ts'

export interface HbaSource {
  /** As of now. */
  rules(): readonly HbaRule[]
  /** @throws AllwriteError configuration: the file is wrong or can't be read, and the rules are what they were */
  reload(): Promise<void>
}

/** @throws AllwriteError configuration: nobody is let in by rules that could not be read */
export const openHbaSource = async (path: string): Promise<HbaSource> => {
  let rules = await readHba(path)
  return {
    rules: () => rules,
    reload: async () => {
      rules = await readHba(path)
    },
  }
}
