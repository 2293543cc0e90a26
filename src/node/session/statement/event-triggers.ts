/**
 * Event triggers of the user. They fire no event trigger themselves, so their commands travel as journaled statements.
 *
 * Order among the triggers of one event goes by name, and the agent's have to be first where a command has been done and last
 * before it begins (catalog/sql/ddl.ts): so names may not stand outside of the agent's.
 *
 * @module
 */
import type { ClassifiedStatement } from './contract.ts'
import type { Piece } from './parser.ts'
import { refuse } from './refused.ts'
import { list, names, text } from './tree.ts'

const agents = /^[!~]allwrite_|^allwrite_login$/

/** The statement's own event triggers, and the name that one is given. */
const namesOf = ({ type, body }: Piece): { readonly about: readonly string[]; readonly given?: string } => {
  switch (type) {
    case 'CreateEventTrigStmt':
      return { about: [], given: text(body['trigname']) ?? '' }
    case 'AlterEventTrigStmt':
      return { about: [text(body['trigname']) ?? ''] }
    case 'RenameStmt':
      return { about: nameOf(body['object']), given: text(body['newname']) ?? '' }
    case 'DropStmt':
      return { about: list(body['objects']).flatMap(nameOf) }
    default:
      return { about: nameOf(body['object']) }
  }
}

const nameOf = (object: unknown): readonly string[] => names([object])

/** Undefined: the statement is about no event trigger. */
export const classifyEventTrigger = (piece: Piece, tag: string): ClassifiedStatement | undefined => {
  const { type, body, source, offset } = piece
  const object = body['removeType'] ?? body['renameType'] ?? body['objectType'] ?? body['objtype']
  if (type !== 'CreateEventTrigStmt' && type !== 'AlterEventTrigStmt' && object !== 'OBJECT_EVENT_TRIGGER')
    return undefined
  const no = (feature: string, explanation: { detail?: string; hint?: string }): ClassifiedStatement =>
    refuse(source, tag, offset, feature, explanation)
  const { about, given } = namesOf(piece)
  if (type === 'CreateEventTrigStmt' && names(body['funcname']).includes('allwrite'))
    return no('an event trigger with a function of the cluster’s', { hint: 'Write one of your own.' })
  if ([...about, given ?? ''].some((name) => agents.test(name)))
    return no('an event trigger of the cluster’s in such a statement', {
      detail: 'Schema changes are captured by it.',
      hint: 'Leave it as it is.',
    })
  if (given !== undefined && !/^[A-Za-z0-9_]/.test(given))
    return no('an event trigger of this name', {
      detail: 'Event triggers fire in the order of their names, and the cluster’s own have to be at both ends.',
      hint: 'Begin its name with a letter of ASCII, a digit or an underscore.',
    })
  if (text(body['eventname'])?.toLowerCase() === 'login')
    return no('CREATE EVENT TRIGGER … ON login', {
      detail: 'The agent logs in for its clients, and could be locked out.',
      hint: 'ALTER ROLE … SET gives settings to a role’s sessions.',
    })
  const enabled = body['tgenabled']
  if (type === 'AlterEventTrigStmt' && enabled !== 'O' && enabled !== 'D')
    return no('ENABLE ALWAYS or REPLICA of an event trigger', {
      detail: 'It would fire again where other nodes repeat the command.',
      hint: 'Use ENABLE.',
    })
  return { kind: 'journaled', text: source, tag, offset }
}
