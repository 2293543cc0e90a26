/**
 * The two servers that a suite is run against, and what is asked of the nodes behind it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withClient } from '#testing/client.ts'
import { assertAllEqual, assertSameCatalogs, catalogs, checksums } from '#testing/equality.ts'
import { startPair, type Pair } from '#testing/pair.ts'
import { againMax, compare, differencesOf, type Comparison, type Known, type Result, type Suite } from './suite.ts'

export type Targets = Pair

/** A bare server and a cluster of two nodes: the suites talk to the first, the second must follow. */
export const startTargets = (): Promise<Targets> => startPair({ nodes: 2 })

/** Data and definitions; but for what a node's server has of the agent's (roles, an extension, settings). */
const contentOf = (url: string): Promise<unknown> =>
  withClient(url, async (client) => {
    const {
      roles: _roles,
      extensions: _extensions,
      settings: _settings,
      members: _members,
      ...kinds
    } = await catalogs(client)
    return [await checksums(client), kinds]
  })

/** Leaves an empty schema `public`, whatever a suite has made. */
const cleanUp = (url: string): Promise<void> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select quote_ident(nspname) as name from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'allwrite')`,
    )
    for (const { name } of rows) await client.query(`drop schema ${name} cascade`)
    await client.query('create schema public; grant usage on schema public to public')
  })

/** A node that is made anew, or whose processes have ended. A busy machine may keep one silent, or hung, for seconds. */
const broken: ReadonlySet<string> = new Set(['inconsistent', 'joining', 'starting', 'down'])

/**
 * Runs a suite on both, again where they differ, and asserts that the nodes are equal behind it, and have been in service all the time: a
 * node that could not apply something makes itself anew. Whatever one before it left is removed.
 * @throws AssertionError where the nodes differ, or one has left service
 */
export const runSuite = async (suite: Suite, targets: Targets, known: readonly Known[]): Promise<Comparison> => {
  const urls = [targets.bare.url, targets.cluster.urlOf(1)] as const
  const dir = mkdtempSync(join(tmpdir(), `suite-${suite.name}-`))
  const onBoth = (only?: readonly string[]) =>
    Promise.all(
      urls.map(async (url, index) => new Map<string, Result>(await suite.run(url, join(dir, String(index)), only))),
    )
  try {
    const changes = targets.cluster.changes.length
    await Promise.all(urls.map((url) => cleanUp(url)))
    const { setUp } = suite
    if (setUp !== undefined) await Promise.all(urls.map((url) => withClient(url, (client) => client.query(setUp))))
    const [bare = new Map<string, Result>(), cluster = new Map<string, Result>()] = await onBoth()
    for (let again = 0; again < againMax; again++) {
      const { unexpected } = compare(suite.name, bare, cluster, known)
      if (unexpected.length === 0) break
      const [bareAgain, clusterAgain] = await onBoth(unexpected.map(({ test }) => test))
      const still = new Set(differencesOf(bareAgain ?? bare, clusterAgain ?? cluster).map(({ test }) => test))
      for (const { test } of unexpected.filter((difference) => !still.has(difference.test))) {
        const result = clusterAgain?.get(test)
        if (result) [bare, cluster].forEach((results) => results.set(test, result))
      }
    }
    await assertAllEqual(targets.cluster)
    await assertSameCatalogs(targets.cluster)
    const left = targets.cluster.changes.slice(changes).filter(({ state }) => broken.has(state))
    assert.deepEqual(left, [], 'a node has left service')
    const comparison = compare(suite.name, bare, cluster, known)
    // What differs says more than what it has left.
    if (suite.sameContent && comparison.unexpected.length === 0)
      assert.deepEqual(await contentOf(targets.cluster.urlOf(2)), await contentOf(urls[0]))
    return comparison
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
