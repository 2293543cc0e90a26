import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId, position } from '../../core/ids.ts'
import { MemoryJournal } from '../../journal/memory/memory.ts'
import { createJournalHold } from './journal-hold.ts'
import { provideData, type ProvideOptions } from './provide.ts'
import { flushUnsynced } from './unsynced.ts'

const node = nodeId(1)
let nodeDir = ''
const within = (name: string): string => join(nodeDir, name)
const otherBoot = (): void => writeFileSync(within('unsynced'), '00000000-0000-0000-0000-000000000000\n')
const isLinux = existsSync('/proc/sys/kernel/random/boot_id')
const skip = isLinux ? false : 'the system has no boot id'

beforeEach(() => {
  nodeDir = mkdtempSync(join(tmpdir(), 'provide-'))
  mkdirSync(within('pgdata'))
  writeFileSync(join(within('pgdata'), 'PG_VERSION'), '18\n')
  writeFileSync(within('verdicts'), 'of these data')
})
afterEach(() => rmSync(nodeDir, { recursive: true }))

/** A node alone; the clock runs a minute with every look. */
const options = (more: Partial<ProvideOptions> = {}): ProvideOptions => {
  const journal = new MemoryJournal()
  let now = 0
  return {
    node,
    nodeDir,
    dataDir: within('pgdata'),
    fsync: false,
    copyRate: 1e9,
    journal,
    hold: createJournalHold(journal, node),
    onProgress: () => undefined,
    now: () => (now += 60_000),
    signal: new AbortController().signal,
    database: 'postgres',
    agentSecret: 'secret',
    peers: () => [],
    log: { info: () => undefined, warn: () => undefined },
    ...more,
  }
}

const trimmed = (): Partial<ProvideOptions> => {
  const journal = new MemoryJournal()
  return {
    journal: Object.assign(journal, {
      tail: () => Promise.resolve({ first: position(10), last: position(20), nodes: new Map() }),
    }),
  }
}

const hasData = (): boolean => existsSync(join(within('pgdata'), 'PG_VERSION'))

test(
  'data without fsync are trusted after a crash of the process, not of the machine (RULES 3)',
  { skip },
  async () => {
    await provideData(options())
    const boot = readFileSync(within('unsynced'), 'utf8')
    await provideData(options())
    assert(hasData(), 'the same boot')

    otherBoot()
    await provideData(options())
    assert.equal(hasData(), false, 'another boot: from the template and the whole journal')
    assert.equal(existsSync(within('verdicts')), false)
    assert.equal(readFileSync(within('unsynced'), 'utf8'), boot)
  },
)

test('a crash while lost data are replaced leaves them distrusted', { skip }, async () => {
  otherBoot()
  const dies = options({
    onProgress: () => {
      throw new Error('killed')
    },
  })
  await assert.rejects(provideData(dies), /killed/)
  assert(hasData())
  await provideData(options())
  assert.equal(hasData(), false)
})

test(
  'lost data, no peer, and a journal that is not whole: nothing is touched, and what to do is said',
  { skip },
  async () => {
    otherBoot()
    await assert.rejects(
      provideData(options(trimmed())),
      (error: { message: string; detail: string; hint: string }) => {
        assert.match(error.message, /must be copied from a peer, and none is live/)
        assert.match(
          error.detail,
          /the machine ended while the server ran without fsync; the journal begins at position 10/,
        )
        assert.match(error.hint, /Start another node.*To start with the data it has, remove ".*rebuild"/)
        return true
      },
    )
    assert(hasData())
    // As the hint says.
    rmSync(within('rebuild'))
    await provideData(options(trimmed()))
    assert(hasData())
  },
)

test('a clean stop flushes: then any boot will do; data with fsync bear no mark', { skip }, async () => {
  await provideData(options())
  await flushUnsynced(nodeDir)
  assert.equal(existsSync(within('unsynced')), false)
  await provideData(options({ fsync: true }))
  assert.equal(existsSync(within('unsynced')), false)
  assert(hasData())
  // Without fsync once, and with it since: not flushed in between.
  otherBoot()
  await provideData(options({ fsync: true }))
  assert.equal(hasData(), false)

  mkdirSync(within('pgdata'))
  writeFileSync(join(within('pgdata'), 'PG_VERSION'), '18\n')
  await provideData(options({ fsync: true }))
  assert(hasData(), 'what came after that is trusted')
})
