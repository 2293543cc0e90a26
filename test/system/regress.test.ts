/** The runner of PostgreSQL's regression files, on a few of our own: what it says about differences can be relied on. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAccepted } from '#testing/regress/accepted.ts'
import { formatJudged, hunksOf, judge } from '#testing/regress/hunks.ts'
import { formatSummary, isClean, runSuite } from '#testing/regress/run.ts'
import { startSides } from '#testing/regress/sides.ts'
import { filesOf } from '#testing/regress/suite.ts'
import { isControl, needsCluster } from '#testing/cluster.ts'
import { missing } from '#testing/tools.ts'

/** Of the source: this file is compiled to dist/test/system/. */
const smokeDir = fileURLToPath(new URL('../../../test/regress/smoke', import.meta.url))

test(
  'the regression runner accepts a documented difference, and finds one that is not',
  { skip: isControl ? needsCluster : missing('psql') },
  async () => {
    const outDir = mkdtempSync(join(tmpdir(), 'allwrite-regress-'))
    chmodSync(outDir, 0o755) // the servers run as another user when we are root
    const acceptedDir = join(outDir, 'accepted')
    mkdirSync(acceptedDir)
    const documented = [{ reason: 'unlogged', cluster: 'NOTICE:  UNLOGGED is ignored: .*' }]
    writeFileSync(join(acceptedDir, 'patterns.json'), JSON.stringify(documented))
    try {
      await using sides = await startSides(2)
      const files = filesOf(smokeDir)
      const result = await runSuite(sides, {
        dir: smokeDir,
        files,
        outDir,
        acceptedDir,
        psql: 'psql',
        fileMsMax: 60_000,
        compareEach: false,
        say: () => undefined,
      })
      assert.deepEqual(
        result.files.map(({ name, judged, faults }) => [name, judged.map(({ reason }) => reason ?? 'open'), faults]),
        [
          ['test_setup', [], []],
          ['second', [], []],
          ['documented', ['unlogged'], []],
          ['first', ['open'], []],
        ],
        readFileSync(join(outDir, 'diff', 'second.diff'), 'utf8'),
      )
      assert.equal(result.difference, undefined)
      assert(!isClean(result))
      assert.match(formatSummary(result), /4 files: 2 equal, 1 differ as documented, 1 differ otherwise/)

      // The same outputs, once it is documented: the bare server's line against the guard's.
      const hunks = await hunksOf(join(outDir, 'bare', 'first.out'), join(outDir, 'cluster', 'first.out'))
      const accepted = parseAccepted('# guard\n<  off\n>  on\n')
      assert.deepEqual(
        judge(hunks, accepted).map(({ reason }) => reason),
        ['guard'],
      )
      assert.match(formatJudged(judge(hunks, accepted)), /^@ \d+ guard\n<  off\n>  on\n$/)
    } finally {
      rmSync(outDir, { recursive: true, force: true })
    }
  },
)
