/**
 * The setting `allwrite.consistency` and its values (session/consistency.ts).
 *
 * @module
 */
export const consistencyName = 'allwrite.consistency'
export const consistencyLevels: readonly string[] = ['session', 'cluster', 'eventual']

/** PostgreSQL's words for a value that is none of them; undefined for one that is. */
export const invalidLevel = (value: string): { readonly message: string; readonly hint: string } | undefined =>
  consistencyLevels.includes(value)
    ? undefined
    : {
        message: `invalid value for parameter "${consistencyName}": "${value}"`,
        hint: `Available values: ${consistencyLevels.join(', ')}.`,
      }
