/**
 * Verdicts by text. A query's verdict is kept under its text with literals blanked and filled with the actual text on a hit.
 *
 * @module
 */
import { LRUCache } from 'lru-cache'
import type { ClassifiedQuery, ClassifiedStatement } from './contract.ts'

/** Longer keys are not kept: they are bulk loads, which hardly come again, and would drive out many short ones. */
export const cachedKeyMax = 16 * 1024

/** Bytes of an entry besides its key: the verdict object and the LRU's own. */
const entryBytes = 600

export interface VerdictCache {
  /** The verdict kept for a blanked key, with this text as its text. */
  template(key: string, source: string): ClassifiedQuery | undefined
  exact(key: string): ClassifiedQuery | undefined
  keepTemplate(key: string, statement: ClassifiedStatement): void
  keepExact(key: string, query: ClassifiedQuery): void
  clear(): void
}

export function createVerdictCache(bytesMax: number): VerdictCache {
  // Two bytes a character is the worst case; an exact entry holds its texts as well.
  const options = { maxSize: bytesMax, maxEntrySize: 8 * cachedKeyMax }
  const cache = new LRUCache<string, ClassifiedQuery>({
    ...options,
    sizeCalculation: (query, key) => 4 * key.length + entryBytes * query.statements.length,
  })
  return {
    template(key, source) {
      const kept = cache.get(key)?.statements[0]
      return kept === undefined ? undefined : { statements: [{ ...kept, text: source }] }
    },
    exact: (key) => cache.get(key),
    keepTemplate(key, statement) {
      if (key.length <= cachedKeyMax) cache.set(key, { statements: [{ ...statement, text: '' }] })
    },
    keepExact(key, query) {
      if (key.length <= cachedKeyMax) cache.set(key, query)
    },
    clear: () => cache.clear(),
  }
}
