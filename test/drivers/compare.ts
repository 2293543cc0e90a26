/**
 * Runs scenarios on a bare PostgreSQL and on a cluster, and compares what they saw and what they left.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withClient } from '#testing/client.ts'
import { assertAllEqual, assertSameCatalogs, catalogs, checksums } from '#testing/equality.ts'
import type { Pair } from '#testing/pair.ts'
import { without } from './differences.ts'
import type { Place, Scenario } from './scenario.ts'
import { createTranscript } from './transcript.ts'

/** Schemas and roles of earlier scenarios, as an application's test suite would remove them. */
const empty = (url: string, consistency: string): Promise<void> =>
  withClient(url, async (client) => {
    const schemas = await client.query<{ name: string }>(
      `select format('%I', nspname) as name from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'allwrite')`,
    )
    for (const { name } of schemas.rows) await client.query(`drop schema ${name} cascade`)
    await client.query('create schema public authorization pg_database_owner')
    await client.query('grant usage on schema public to public')
    await client.query(`alter role postgres set allwrite.consistency = '${consistency}'`)
  })

const transcriptOf = async (scenario: Scenario, place: Place): Promise<readonly string[]> => {
  const transcript = createTranscript()
  try {
    await scenario(place, transcript)
  } catch (error) {
    // The lines so far say how far it came.
    throw new Error(`the scenario failed after:\n${transcript.lines.slice(-5).join('\n')}`, { cause: error })
  }
  return transcript.lines
}

/** What must be the same in the database afterwards; generated ids may differ where several nodes make them. */
const leftBehind = (url: string, withRows: boolean, byTiming: readonly string[]): Promise<unknown> =>
  withClient(url, async (client) => ({
    catalogs: await catalogs(client),
    rows: withRows ? Object.entries(await checksums(client)).filter(([table]) => !byTiming.includes(table)) : [],
  }))

/**
 * Two tests: an application beside one node sees what it would see of a bare server, row for row; one that runs at all nodes, and
 * through the endpoint, too, if its reads are as fresh as those of one server.
 * @param byTiming tables whose generated ids depend on which of concurrent workers comes first, on a bare server too
 */
export const compareWithBare = (
  name: string,
  places: () => Pair,
  scenario: Scenario,
  byTiming: readonly string[] = [],
): void => {
  const onBare = async (): Promise<{ lines: readonly string[]; left: (withRows: boolean) => Promise<unknown> }> => {
    const { url } = places().bare
    await empty(url, 'cluster')
    const lines = await transcriptOf(scenario, { url, instances: [url, url, url] })
    return { lines, left: (withRows) => leftBehind(url, withRows, byTiming) }
  }
  let bare: ReturnType<typeof onBare> | undefined

  const compare = async (kind: 'agent' | 'endpoint', place: Place): Promise<void> => {
    const { cluster } = places()
    bare ??= onBare()
    const { lines, left } = await bare
    await empty(cluster.urlOf(1), 'cluster')
    await assertAllEqual(cluster)
    const seen = await transcriptOf(scenario, place)
    assert.deepEqual(without(name, kind, seen), without(name, kind, lines))
    await assertAllEqual(cluster)
    await assertSameCatalogs(cluster)
    const withRows = kind === 'agent'
    assert.deepEqual(await leftBehind(cluster.urlOf(2), withRows, byTiming), await left(withRows))
  }

  test(`${name} sees through an agent what it sees of a bare server`, async () => {
    const url = places().cluster.urlOf(1)
    await compare('agent', { url, instances: [url, url, url] })
  })
  test(`${name} sees through the endpoint, and at several nodes, what it sees of a bare server`, async () => {
    const { cluster } = places()
    await compare('endpoint', { url: cluster.url, instances: [cluster.urlOf(1), cluster.urlOf(2), cluster.urlOf(3)] })
  })
}
