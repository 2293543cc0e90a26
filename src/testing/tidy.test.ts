/**
 * The house rules that a program can check. A rule that nobody checks is a wish.
 *
 * @module
 */
import { deepEqual } from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The checkout: this file is compiled to dist/testing/. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const sourceRoot = join(root, 'src')

interface Source {
  /** Below `src/`, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly isTest: boolean
}

const sources: readonly Source[] = readdirSync(sourceRoot, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, text: readFileSync(join(sourceRoot, path), 'utf8'), isTest: path.endsWith('.test.ts') }))

/** What each tier may import besides itself (STYLE, Layout). */
const tiers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ['core'],
  journal: ['core', 'wire'],
  postgres: ['core', 'wire'],
  login: ['core', 'wire'],
  node: ['core', 'wire', 'journal', 'postgres', 'login'],
  proxy: ['core', 'wire', 'login'],
  control: ['core', 'wire', 'journal', 'postgres', 'login', 'proxy'],
  testing: ['core', 'wire', 'journal', 'postgres'],
  main: ['core', 'wire', 'journal', 'postgres', 'login', 'node', 'proxy', 'control'],
}

const linesMax = 500

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[^]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' ')).replaceAll(/(^|\s)\/\/.*$/gm, '$1')

/** Relative module names that a file imports. */
const importsOf = (text: string): string[] =>
  [...withoutComments(text).matchAll(/\b(?:from|import)\s*\(?\s*'(\.\.?\/[^']*)'/g)].map((match) => match[1] ?? '')

const tierOf = (path: string): string => path.split('/')[0] ?? ''

test(`no file is longer than ${linesMax} lines`, () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ lines }) => lines > linesMax)
  deepEqual(long, [])
})

test('nothing is typed any', () => {
  // "any" as a type: after a colon, a bracket, a comma, a bar, or "as".
  const pattern = /(?::|<|,|\||\bas)\s*any\b(?=\s*[;,)>=|[\]{}\n])/
  const found = sources.flatMap(({ path, text }) =>
    withoutStrings(withoutComments(text))
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  )
  deepEqual(found, [])
})

test('no unfinished work is marked in the source', () => {
  // Written so that this line is not found.
  const marks = /\b(?:TO[D]O|FIX[M]E)\b/
  const found = sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (marks.test(line) ? [`${path}:${index + 1}`] : [])),
  )
  deepEqual(found, [])
})

test('a tier imports only from the tiers before it', () => {
  const wrong = sources.flatMap(({ path, text }) => {
    const allowed = [tierOf(path), ...(tiers[tierOf(path)] ?? [])]
    return importsOf(text)
      .map((name) => relative(sourceRoot, resolve(sourceRoot, dirname(path), name)))
      .filter((target) => !allowed.includes(tierOf(target)))
      .map((target) => `${path} imports ${target}`)
  })
  deepEqual(wrong, [])
})

test('imports name their file with its ending, and it exists', () => {
  const wrong = sources.flatMap(({ path, text }) =>
    importsOf(text)
      .filter((name) => !name.endsWith('.ts') || !existsSync(resolve(sourceRoot, dirname(path), name)))
      .map((name) => `${path} imports ${name}`),
  )
  deepEqual(wrong, [])
})

test('every source file but a test opens with what it is for', () => {
  const silent = sources.filter(({ text, isTest }) => !isTest && !text.startsWith('/**')).map(({ path }) => path)
  deepEqual(silent, [])
})

test('tests do not wait for fixed times', () => {
  // A condition with a deadline may look again after some milliseconds; a long wait is hope.
  const pattern = /(?:setTimeout|delay|sleep)\((?:[^()]|\(\))*?\b(\d[\d_]*)\b/g
  const found = sources.flatMap(({ path, text, isTest }) =>
    isTest
      ? [...withoutComments(text).matchAll(pattern)]
          .filter(
            (match) => /^\s*await\b/.test(lineAt(text, match.index)) && Number(match[1]?.replaceAll('_', '')) > 200,
          )
          .map((match) => `${path}: ${match[0]}`)
      : [],
  )
  deepEqual(found, [])
})

function lineAt(text: string, index: number): string {
  return text.slice(text.lastIndexOf('\n', index) + 1, index)
}

function withoutStrings(text: string): string {
  return text.replaceAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`|"(?:[^"\\\n]|\\.)*"/g, (found) =>
    found.replaceAll(/[^\n]/g, '_'),
  )
}
