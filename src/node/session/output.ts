/**
 * The client's side of writing where results may have to be taken back (a unit that can be retried): they are held, up to a bound.
 *
 * @module
 */
import { ClientOutput } from '../../login/client-output.ts'

/** Results held back for a retry, bytes. Beyond it they go out and the unit is not retried (RULES 13). */
export const heldBytesMax = 256 * 1024

export class HeldOutput extends ClientOutput {
  #held: Buffer[] | undefined
  #heldBytes = 0
  /** What survives `drop`: notifications and parameter reports are facts whatever becomes of the unit. */
  #facts: Buffer[] = []

  /** From here on what is written is held until `release` or `drop`. */
  hold(): void {
    if (this.#held) return
    this.endRun()
    this.#held = []
    this.#heldBytes = 0
  }

  /** Everything since `hold` is still here: it can be taken back. */
  get holding(): boolean {
    return this.#held !== undefined
  }

  release(): void {
    this.endRun()
    const held = this.#held
    this.#held = undefined
    if (held) for (const slice of held) super.add(slice)
    this.#facts = []
  }

  /** Takes back what is held and goes on holding. */
  drop(): void {
    this.endRun()
    if (!this.#held) return
    this.#held = this.#facts
    this.#facts = []
    this.#heldBytes = this.#held.reduce((sum, slice) => sum + slice.length, 0)
    this.#facts = [...this.#held]
  }

  /** A message that is true whatever becomes of the unit. */
  pushFact(message: Buffer): void {
    this.push(message)
    if (this.#held) this.#facts.push(message)
  }

  protected override add(slice: Buffer): void {
    if (!this.#held) return super.add(slice)
    this.#held.push(slice)
    this.#heldBytes += slice.length
    if (this.#heldBytes > heldBytesMax) this.release()
  }
}
