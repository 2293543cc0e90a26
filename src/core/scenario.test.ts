/**
 * Certification told as text: `testdata/*.txt` hold commands and, below `----`, what the certifier answered. After a
 * wanted change of the rules write the answers anew with `REWRITE=1 node --test dist/core/scenario.test.js` and read the diff.
 *
 * ```text
 * new window=8                        a certifier
 * fence n1/1                          the next entry is a fence: node 1, incarnation 1
 * chunk n1/1
 * hold n1/1
 * group n1/1                          the next entry is a group, one record a line:
 *   early=1 late=2 t:1=update p:1=keyShare,early schema=keyShare,checkOnly
 * skip 5                              five chunks of node 9, to pass the time
 * ```
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { createCertifier } from './certifier.ts'
import type { Certifier, Verdict } from './certifier.ts'
import { hash64, hashWords } from './hash.ts'
import { incarnation, nodeId, nodeName, parseNodeName, position, xid } from './ids.ts'
import { keyBytes, KeyFlag, LockMode } from './writeset.ts'
import type { AppendId, Entry, WritesetRecord } from './writeset.ts'

const folder = new URL('../../src/core/testdata/', import.meta.url)
const divider = '----'

interface Step {
  readonly input: readonly string[]
  readonly output: string
}

/** Paragraphs: commands, the divider, answers. Lines that start with # are kept and mean nothing. */
const parse = (text: string): Step[] =>
  text
    .trim()
    .split(/\n\n+/)
    .map((paragraph) => {
      const lines = paragraph.split('\n')
      const at = lines.indexOf(divider)
      return at < 0
        ? { input: lines, output: '' }
        : { input: lines.slice(0, at), output: lines.slice(at + 1).join('\n') }
    })

const print = (steps: readonly Step[]): string =>
  steps.map(({ input, output }) => [...input, ...(output === '' ? [] : [divider, output])].join('\n')).join('\n\n') +
  '\n'

const createRunner = (): ((input: readonly string[]) => string) => {
  let certifier: Certifier = createCertifier()
  let number = 0

  const give = (entry: Entry, names: readonly (readonly string[])[] = []): string => {
    const at = position(certifier.position + 1)
    const verdicts = certifier.judge(at, entry)
    if (entry.kind !== 'group') return `${at}: ${entry.kind}`
    return verdicts.map((verdict, i) => `${at}.${i}: ${say(verdict, names[i] ?? [])}`).join('\n')
  }

  return (input) => {
    const lines = input.filter((line) => !line.startsWith('#'))
    const [command = '', ...words] = (lines[0] ?? '').split(' ')
    const id = (): AppendId => parseId(words[0] ?? '', number++)
    switch (command) {
      case '':
        return ''
      case 'new':
        certifier = createCertifier({ window: Number(/window=(\d+)/.exec(words[0] ?? '')?.[1]) })
        return 'ok'
      case 'fence':
        return give({ ...id(), kind: 'fence' })
      case 'chunk':
        return give({ ...id(), kind: 'chunk', transaction: 0, index: 0, bytes: new Uint8Array(0) })
      case 'hold':
        return give({ ...id(), kind: 'hold', scope: 'all' })
      case 'group': {
        const records = lines.slice(1).map(parseRecord)
        return give(
          { ...id(), kind: 'group', records: records.map(({ record }) => record) },
          records.map(({ names }) => names),
        )
      }
      case 'skip':
        for (let left = Number(words[0]); left > 0; left--) {
          give({ ...parseId('n9/1', number++), kind: 'chunk', transaction: 0, index: 0, bytes: new Uint8Array(0) })
        }
        return `at ${certifier.position}, floor ${certifier.floor}`
      default:
        return assert.fail(`unknown command ${command}`)
    }
  }
}

const parseId = (text: string, number: number): AppendId => {
  const [name = '', count = ''] = text.split('/')
  return { node: parseNodeName(name) ?? nodeId(0), incarnation: incarnation(Number(count)), number }
}

const parseRecord = (line: string): { record: WritesetRecord; names: string[] } => {
  const [early = '', late = '', ...keys] = line.trim().split(' ')
  const number = (text: string): number => Number(text.split('=')[1])
  const parsed = keys.map(parseKey)
  return {
    names: parsed.map(({ name }) => name),
    record: {
      xid: xid(1n),
      early: position(number(early)),
      late: position(number(late)),
      schemaChange: false,
      keys: Uint8Array.from(parsed.flatMap(({ bytes }) => [...bytes])),
      changes: { kind: 'inline', bytes: new Uint8Array(0) },
    },
  }
}

const parseKey = (text: string): { name: string; bytes: Uint8Array } => {
  const [name = '', tags = ''] = text.split('=')
  const bytes = new Uint8Array(keyBytes)
  const hash = hashWords()
  const encoded = new TextEncoder().encode(name)
  hash64(encoded, 0, encoded.length, 0, 0, hash)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, hash[0]!)
  view.setUint32(4, hash[1]!)
  const known: Readonly<Record<string, number>> = { ...LockMode, ...KeyFlag }
  bytes[8] = tags.split(',').reduce((tag, word) => tag | (known[word] ?? assert.fail(`unknown tag ${word}`)), 0)
  return { name, bytes }
}

const say = (verdict: Verdict, names: readonly string[]): string => {
  if (verdict.kind === 'commit') return 'commit'
  const { reason, keyIndex, winner, position } = verdict.conflict
  if (reason === 'too_old') return `abort: too old, the floor is ${position}`
  if (reason === 'void') return `abort: void, the newest fence is at ${position}`
  return `abort: ${names[keyIndex ?? -1]} lost to ${nodeName(winner ?? nodeId(0))} at ${position}`
}

for (const file of readdirSync(folder).sort()) {
  test(`certification answers as told in ${file}`, () => {
    const url = new URL(file, folder)
    const told = readFileSync(url, 'utf8')
    const run = createRunner()
    const answered = print(parse(told).map(({ input }) => ({ input, output: run(input) })))
    if (process.env['REWRITE'] === '1') writeFileSync(url, answered)
    else assert.equal(answered, told)
  })
}
