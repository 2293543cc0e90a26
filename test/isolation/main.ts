/**
 * `npm run isolation -- folder [name …]`: runs the isolation specs of a folder (PostgreSQL's sources: src/test/isolation/specs), or those that are
 * named, in this order, on one bare PostgreSQL and through an agent, all sessions at one node, and prints what differs. Exit code 1 where
 * something does that is not listed, and where a spec does not come to its end: that is said, and the next one runs.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { fieldsOf } from '#testing/errors.ts'
import { startTargets } from '../suites/targets.ts'
import { differences } from './differences.ts'
import { parseSpec, type Spec } from './spec.ts'
import { runSpec, type UrlOf } from './tester.ts'

/** Times that a difference is looked at again: what waits for a lock and what is just slow look alike for a moment. */
const againMax = 2

/** Permutations that differ are printed up to this number. */
const shownMax = 2

interface Difference {
  readonly bare: readonly string[]
  readonly cluster: readonly string[]
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Permutations that differ each time that they are run. */
const differencesOf = async (spec: Spec, bare: UrlOf, cluster: UrlOf): Promise<readonly Difference[]> => {
  let { permutations } = spec
  let different: Difference[] = []
  for (let attempt = 0; attempt <= againMax && permutations.length > 0; attempt++) {
    const [expected, printed] = await Promise.all(
      [bare, cluster].map((urlOf) => runSpec({ ...spec, permutations }, urlOf)),
    )
    different = []
    permutations = permutations.filter((_, index) => {
      const pair = { bare: expected?.[index] ?? [], cluster: printed?.[index] ?? [] }
      const same = pair.bare.join('\n') === pair.cluster.join('\n')
      if (!same) different.push(pair)
      return !same
    })
  }
  return different
}

const show = (who: string, lines: readonly string[]): boolean =>
  say(`  ${who}\n    ${lines.join('\n').replaceAll('\n', '\n    ')}`)

const [folder, ...names] = process.argv.slice(2)
if (folder === undefined) {
  process.stderr.write('which folder?\nHINT:  src/test/isolation/specs of the sources of PostgreSQL.\n')
  process.exitCode = 2
} else {
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.spec'))
    .map((file) => file.slice(0, -'.spec'.length))
    .toSorted()
  await using targets = await startTargets()
  let permutations = 0
  for (const name of names.length > 0 ? names : all) {
    const begun = performance.now()
    const spec = parseSpec(readFileSync(join(folder, `${name}.spec`), 'utf8'))
    permutations += spec.permutations.length
    const known = differences[name] !== undefined
    try {
      const different = await differencesOf(
        spec,
        () => targets.bare.url,
        () => targets.cluster.urlOf(1),
      )
      const verdict = different.length === 0 ? 'same' : known ? 'known' : 'DIFFERS'
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      say(`${name}: ${verdict}, ${different.length} of ${spec.permutations.length} permutations differ, ${seconds} s`)
      if (different.length > 0 !== known) process.exitCode = 1
      if (verdict !== 'DIFFERS') continue
      for (const { bare, cluster } of different.slice(0, shownMax)) {
        show('bare', bare)
        show('cluster', cluster)
      }
    } catch (error) {
      say(`${name}: FAILED, ${fieldsOf(error).message}`)
      process.exitCode = 1
    }
  }
  await assertAllEqual(targets.cluster)
  await assertSameCatalogs(targets.cluster)
  say(`${names.length || all.length} specs, ${permutations} permutations; the nodes are equal`)
}
