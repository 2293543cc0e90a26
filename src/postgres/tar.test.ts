import { deepEqual, equal, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTarReader } from './tar.ts'
import { testFolder } from './test-folder.ts'

interface Member {
  readonly kind: string
  readonly name: string
  readonly content: string
}

/** Reads an archive in chunks of the given sizes, over and over. */
const readAll = (archive: Buffer, sizes: readonly number[]): { members: Member[]; ended: boolean } => {
  const reader = createTarReader()
  const members: { kind: string; name: string; parts: Buffer[] }[] = []
  for (let at = 0, turn = 0; at < archive.length; turn++) {
    const end = at + (sizes[turn % sizes.length] ?? archive.length)
    for (const part of reader.push(archive.subarray(at, end))) {
      if (part.kind === 'header') members.push({ kind: part.header.kind, name: part.header.name, parts: [] })
      else members.at(-1)?.parts.push(Buffer.from(part.bytes))
    }
    at = end
  }
  const read = members.map(({ kind, name, parts }) => ({
    kind,
    name,
    content: Buffer.concat(parts).toString('latin1'),
  }))
  return { members: read, ended: reader.ended }
}

/** An archive made by the system's tar: somebody else's idea of the format. */
const archiveOf = (files: Readonly<Record<string, string>>): Buffer => {
  using folder = testFolder()
  const root = join(folder.path, 'root')
  mkdirSync(root)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  const made = spawnSync('tar', ['--format=ustar', '--sort=name', '-C', root, '-cf', '-', '.'], { maxBuffer: 1 << 26 })
  equal(made.status, 0, made.stderr.toString())
  rmSync(root, { recursive: true })
  return made.stdout
}

const files = {
  empty: '',
  'one/byte': 'x',
  'one/block': 'b'.repeat(512),
  'one/more': 'm'.repeat(1025),
  [`long/${'d'.repeat(90)}/${'f'.repeat(90)}`]: 'long name',
}
const archive = archiveOf(files)

const changed = (offset: number, text: string): Buffer => {
  const bytes = Buffer.from(archive)
  bytes.write(text, offset, 'latin1')
  bytes.write('        ', 148, 'latin1')
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes
}

test('every member of a ustar archive is read, long names too, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }), (sizes) => {
      const { members, ended } = readAll(archive, sizes)
      deepEqual(
        Object.fromEntries(members.filter(({ kind }) => kind === 'file').map((m) => [m.name, m.content])),
        files,
      )
      equal(members.filter(({ kind }) => kind === 'folder').length, 4)
      equal(ended, true)
    }),
    { numRuns: 60 },
  )
})

test('an archive that is cut off has not ended', () => {
  equal(readAll(archive.subarray(0, 1024), [512]).ended, false)
})

test('the size of a file of 8 GB and more is read in base 256', () => {
  const bytes = changed(156, '0')
  bytes.fill(0, 124, 136)
  bytes[124] = 0x80
  bytes.writeUInt32BE(2, 128)
  bytes.writeUInt32BE(5, 132)
  bytes.write('        ', 148, 'latin1')
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  const [part] = createTarReader().push(bytes.subarray(0, 512))
  equal(part?.kind === 'header' && part.header.bytes, 2 * 2 ** 32 + 5)
})

test('names that lead elsewhere, strange members and damaged headers are refused', () => {
  throws(() => readAll(changed(0, '/etc/passwd\0'), [512]), /not allowed/)
  throws(() => readAll(changed(0, 'a/../../b\0'), [512]), /not allowed/)
  throws(() => readAll(changed(156, '3'), [512]), /type "3"/)
  const damaged = Buffer.from(archive)
  damaged[3] = 1
  throws(() => readAll(damaged, [512]), /checksum/)
  throws(() => readAll(Buffer.concat([archive, archive]), [512]), /follows its end/)
})
