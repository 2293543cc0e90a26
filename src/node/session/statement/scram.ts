/**
 * SCRAM-SHA-256 verifiers as PostgreSQL stores them in pg_authid.rolpassword (RFC 5803, src/common/scram-common.c), so that no
 * plaintext password is ever journaled.
 *
 * @module
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** PostgreSQL's default `scram_iterations`. */
export const scramIterations = 4_096
/** Bytes of salt, as PostgreSQL's own (SCRAM_DEFAULT_SALT_LEN). */
export const scramSaltBytes = 16

/** `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`. */
export function scramVerifier(password: string, salt: Uint8Array): string {
  const salted = pbkdf2Sync(saslPrep(password), salt, scramIterations, 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  const storedKey = createHash('sha256').update(clientKey).digest('base64')
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64')
  return `SCRAM-SHA-256$${scramIterations}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`
}

/** True for what PostgreSQL takes as already hashed (get_password_type in src/backend/libpq/crypt.c). */
export function isHashed(password: string): boolean {
  if (/^md5[0-9a-f]{32}$/.test(password)) return true
  const parts = /^SCRAM-SHA-256\$\d+:([^$]+)\$([^:]+):(.+)$/.exec(password)
  if (parts === null) return false
  const [, salt = '', stored = '', server = ''] = parts
  return isBase64(salt) && isBase64(stored) && isBase64(server) && bytes(stored) === 32 && bytes(server) === 32
}

const isBase64 = (word: string): boolean => word.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(word)
const bytes = (word: string): number => Buffer.from(word, 'base64').length

/** RFC 4013 §2.1: non-ASCII spaces become spaces. */
const spaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
/** RFC 3454 table B.1: mapped to nothing. A list of alternatives, since some of them combine with their neighbours. */
const nothing = /\u00ad|\u034f|\u1806|\u180b|\u180c|\u180d|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu
/** RFC 3454 tables C.2.1 to C.9, as far as they are ranges. PostgreSQL then takes the password as it is. */
const prohibited =
  /\p{Cc}|\p{Cs}|\p{Co}|\u0340|\u0341|\u06dd|\u070f|\u180e|[\u2028-\u202e]|[\u2061-\u2063]|[\u206a-\u206f]|[\u2ff0-\u2ffb]|[\ufff9-\ufffd]/u

/**
 * SASLprep as PostgreSQL does it: ASCII passes; what is prohibited passes unchanged. Not exact for characters that Unicode 3.2
 * did not assign and for forbidden mixtures of writing directions: PostgreSQL takes those unnormalised.
 */
function saslPrep(password: string): string {
  // eslint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(password)) return password
  const mapped = password.replace(spaces, ' ').replace(nothing, '').normalize('NFKC')
  return mapped === '' || prohibited.test(mapped) ? password : mapped
}
