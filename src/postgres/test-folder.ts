/**
 * A folder for one test of this tier.
 *
 * @module
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new temporary folder, open for passing through (the server's user must reach what is below); removed at the end. */
export function testFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
  chmodSync(path, 0o711)
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
