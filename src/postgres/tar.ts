/**
 * Reads a tar archive as it arrives, as PostgreSQL's BASE_BACKUP sends it: ustar headers (src/port/tar.c), 512-byte blocks,
 * sizes in octal or, from 8 GB on, in base 256, two zero blocks at the end.
 *
 * Contract
 * 1. Parts come in order: a header, then its file's bytes in slices that are views into the chunk given, together exactly
 *    as many as the header says.
 * 2. Nothing is kept but one incomplete header: memory does not grow with the archive.
 * 3. Names are relative paths inside the archive's folder. Whatever else is in an archive (absolute names, "..", devices,
 *    names too long for ustar) is refused: whoever sends it, nothing is written outside the folder that it is for.
 *
 * Failure: AllwriteError `protocol`, naming the member; the reader must not be used again.
 *
 * @module
 */
import { AllwriteError, assert } from '../core/errors.ts'

export interface TarHeader {
  readonly kind: 'file' | 'folder' | 'link'
  /** Relative, with forward slashes, none at its end; empty for the archive's own root folder. */
  readonly name: string
  /** Of a file; 0 for all else. */
  readonly bytes: number
  /** Of a symbolic link. */
  readonly target: string
}

export type TarPart =
  { readonly kind: 'header'; readonly header: TarHeader } | { readonly kind: 'bytes'; readonly bytes: Buffer }

export interface TarReader {
  /** The parts of the next chunk. To be consumed whole, before the next call. */
  push(chunk: Buffer): Iterable<TarPart>
  /** True behind the archive's two zero blocks: it is whole. */
  readonly ended: boolean
}

const blockBytes = 512

/** Offsets and lengths of the header's fields (POSIX.1-1988, "ustar Interchange Format"). */
const field = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  link: [157, 100],
  magic: [257, 5],
  prefix: [345, 155],
} as const
const typeOffset = 156

const kinds: Readonly<Record<string, TarHeader['kind']>> = { '0': 'file', '\0': 'file', '2': 'link', '5': 'folder' }

const refused = (message: string, detail?: string): AllwriteError =>
  new AllwriteError('protocol', `tar archive: ${message}`, detail === undefined ? {} : { detail })

export const createTarReader = (): TarReader => {
  let head = Buffer.alloc(0)
  /** Bytes of the current file still to come, and of the zeros that fill its last block. */
  let missing = 0
  let padding = 0
  let zeroBlocks = 0

  const begin = (block: Buffer): TarHeader | undefined => {
    if (block.every((byte) => byte === 0)) {
      zeroBlocks += 1
      return undefined
    }
    if (zeroBlocks > 0) throw refused('something follows its end')
    const header = parseHeader(block)
    missing = header.bytes
    padding = (blockBytes - (header.bytes % blockBytes)) % blockBytes
    return header
  }

  function* push(chunk: Buffer): Generator<TarPart> {
    let at = 0
    while (at < chunk.length) {
      if (missing > 0) {
        const end = Math.min(chunk.length, at + missing)
        missing -= end - at
        yield { kind: 'bytes', bytes: chunk.subarray(at, end) }
        at = end
      } else if (padding > 0) {
        const skipped = Math.min(chunk.length - at, padding)
        padding -= skipped
        at += skipped
      } else {
        const end = Math.min(chunk.length, at + blockBytes - head.length)
        head = Buffer.concat([head, chunk.subarray(at, end)])
        at = end
        if (head.length < blockBytes) return
        const header = begin(head)
        head = Buffer.alloc(0)
        if (header !== undefined) yield { kind: 'header', header }
      }
    }
  }

  return {
    push,
    get ended() {
      return zeroBlocks >= 2
    },
  }
}

const parseHeader = (block: Buffer): TarHeader => {
  assert(block.length === blockBytes, 'a header is one block')
  if (textOf(block, field.magic) !== 'ustar') throw refused('a header is not ustar')
  if (sumOf(block) !== octalOf(block, field.checksum)) throw refused('a header has a wrong checksum')
  const prefix = textOf(block, field.prefix)
  const name = cleanName(prefix === '' ? textOf(block, field.name) : `${prefix}/${textOf(block, field.name)}`)
  const type = String.fromCharCode(block[typeOffset] ?? 0)
  const kind = kinds[type]
  if (kind === undefined)
    throw refused(`"${name}" is of type "${type}"`, 'Files, folders and symbolic links are known.')
  return { kind, name, bytes: kind === 'file' ? sizeOf(block, name) : 0, target: textOf(block, field.link) }
}

/** @throws AllwriteError protocol for a name that leads out of the archive's folder */
const cleanName = (raw: string): string => {
  if (raw === '' || raw.startsWith('/') || raw.split('/').includes('..'))
    throw refused(`the name "${raw}" is not allowed`)
  return raw
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}

const textOf = (block: Buffer, [offset, length]: readonly [number, number]): string => {
  const bytes = block.subarray(offset, offset + length)
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end === -1 ? length : end)
}

const octalOf = (block: Buffer, place: readonly [number, number]): number => {
  const text = textOf(block, place).trim()
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1
}

/** In octal, or with the first byte's top bit set in base 256, as for files of 8 GB and more. */
const sizeOf = (block: Buffer, name: string): number => {
  const [offset, length] = field.size
  const isBinary = ((block[offset] ?? 0) & 0x80) !== 0
  const size = isBinary
    ? Number(BigInt(`0x${block.toString('hex', offset, offset + length)}`) & ((1n << 95n) - 1n))
    : octalOf(block, field.size)
  if (!Number.isSafeInteger(size) || size < 0) throw refused(`"${name}" has an impossible size`)
  return size
}

/** The sum of the header's bytes, its checksum field taken as blanks. */
const sumOf = (block: Buffer): number => {
  const [offset, length] = field.checksum
  let sum = 32 * length
  for (let i = 0; i < blockBytes; i++) if (i < offset || i >= offset + length) sum += block[i] ?? 0
  return sum
}
