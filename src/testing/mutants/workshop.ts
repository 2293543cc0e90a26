/**
 * A copy of the compiled product with one thing broken in it, in a temporary folder of its own. So nothing that is shipped knows
 * of mutants: there is no switch that an option or an environment variable could turn.
 *
 * @module
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One change of one compiled file. */
export interface Patch {
  /** Below `dist/`. */
  readonly file: string
  /** Stands in the file exactly once: as TypeScript prints it, without types, indented by four spaces a level. */
  readonly original: string
  readonly replacement: string
}

/** A checkout in which mutants are made, one at a time. */
export interface Workshop extends Disposable {
  readonly dist: string
  /** Its `bin/allwrite`. */
  readonly bin: string
  /**
   * Breaks the copy while `work` runs.
   * @throws Error when the patch does not fit
   */
  withMutant(patch: Patch, work: () => Promise<void>): Promise<void>
}

/** This checkout: the file is compiled to dist/testing/mutants/. */
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** How often the original stands in the compiled file: 1, or the patch is stale. */
export const timesFound = ({ file, original }: Patch): number =>
  readFileSync(join(root, 'dist', file), 'utf8').split(original).length - 1

export const openWorkshop = (): Workshop => {
  const dir = mkdtempSync(join(tmpdir(), 'allwrite-mutants-'))
  const dist = join(dir, 'dist')
  const isCode = (path: string): boolean => extname(path) === '' || path.endsWith('.js')
  cpSync(join(root, 'dist'), dist, { recursive: true, filter: isCode })
  mkdirSync(join(dir, 'bin'))
  for (const file of ['bin/allwrite', 'package.json']) cpSync(join(root, file), join(dir, file))
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  return {
    dist,
    bin: join(dir, 'bin', 'allwrite'),
    withMutant: async (patch, work) => {
      if (timesFound(patch) !== 1) throw new Error(`the mutant does not fit ${patch.file}: ${patch.original}`)
      const path = join(dist, patch.file)
      const whole = readFileSync(path, 'utf8')
      const [before, behind] = whole.split(patch.original)
      writeFileSync(path, `${before}${patch.replacement}${behind}`)
      try {
        await work()
      } finally {
        writeFileSync(path, whole)
      }
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  }
}
