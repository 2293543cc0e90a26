/**
 * How an endpoint of one's own is written: `NAME=TYPE@PORT[:MEMBERS]`, as in `reports=reader@15500:n2,n3` or `batch=any@15501:-n1`.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'
import { parseNodeName } from '../core/ids.ts'
import type { EndpointKind } from './contract.ts'

export interface EndpointSpec {
  /** For metrics and logs. */
  readonly name: string
  readonly kind: EndpointKind
  readonly port: number
  /** Absent: all nodes, those that come later as well. */
  readonly members?: readonly number[]
  readonly excluded?: readonly number[]
}

/** Aurora's names of the types of custom endpoints. */
const kinds: Readonly<Record<string, EndpointKind>> = { reader: 'reader', writer: 'cluster', any: 'any' }

const portMax = 65_535

/** @throws AllwriteError configuration */
export function parseEndpoint(text: string): EndpointSpec {
  const [, name, type, port, list] = /^([a-z][a-z0-9_-]*)=([a-z]+)@(\d+)(?::(.+))?$/i.exec(text) ?? []
  const kind = kinds[type?.toLowerCase() ?? '']
  const number = Number(port)
  if (name === undefined || kind === undefined || number < 1 || number > portMax) throw refused(text)
  if (list === undefined) return { name, kind, port: number }
  const words = list.split(',')
  const isExclusion = words.every((word) => word.startsWith('-'))
  const nodes = words.map((word) => parseNodeName(isExclusion ? word.slice(1) : word))
  if (!nodes.every((node) => node !== undefined)) throw refused(text)
  return { name, kind, port: number, ...(isExclusion ? { excluded: nodes } : { members: nodes }) }
}

const refused = (text: string): AllwriteError =>
  new AllwriteError('configuration', `invalid endpoint: "${text}"`, {
    detail:
      'Expected NAME=TYPE@PORT, TYPE being reader, writer or any; then, if not all nodes belong to it, :n1,n2 or, for all but some, :-n1,-n2.',
  })
