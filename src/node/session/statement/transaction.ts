/**
 * Transaction statements. BEGIN is written anew so that its mode is explicit: the backend's own default is read only (the
 * guard), the user's is read write unless the session says otherwise.
 *
 * @module
 */
import type { ClassifiedStatement, Isolation, TransactionModes } from './contract.ts'
import { refuse } from './refused.ts'
import { constant, list, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

/** A transaction_mode_list; of repeated modes the last wins, as in PostgreSQL. */
export function transactionModes(options: unknown): TransactionModes {
  let modes: TransactionModes = {}
  for (const item of list(options)) {
    const option = tree(tree(item)['DefElem'])
    const value = constant(option['arg']) ?? ''
    switch (text(option['defname']) ?? '') {
      case 'transaction_isolation': {
        const level = value.toLowerCase()
        if (isIsolation(level)) modes = { ...modes, isolation: level }
        break
      }
      case 'transaction_read_only':
        modes = { ...modes, readOnly: value !== '0' }
        break
      case 'transaction_deferrable':
        modes = { ...modes, deferrable: value !== '0' }
        break
      default:
    }
  }
  return modes
}

function isIsolation(word: string): word is Isolation {
  return (
    word === 'read uncommitted' || word === 'read committed' || word === 'repeatable read' || word === 'serializable'
  )
}

/** The modes as SQL, in a fixed order, comma-separated; empty if none is given. */
export function modesText(modes: TransactionModes): string {
  const parts: string[] = []
  if (modes.isolation !== undefined) parts.push(`ISOLATION LEVEL ${modes.isolation.toUpperCase()}`)
  if (modes.readOnly !== undefined) parts.push(modes.readOnly ? 'READ ONLY' : 'READ WRITE')
  if (modes.deferrable !== undefined) parts.push(modes.deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE')
  return parts.join(', ')
}

/** A TransactionStmt. `source` is its own text. */
export function classifyTransaction(body: Tree, source: string, offset: number): ClassifiedStatement {
  const name = text(body['savepoint_name']) ?? ''
  const chain = body['chain'] === true
  switch (text(body['kind']) ?? '') {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START': {
      const tag = body['kind'] === 'TRANS_STMT_START' ? 'START TRANSACTION' : 'BEGIN'
      const modes = transactionModes(body['options'])
      const readOnly = modes.readOnly ?? false
      return { kind: 'begin', text: `${tag} ${modesText({ ...modes, readOnly })}`, tag, offset, ...modes, readOnly }
    }
    case 'TRANS_STMT_COMMIT':
      return { kind: 'commit', text: source, tag: 'COMMIT', offset, chain }
    case 'TRANS_STMT_ROLLBACK':
      return { kind: 'rollback', text: source, tag: 'ROLLBACK', offset, chain }
    case 'TRANS_STMT_SAVEPOINT':
      return { kind: 'savepoint', text: source, tag: 'SAVEPOINT', offset, name }
    case 'TRANS_STMT_RELEASE':
      return { kind: 'release', text: source, tag: 'RELEASE', offset, name }
    case 'TRANS_STMT_ROLLBACK_TO':
      return { kind: 'rollback_to', text: source, tag: 'ROLLBACK', offset, name }
    default:
      return refuse(source, 'PREPARE TRANSACTION', offset, 'two-phase commit', {
        detail: 'A prepared transaction would commit outside the cluster’s order.',
      })
  }
}
