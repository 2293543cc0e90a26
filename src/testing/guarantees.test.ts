/** The document that promises and the tests that show it name each other. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

for (const [name, citationsMin] of [
  ['docs/GUARANTEES.md', 20],
  ['docs/THREAT-MODEL.md', 15],
] as const)
  test(`every test that ${name} names exists`, () => checkCitations(name, citationsMin))

function checkCitations(name: string, citationsMin: number): void {
  const document = read(name)
  // A link to a test file, then one or more names in “ ”, separated by commas.
  const citations = [...document.matchAll(/\]\(\.\.\/([\w/.-]+\.test\.ts)\)((?:,? “[^”]+”)+)/g)]
  assert(citations.length >= citationsMin, `only ${citations.length} citations were understood`)
  for (const [, path, names] of citations) {
    const source = read(path ?? '')
    for (const [, title] of (names ?? '').matchAll(/“([^”]+)”/g)) {
      assert(source.includes(title ?? ''), `${path} has no test “${title}”`)
    }
  }
  const understood = citations.flatMap(([, , names]) => [...(names ?? '').matchAll(/“/g)]).length
  assert.equal(understood, [...document.matchAll(/“/g)].length, 'a name stands without a link before it')
}

for (const [number, promise] of Object.entries({ guarantees: 20, rules: 16 })) {
  test(`docs/GUARANTEES.md has a line for each of the ${promise} ${number}`, () => {
    const document = read('docs/GUARANTEES.md')
    const pattern = number === 'rules' ? /^\| (\d+)\s/gm : /^\| G(\d+)\s/gm
    const numbers = [...document.matchAll(pattern)].map(([, digits]) => Number(digits))
    assert.deepEqual(
      numbers,
      Array.from({ length: promise }, (_, index) => index + 1),
    )
  })
}
