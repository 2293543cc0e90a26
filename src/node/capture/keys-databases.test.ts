/** Keys of several databases: what tells them apart, and what does not. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { createCertifier } from '../../core/certifier.ts'
import { databaseId, incarnation, nodeId, position, xid } from '../../core/ids.ts'
import { buildCatalog } from '../catalog/relations.ts'
import { createKeyExtractor } from './keys.ts'
import type { RecordKeys } from './keys.ts'

test('the same names in two databases conflict with nothing; schema changes do, and a drop with who writes there', () => {
  const elsewhere = databaseId(3_000_000_000)
  const catalog = buildCatalog({ relations: [], indexes: [], foreignKeys: [] })
  const [extractor, other] = [createKeyExtractor(catalog), createKeyExtractor(catalog, elsewhere)]
  const record = (
    keys: ReturnType<typeof createKeyExtractor>,
    feed: (keys: RecordKeys) => void,
    schemaChange = false,
  ): Uint8Array => {
    const collected = keys.begin({ schemaChange })
    feed(collected)
    return collected.pack()
  }
  /** Does the second lose, which has not seen the first? */
  const loses = (first: Uint8Array, second: Uint8Array): boolean => {
    const certifier = createCertifier()
    const at = position(0)
    const [one, two] = [first, second].map((keys, node) => {
      const entry = { node: nodeId(node + 1), incarnation: incarnation(1), number: 1, kind: 'group' } as const
      return { ...entry, records: [{ ...blank, early: at, late: at, keys }] }
    })
    for (const node of [1, 2]) {
      const fence = { kind: 'fence', node: nodeId(node), incarnation: incarnation(1), number: 0 } as const
      certifier.judge(position(node), fence)
    }
    certifier.judge(position(3), one!)
    return certifier.judge(position(4), two!)[0]?.kind === 'abort'
  }
  const blank = { xid: xid(1n), schemaChange: false, changes: { kind: 'inline', bytes: new Uint8Array(1) } } as const
  const write = (keys: RecordKeys): void => keys.everyTable()
  const [here, there] = [record(extractor, write), record(other, write)]
  assert.ok(loses(here, here) && loses(there, there))
  assert.ok(!loses(here, there) && !loses(there, here))
  const ddl = (keys: ReturnType<typeof createKeyExtractor>): Uint8Array => record(keys, () => undefined, true)
  assert.ok(loses(ddl(extractor), ddl(other)), 'both may be about one role')
  assert.ok(loses(ddl(other), there) && !loses(ddl(other), here))
  const drop = record(extractor, (keys) => keys.databases(elsewhere))
  assert.ok(loses(drop, there), 'its record is never applied where there is nothing')
  assert.ok(!loses(there, drop) && !loses(drop, here))
  assert.ok(loses(drop, ddl(other)) && loses(ddl(extractor), drop))
})
