/**
 * TLS of the client listener: the certificate (read again when its files change), the handshake on an accepted socket,
 * and the certificate's hash that SCRAM binds a login to.
 *
 * @module
 */
import { X509Certificate, createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { TLSSocket, createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { AllwriteError, assert } from '../core/errors.ts'
import { ClosedError } from './byte-reader.ts'

/** The ALPN name that PostgreSQL registered; direct TLS must ask for it (ALPACA attacks). */
export const alpnName = 'postgresql'

export interface TlsFiles {
  /** PEM: the certificate, then its chain. */
  readonly certFile: string
  readonly keyFile: string
  /** PEM: who signs clients' certificates; they are asked for where the file exists. */
  readonly caFile?: string
}

/** What a client showed: nothing was asked for, it showed none, or one that our CA signed. */
export type ClientCertificate =
  { readonly state: 'unchecked' | 'none' } | { readonly state: 'verified'; readonly commonName: string | undefined }

export interface TlsIdentity {
  readonly context: SecureContext
  /** tls-server-end-point (RFC 5929); undefined where the certificate's signature names no hash (Ed25519). */
  readonly endPointHash: Buffer | undefined
  /** Clients are asked for a certificate. */
  readonly asksClients: boolean
}

/** Gives the identity to use now. */
export type TlsSource = () => Promise<TlsIdentity>

/**
 * Reads the files, and again whenever their modification time or size changes. A pair that is only half replaced keeps
 * the old one in use; the failure goes to `onReloadError`.
 * @throws AllwriteError configuration when the files can't be used at the start
 */
export const openTlsSource = async (files: TlsFiles, onReloadError: (error: Error) => void): Promise<TlsSource> => {
  const stampNow = async (): Promise<string> => {
    const found = await Promise.all([stat(files.certFile), stat(files.keyFile), caOf(files, (path) => stat(path))])
    return found.map((file) => (file ? `${file.mtimeMs}/${file.size}/${file.ino}` : '-')).join(' ')
  }
  // The stamp is taken before reading: a change in between shows up as one more reload, never as a missed one.
  let stamp = ''
  let identity: TlsIdentity
  try {
    stamp = await stampNow()
    identity = await loadIdentity(files)
  } catch (cause) {
    throw new AllwriteError('configuration', 'could not load the TLS certificate or key', {
      detail: cause instanceof Error ? cause.message : String(cause),
      cause,
    })
  }
  return async () => {
    try {
      const seen = await stampNow()
      if (seen !== stamp) {
        stamp = seen
        identity = await loadIdentity(files)
      }
    } catch (error) {
      onReloadError(AllwriteError.from(error, 'configuration'))
    }
    return identity
  }
}

/** OpenSSL wants one where clients show certificates, to take sessions up again. */
const sessionIdContext = 'allwrite'

const loadIdentity = async (files: TlsFiles): Promise<TlsIdentity> => {
  const [cert, key, ca] = await Promise.all([
    readFile(files.certFile),
    readFile(files.keyFile),
    caOf(files, (path) => readFile(path)),
  ])
  const context = createSecureContext({
    cert,
    key,
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca, sessionIdContext }),
  })
  return { context, endPointHash: endPointHash(new X509Certificate(cert).raw), asksClients: ca !== undefined }
}

/** Undefined where there is no CA for clients: the file may be absent. */
const caOf = async <T>({ caFile }: TlsFiles, use: (path: string) => Promise<T>): Promise<T | undefined> => {
  if (caFile === undefined) return undefined
  try {
    return await use(caFile)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Makes the accepted `socket` a TLS server's. Bytes already read from it must have been put back (`unshift`).
 * @throws ClosedError when the handshake fails, or the client's certificate is none of our CA's: there is nobody to tell
 */
export const startTls = (socket: Socket, identity: TlsIdentity): Promise<Secured> =>
  new Promise((resolve, reject) => {
    const secured = new TLSSocket(socket, {
      isServer: true,
      requestCert: identity.asksClients,
      // Without a certificate the handshake goes on: the rules say whether one is needed. A bad one is looked for below.
      rejectUnauthorized: false,
      secureContext: identity.context,
      ALPNProtocols: [alpnName],
    })
    const onClose = (): void => reject(new ClosedError())
    // For a socket made by hand Node reports TLS errors under this name only (tls.Server listens to it too): without
    // the listener a broken record after the handshake would leave the connection hanging.
    secured.on('_tlsError', (error: Error) => secured.destroy(error))
    secured.on('error', onClose).on('close', onClose)
    // Node pipes the errors of the plain socket to the TLS one, but a reset in mid-handshake also shows here.
    socket.on('error', () => secured.destroy())
    socket.on('close', () => secured.destroy())
    secured.once('secure', () => {
      const clientCertificate = shownBy(secured, identity)
      if (clientCertificate === undefined) {
        secured.destroy()
        return
      }
      secured.off('error', onClose).off('close', onClose)
      resolve({ secured, clientCertificate })
    })
  })

export interface Secured {
  readonly secured: TLSSocket
  readonly clientCertificate: ClientCertificate
}

/** Undefined: a certificate that is not valid. */
const shownBy = (secured: TLSSocket, identity: TlsIdentity): ClientCertificate | undefined => {
  if (!identity.asksClients) return { state: 'unchecked' }
  const shown = secured.getPeerCertificate()
  // Node gives an empty object for none.
  if (Object.keys(shown).length === 0) return { state: 'none' }
  if (verifyErrorOf(secured) !== null) return undefined
  // Several common names come as an array: whose certificate it is can't be told then.
  const commonName: unknown = shown.subject.CN
  return { state: 'verified', commonName: typeof commonName === 'string' ? commonName : undefined }
}

/** What tls.Server reads to set `authorized`; sockets made by hand have to ask. Fails closed where Node no longer has it. */
const verifyErrorOf = (secured: TLSSocket): unknown => {
  const handle: unknown = Reflect.get(secured, '_handle')
  const verifyError: unknown = typeof handle === 'object' && handle !== null && Reflect.get(handle, 'verifyError')
  assert(typeof verifyError === 'function', "Node tells whether a client's certificate is valid")
  return Reflect.apply(verifyError, handle, []) ?? null
}

/** The hash that tls-server-end-point takes: the one of the certificate's signature, SHA-256 instead of MD5 and SHA-1. */
export const endPointHash = (der: Buffer): Buffer | undefined => {
  const hash = signatureHash(der)
  return hash === undefined ? undefined : createHash(hash).update(der).digest()
}

/** DER contents of signature algorithm OIDs → their hash. */
const hashOfSignature = new Map<string, string>([
  ['2a864886f70d010104', 'sha256'], // md5WithRSAEncryption
  ['2a864886f70d010105', 'sha256'], // sha1WithRSAEncryption
  ['2a864886f70d01010e', 'sha224'],
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a8648ce3d0401', 'sha256'], // ecdsa-with-SHA1
  ['2a8648ce3d040301', 'sha224'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
])
const rsaPss = '2a864886f70d01010a'
/** DER contents of hash OIDs, as the parameters of RSASSA-PSS name them. */
const hashOfOid = new Map<string, string>([
  ['608648016503040204', 'sha224'],
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
])

// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, … } (RFC 5280, 4.1).
// Node 20's X509Certificate does not tell the algorithm.
const signatureHash = (der: Buffer): string | undefined => {
  const [tbs, algorithm] = derChildren(derChildren(der)[0] ?? Buffer.alloc(0))
  if (!tbs || !algorithm) return undefined
  const [oid, parameters] = derChildren(algorithm)
  if (!oid) return undefined
  if (oid.toString('hex') !== rsaPss) return hashOfSignature.get(oid.toString('hex'))
  // RSASSA-PSS-params ::= SEQUENCE { [0] AlgorithmIdentifier DEFAULT sha1 … } (RFC 4055, 3.1).
  const hashAlgorithm = derChildren(derChildren(parameters ?? Buffer.alloc(0))[0] ?? Buffer.alloc(0))[0]
  return hashAlgorithm ? hashOfOid.get(hashAlgorithm.toString('hex')) : 'sha256'
}

/** The contents of the DER values that stand one after the other in `bytes`. */
const derChildren = (bytes: Buffer): Buffer[] => {
  const found: Buffer[] = []
  let offset = 0
  while (offset + 2 <= bytes.length) {
    let length = bytes[offset + 1] ?? 0
    offset += 2
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 4 || offset + count > bytes.length) return found
      length = bytes.readUIntBE(offset, count)
      offset += count
    }
    if (offset + length > bytes.length) return found
    found.push(bytes.subarray(offset, offset + length))
    offset += length
  }
  return found
}
