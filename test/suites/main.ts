/**
 * `npm run suites [-- name …]`: runs suites of the world against one bare PostgreSQL and through an agent, and prints what differs.
 * Exit code 1 where something differs that is not listed, or is listed and does not differ.
 *
 * @module
 */
import { inspect } from 'node:util'
import { allSuites, missingPackages } from './all.ts'
import { differences } from './differences.ts'
import { runSuite, startTargets } from './targets.ts'

const say = (line: string): boolean => process.stdout.write(`${line}\n`)

const names = process.argv.slice(2)
const suites = allSuites.filter(({ name }) => names.length === 0 || names.includes(name))
const unknown = names.filter((name) => !allSuites.some((suite) => suite.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `no such suite: ${unknown.join(', ')}\nHINT:  There are ${allSuites.map(({ name }) => name).join(', ')}.\n`,
  )
  process.exitCode = 2
} else {
  await using targets = await startTargets()
  for (const suite of suites) {
    const lacking = missingPackages([suite])
    if (lacking.length > 0) {
      say(`${suite.name}: skipped, Debian packages are missing: ${lacking.join(' ')}`)
      continue
    }
    const begun = performance.now()
    const result = await runSuite(suite, targets, differences).catch((error: unknown) => {
      say(`${suite.name}: NOT RUN TO ITS END: ${inspect(error)}`)
      process.exitCode = 1
    })
    if (!result) continue
    const seconds = ((performance.now() - begun) / 1_000).toFixed(0)
    say(`${suite.name}: ${result.tests} tests, ${result.passed} passed, ${result.skipped} skipped, ${seconds} s`)
    if (result.failedOnBoth.length > 0) say(`  failed on both: ${result.failedOnBoth.join(', ')}`)
    if (result.known.length > 0) say(`  known: ${result.known.join(', ')}`)
    for (const test of result.stale) say(`  LISTED, BUT NO DIFFERENCE: ${test}`)
    for (const { test, bare, cluster, why } of result.unexpected) {
      say(`  DIFFERS: ${test}: bare ${bare}, cluster ${cluster}\n    ${why.replaceAll('\n', '\n    ')}`)
    }
    if (result.unexpected.length + result.stale.length > 0) process.exitCode = 1
  }
}
