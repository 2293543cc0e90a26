/**
 * A SQL prompt for machines without psql. It has what a first hour needs: statements over several lines, aligned results,
 * errors as PostgreSQL gives them, and the commands of `describe.ts`. Not a terminal: it reads statements and prints results.
 *
 * @module
 */
import { createInterface } from 'node:readline'
import { Client, types, type FieldDef, type QueryArrayResult } from 'pg'
import { AllwriteError } from '../../core/errors.ts'
import { wordsOf } from '../../postgres/index.ts'
import { fieldsOf } from '../json.ts'
import { helpText, parseMeta, type Meta } from './describe.ts'
import { messageText } from './errors.ts'
import { isBlank, splitStatements } from './split.ts'
import { alignedTable } from './table.ts'

export interface ShellStreams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
  readonly errors: NodeJS.WritableStream
}

/** Types that stand at the right: numbers, oid, money. */
const numericTypes = new Set<number>([
  types.builtins.INT2,
  types.builtins.INT4,
  types.builtins.INT8,
  types.builtins.FLOAT4,
  types.builtins.FLOAT8,
  types.builtins.NUMERIC,
  types.builtins.OID,
  types.builtins.MONEY,
])

/** Values as the server wrote them: we show, and never interpret. */
const asText = { getTypeParser: () => (value: unknown) => value }

/**
 * Runs the prompt until its input ends or `\q`.
 * @returns exit code: 0, or 1 if a statement failed and the input is not a terminal
 * @throws AllwriteError unavailable if the server can't be reached
 */
export async function runShell(url: string, { input, output, errors }: ShellStreams): Promise<number> {
  const client = new Client({ connectionString: url, application_name: 'allwrite psql' })
  client.on('notice', (notice) => void errors.write(messageText(notice)))
  let lost = false
  client.on('error', (error) => {
    lost = true
    errors.write(messageText(error))
  })
  try {
    await client.connect()
  } catch (thrown) {
    throw new AllwriteError('unavailable', `could not connect: ${wordsOf(thrown)}`, { cause: thrown })
  }
  // The client keeps only a tag's first word: we show `CREATE TABLE`.
  let tag = ''
  client.connection.on('commandComplete', (message: unknown) => (tag = String(fieldsOf(message)['text'])))
  const terminal = input.isTTY === true
  const lines = createInterface({ input, ...(terminal ? { output, terminal } : {}), prompt: 'postgres=# ' })
  let buffer = ''
  let failed = false
  let timing = false

  const run = async (text: string, values?: readonly string[], title?: string) => {
    const startedAt = performance.now()
    try {
      const query = { text, rowMode: 'array' as const, types: asText, ...(values ? { values: [...values] } : {}) }
      const result = await client.query<(string | null)[]>(query)
      output.write(`${title === undefined ? '' : `${title}\n`}${resultText(result, tag)}`)
    } catch (thrown) {
      failed = true
      errors.write(messageText(thrown, text))
    }
    if (timing) output.write(`Time: ${(performance.now() - startedAt).toFixed(3)} ms\n`)
  }

  /** Runs a backslash command; `\\q` is the caller's. */
  const meta = async (command: Exclude<Meta, { kind: 'quit' }>): Promise<void> => {
    switch (command.kind) {
      case 'help':
        output.write(helpText)
        break
      case 'timing':
        timing = !timing
        output.write(`Timing is ${timing ? 'on' : 'off'}.\n`)
        break
      case 'query':
        await run(command.text, command.values, command.title)
        break
      case 'unknown':
        errors.write(`invalid command ${command.name}\nTry \\? for help.\n`)
        break
    }
  }

  // Ctrl-C forgets what was typed.
  lines.on('SIGINT', () => {
    buffer = ''
    output.write('\n')
    lines.setPrompt('postgres=# ')
    lines.prompt()
  })
  if (terminal) {
    output.write('Allwrite’s own prompt: \\? for help, \\q to leave.\n')
    lines.prompt()
  }
  for await (const line of lines) {
    if (lost) break
    const { statements, rest } = splitStatements(`${buffer}${line}\n`)
    buffer = rest
    for (const statement of statements) await run(statement)
    if (rest.startsWith('\\')) {
      buffer = ''
      const command = parseMeta(rest)
      if (command.kind === 'quit') break
      await meta(command)
    }
    lines.setPrompt(isBlank(buffer) ? 'postgres=# ' : 'postgres-# ')
    if (terminal) lines.prompt()
  }
  if (!terminal && !lost && !isBlank(buffer)) await run(buffer)
  lines.close()
  await client.end().catch(() => undefined)
  return lost || (failed && !terminal) ? 1 : 0
}

function resultText(result: QueryArrayResult<(string | null)[]>, tag: string): string {
  return result.fields.length > 0 ? `${alignedTable(result.fields.map(column), result.rows)}\n` : `${tag}\n`
}

const column = ({ name, dataTypeID }: FieldDef) => ({ name, numeric: numericTypes.has(dataTypeID) })
