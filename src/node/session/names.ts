/**
 * What a client's prepared statements and portals are: names to the kind of statement behind them. A name that is not
 * known here (made by SQL, or by a function) counts as unknown code.
 *
 * A statement's name is entered when the server has said ParseComplete, in order; a batch sees its own Parses at once
 * through the overlay, since if one of them fails the server skips what follows.
 *
 * @module
 */
import type { ClassifiedStatement } from './statement/contract.ts'

/** What is remembered of names, each kind; beyond it the oldest is forgotten and counts as unknown code. */
const namesMax = 10_000

export class Names {
  readonly #statements = new Map<string, ClassifiedStatement>()
  readonly #overlay = new Map<string, ClassifiedStatement>()
  readonly #portals = new Map<string, ClassifiedStatement>()
  /** The client has an unnamed prepared statement that it may still use. */
  unnamedLive = false

  /** A Parse is about to be sent. */
  parsing(name: string, statement: ClassifiedStatement): void {
    this.#overlay.set(name, statement)
    if (name === '') this.unnamedLive = true
  }

  /** ParseComplete. */
  parsed(name: string, statement: ClassifiedStatement): void {
    this.#statements.delete(name)
    this.#statements.set(name, statement)
    trim(this.#statements)
  }

  /** CloseComplete of a statement, or SQL that may have changed what a name means. */
  forget(name: string): void {
    this.#statements.delete(name)
    this.#overlay.delete(name)
  }

  forgetAll(): void {
    this.#statements.clear()
    this.#overlay.clear()
  }

  /** The cycle that the overlay looked ahead of is answered. */
  settled(): void {
    this.#overlay.clear()
  }

  bind(portal: string, statement: string): ClassifiedStatement | undefined {
    const found = this.statement(statement)
    this.#portals.delete(portal)
    if (found) this.#portals.set(portal, found)
    trim(this.#portals)
    return found
  }

  statement(name: string): ClassifiedStatement | undefined {
    return this.#overlay.get(name) ?? this.#statements.get(name)
  }

  portal(name: string): ClassifiedStatement | undefined {
    return this.#portals.get(name)
  }

  /** A Query destroys the unnamed statement. */
  queried(): void {
    this.unnamedLive = false
    this.#statements.delete('')
  }

  transactionEnded(): void {
    this.#portals.clear()
  }
}

function trim(map: Map<string, unknown>): void {
  if (map.size <= namesMax) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
