/** A mutant whose place in the product has changed would break nothing, and be caught for nothing. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutants } from './mutants.ts'
import { timesFound } from './workshop.ts'

test('what a mutant changes stands in the compiled product exactly once', () => {
  for (const mutant of mutants) {
    assert.equal(timesFound(mutant), 1, `${mutant.name}: "${mutant.original}" in ${mutant.file}`)
    assert.notEqual(mutant.replacement, mutant.original)
  }
})

test('each mutant has a name of its own, and the test that is said to catch it exists', () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  for (const { name, caughtBy } of mutants) {
    if (caughtBy.kind !== 'test') continue
    const source = readFileSync(new URL(`../../../dist/${caughtBy.file}`, import.meta.url), 'utf8')
    assert(source.includes(`'${caughtBy.test}'`), `${name}: ${caughtBy.file} has no test "${caughtBy.test}"`)
  }
})
