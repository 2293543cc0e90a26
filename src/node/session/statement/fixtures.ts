/**
 * For tests: a catalog of a few names. Used by other folders' tests too.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { createStatementClassifier } from './classifier.ts'
import type { StatementClassifier } from './classifier.ts'
import type { ClassifiedStatement, HarmlessContext, SessionFacts, WriteStatement } from './contract.ts'
import { loadParser } from './parser.ts'

const plainTables = new Set(['t', 'u', 'accounts', 'sbtest1', 'pg_class'])
const plainTypes = new Set([
  'text',
  'int4',
  'int8',
  'numeric',
  'varchar',
  'timestamptz',
  'date',
  'interval',
  'bool',
  'regclass',
  'mood',
])
const builtins = new Set([
  'count',
  'sum',
  'max',
  'min',
  'lower',
  'now',
  'coalesce',
  'generate_series',
  'pg_backend_pid',
  'random',
  'abs',
  'length',
  'timezone',
  'extract',
  'substring',
  'like_escape',
  'row_number',
])
const userFunctions = new Set(['f', 'writes', 'lower_user'])

/** Tables t, u, accounts, sbtest1 are plain; v is a view; f, writes are user functions; d is a domain. */
export const fixtureContext: HarmlessContext = {
  isPlainRelation: (schema, name) =>
    plainTables.has(name) && (schema === undefined || schema === 'public' || schema === 'pg_catalog'),
  isPlainTarget: (schema, name) => plainTables.has(name) && (schema === undefined || schema === 'public'),
  isSystemRelation: (name) => /^pg_(class|proc|authid)$/.test(name),
  isPlainType: (schema, name) => plainTypes.has(name) && (schema === undefined || schema === 'pg_catalog'),
  isUserFunctionName: (name) => userFunctions.has(name),
  isNonVolatileBuiltin: (name) => builtins.has(name),
  hasUserOperators: false,
  hasUserCasts: false,
  hasExternalEffects: false,
}

/** One classifier for all tests of a file, and what it says of texts with one statement. */
export interface Classifying {
  readonly classifier: StatementClassifier
  readonly one: (text: string, facts?: SessionFacts) => ClassifiedStatement
  /** @throws AssertionError where it is no write */
  readonly write: (text: string, facts?: SessionFacts) => WriteStatement
}

export const startClassifying = async (): Promise<Classifying> => {
  await loadParser()
  const classifier = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 20 })
  const one = (text: string, facts?: SessionFacts): ClassifiedStatement => {
    const { statements } = classifier.classify(text, facts)
    assert.equal(statements.length, 1, text)
    const [statement] = statements
    assert(statement !== undefined)
    return statement
  }
  return {
    classifier,
    one,
    write: (text, facts) => {
      const statement = one(text, facts)
      assert(statement.kind === 'write', `${text}: ${JSON.stringify(statement)}`)
      return statement
    },
  }
}
