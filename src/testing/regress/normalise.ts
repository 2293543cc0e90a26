/**
 * What of an output must differ between any two servers, and is therefore made the same before they are compared.
 *
 * @module
 */

export interface Normalisation {
  readonly name: string
  readonly why: string
  readonly apply: (text: string) => string
}

const replacing = (pattern: RegExp, replacement: string) => (text: string) => text.replaceAll(pattern, replacement)

/** The two lines are there only where planning has read a page. */
const withoutPlanningBuffers = (text: string): string =>
  text.replaceAll(
    /^ Planning:\n   Buffers: .*\n((?: .*\n)*)\((\d+) rows\)$/gm,
    (_, rest: string, rows: string) => `${rest}(${Number(rows) - 2} rows)`,
  )

export const normalisations: readonly Normalisation[] = [
  {
    name: 'folders',
    why: 'Each server writes its files into a folder of its own.',
    apply: replacing(/(?:\/[\w.-]+)+\/(?:bare|cluster)-build\b/g, '<build>'),
  },
  {
    name: 'buffers',
    why: 'EXPLAIN counts pages of system catalogs too, which may or may not have been read before.',
    apply: (text) => withoutPlanningBuffers(text).replaceAll(/^( *Buffers: ).*$/gm, '$1<pages>'),
  },
  {
    name: 'portals',
    why: 'PL/pgSQL numbers the cursors of a session, those of the agent’s functions too.',
    apply: replacing(/<unnamed portal \d+>/g, '<unnamed portal>'),
  },
  {
    name: 'temporary schemas',
    why: 'They are numbered by the place of the session among the server’s backends.',
    apply: replacing(/\bpg_(toast_)?temp_\d+\b/g, 'pg_$1temp_<n>'),
  },
]

export const normalise = (text: string): string => normalisations.reduce((result, { apply }) => apply(result), text)
