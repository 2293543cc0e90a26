/**
 * Reads PostgreSQL's isolation specs: src/test/isolation/README of its sources (grammar: specparse.y, specscanner.l). Pure.
 *
 * An addition of ours: `node <number>` behind a session's name says at which node it works. PostgreSQL's specs never have it.
 *
 * @module
 */

export interface Step {
  readonly session: string
  readonly name: string
  readonly sql: string
}

export interface Session {
  readonly name: string
  readonly node: number
  readonly setUp: string | undefined
  readonly tearDown: string | undefined
  readonly steps: readonly Step[]
}

/** Why a step is not told as completed before something else has happened. */
export type Blocker =
  | { readonly kind: 'once' }
  | { readonly kind: 'step'; readonly step: string }
  | { readonly kind: 'notices'; readonly step: string; readonly count: number }

export interface Turn {
  readonly step: Step
  readonly blockers: readonly Blocker[]
}

export interface Spec {
  readonly setUps: readonly string[]
  readonly tearDown: string | undefined
  readonly sessions: readonly Session[]
  /** As written; all interleavings where none is. */
  readonly permutations: readonly (readonly Turn[])[]
}

type Token =
  | { readonly kind: 'word' | 'name' | 'sql'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'mark'; readonly text: string }

const pattern =
  /(?<space>[ \t\r\f\n]+|#[^\n]*)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|"(?<name>(?:[^"\n]|"")*)"|\{[ \t\r\f]*(?<sql>[^}]*?)[ \t\r\f]*\}|(?<number>\d+)|(?<mark>[,()*])/gy

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = []
  pattern.lastIndex = 0
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const groups = pattern.exec(text)?.groups
    if (!groups)
      throw new Error(`syntax error at line ${text.slice(0, at).split('\n').length}: ${text.slice(at, at + 20)}`)
    for (const kind of ['word', 'name', 'sql', 'number', 'mark'] as const) {
      const found = groups[kind]
      if (found !== undefined) tokens.push({ kind, text: kind === 'name' ? found.replaceAll('""', '"') : found })
    }
  }
  return tokens
}

const keywords = new Set(['notices', 'permutation', 'session', 'setup', 'step', 'teardown'])

/** All orders of the sessions' steps, each session's own order kept: the first session's step first, as isolationtester does. */
const interleavings = (sessions: readonly (readonly Step[])[]): Step[][] => {
  if (sessions.every((steps) => steps.length === 0)) return [[]]
  return sessions.flatMap((steps, index) => {
    const [first, ...rest] = steps
    if (first === undefined) return []
    return interleavings(sessions.with(index, rest)).map((others) => [first, ...others])
  })
}

/** @throws Error naming the place */
export const parseSpec = (text: string): Spec => {
  const tokens = tokenize(text)
  let at = 0
  const peek = (kind: Token['kind'], wanted?: string): boolean => {
    const token = tokens[at]
    return token?.kind === kind && (wanted === undefined || token.text === wanted)
  }
  const take = (kind: Token['kind'], wanted?: string): string => {
    const token = tokens[at]
    if (!token || !peek(kind, wanted))
      throw new Error(`expected ${wanted ?? kind}, found ${token?.text ?? 'the end'} (token ${at})`)
    at += 1
    return token.text
  }
  const identifier = (): string => (peek('name') ? take('name') : take('word'))
  const isIdentifier = (): boolean => peek('name') || (peek('word') && !keywords.has(tokens[at]?.text ?? ''))
  const block = (keyword: string): string | undefined => {
    if (!peek('word', keyword)) return undefined
    take('word')
    return take('sql')
  }

  const setUps: string[] = []
  for (let sql = block('setup'); sql !== undefined; sql = block('setup')) setUps.push(sql)
  const tearDown = block('teardown')
  const sessions: Session[] = []
  while (peek('word', 'session')) {
    take('word')
    const name = identifier()
    let node = 1
    if (peek('word', 'node')) {
      take('word')
      node = Number(take('number'))
    }
    const setUp = block('setup')
    const steps: Step[] = []
    while (peek('word', 'step')) {
      take('word')
      steps.push({ session: name, name: identifier(), sql: take('sql') })
    }
    sessions.push({ name, node, setUp, steps, tearDown: block('teardown') })
  }

  const byName = new Map(sessions.flatMap(({ steps }) => steps).map((step) => [step.name, step]))
  const stepOf = (name: string): Step => {
    const step = byName.get(name)
    if (!step) throw new Error(`there is no step "${name}"`)
    return step
  }
  const blocker = (): Blocker => {
    if (peek('mark', '*')) {
      take('mark')
      return { kind: 'once' }
    }
    const { name } = stepOf(identifier())
    if (!peek('word', 'notices')) return { kind: 'step', step: name }
    take('word')
    return { kind: 'notices', step: name, count: Number(take('number')) }
  }
  const permutations: Turn[][] = []
  while (peek('word', 'permutation')) {
    take('word')
    const turns: Turn[] = []
    while (isIdentifier()) {
      const step = stepOf(identifier())
      const blockers: Blocker[] = []
      if (peek('mark', '(')) {
        do {
          take('mark')
          blockers.push(blocker())
        } while (peek('mark', ','))
        take('mark', ')')
      }
      turns.push({ step, blockers })
    }
    permutations.push(turns)
  }
  if (at < tokens.length) throw new Error(`unexpected ${tokens[at]?.text} (token ${at})`)
  return {
    setUps,
    tearDown,
    sessions,
    permutations:
      permutations.length > 0
        ? permutations
        : interleavings(sessions.map(({ steps }) => steps)).map((steps) =>
            steps.map((step) => ({ step, blockers: [] })),
          ),
  }
}
