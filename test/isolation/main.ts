/**
 * `npm run isolation -- folder [name …]`: runs the isolation specs of a folder (PostgreSQL's sources: src/test/isolation/specs) on one bare
 * PostgreSQL and through an agent, all sessions at one node, and prints what differs. Exit code 1 where something does that is not listed.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { startTargets } from '../suites/targets.ts'
import { differences } from './differences.ts'
import { parseSpec } from './spec.ts'
import { runSpec, type UrlOf } from './tester.ts'

/** Times that a difference is looked at again: what waits for a lock and what is just slow look alike for a moment. */
const againMax = 2

const say = (line: string): boolean => process.stdout.write(`${line}\n`)

const [folder, ...names] = process.argv.slice(2)
if (folder === undefined) {
  process.stderr.write('which folder?\nHINT:  src/test/isolation/specs of the sources of PostgreSQL.\n')
  process.exitCode = 2
} else {
  const specs = readdirSync(folder)
    .filter((file) => file.endsWith('.spec'))
    .map((file) => file.slice(0, -'.spec'.length))
    .filter((name) => names.length === 0 || names.includes(name))
    .sort()
  await using targets = await startTargets()
  const urls: readonly UrlOf[] = [() => targets.bare.url, () => targets.cluster.urlOf(1)]
  let permutations = 0
  for (const name of specs) {
    const spec = parseSpec(readFileSync(join(folder, `${name}.spec`), 'utf8'))
    const printed = () => Promise.all(urls.map((urlOf) => runSpec(spec, urlOf)))
    let different: number[] = []
    let answers: string[][][] = []
    for (let attempt = 0; attempt <= againMax; attempt++) {
      answers = await printed()
      const [bare = [], cluster = []] = answers
      different = bare.flatMap((lines, index) => (lines.join('\n') === cluster[index]?.join('\n') ? [] : [index]))
      if (different.length === 0) break
    }
    permutations += spec.permutations.length
    const known = differences[name]
    const verdict = different.length === 0 ? 'same' : known === undefined ? 'DIFFERS' : 'known'
    say(`${name}: ${verdict}, ${different.length} of ${spec.permutations.length} permutations differ`)
    if ((different.length === 0) !== (known === undefined)) process.exitCode = 1
    if (verdict !== 'DIFFERS') continue
    for (const index of different.slice(0, 2)) {
      for (const [at, who] of ['bare', 'cluster'].entries())
        say(`  ${who}\n    ${answers[at]?.[index]?.join('\n').replaceAll('\n', '\n    ')}`)
    }
  }
  await assertAllEqual(targets.cluster)
  await assertSameCatalogs(targets.cluster)
  say(`${specs.length} specs, ${permutations} permutations; the nodes are equal`)
}
