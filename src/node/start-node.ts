/**
 * Starts a node whatever data it has: none (it is filled), its own (it goes on), or too old (it is replaced by a copy).
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { createJournalHold } from './join/journal-hold.ts'
import { provideData, replaceData, type ProvideOptions } from './join/provide.ts'
import { bringUp, type NodeOptions, type RunningNode } from './node.ts'
import type { LocalServer } from './server.ts'

/** Replacements in one start: where its cap is small, the journal may forget what a copy needs while it is made. */
const replacementsMax = 3

/** Resolves when the node could serve; leaves no server when it can't. */
export const startNode = async (options: NodeOptions): Promise<RunningNode> => {
  const { dataDir, fsync, database } = options.server
  // Until the node's own housekeeping has told the journal more.
  using hold = createJournalHold(options.journal, options.node)
  const signal = new AbortController().signal
  const onProgress = (text: string): void => options.onProgress(text, true)
  const providing: ProvideOptions = { ...options, onProgress, dataDir, fsync, database, hold, signal }
  await provideData(providing)
  for (let attempt = 1; ; attempt++) {
    const begun: { server?: LocalServer } = {}
    try {
      return await bringUp(options, begun)
    } catch (error) {
      await begun.server?.postgres.stop('immediate')
      if (!isTrimmed(error) || attempt > replacementsMax) throw error
      options.log.warn({ err: error }, 'the node is rebuilt')
      await replaceData(providing, error.message)
    }
  }
}

const isTrimmed = (error: unknown): error is AllwriteError =>
  error instanceof AllwriteError && error.code === 'position_trimmed'
