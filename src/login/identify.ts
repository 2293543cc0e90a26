/**
 * From a start-up message to a client that is who it says: the rules, the wait after wrong passwords, the certificate, the password.
 * Nodes and pools let clients in by the same.
 *
 * @module
 */
import { networkInterfaces } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../core/errors.ts'
import type { LocalAddress } from '../wire/hba/address.ts'
import { ruleFor } from '../wire/hba/match.ts'
import type { HbaRule } from '../wire/hba/rules.ts'
import type { ScramKeys } from '../wire/pgwire/scram.ts'
import type { StartupMessage } from '../wire/pgwire/startup.ts'
import { authenticate, type LookupRole, type RoleRecord } from './authenticate.ts'
import { ClosedError } from './byte-reader.ts'
import type { Channel } from './login-channel.ts'
import type { Throttle } from './throttle.ts'

export interface Admission {
  readonly lookupRole: LookupRole
  /** Who may come in, as of now. */
  readonly rules: () => readonly HbaRule[]
  readonly throttle: Throttle
  /** ms; for the throttle. */
  readonly now: () => number
  /** The same on all nodes of a cluster: salts of roles that don't exist come from it. */
  readonly mockSecret: Buffer
}

/**
 * @param address the client's, without its port
 * @param vouched a proxy of ours has let it in by the rules already, and has counted its failures
 * @throws AllwriteError 28000, 28P01, 53300, 08P01; 57P03 where the role can't be looked up; ClosedError when the client left
 */
export const identify = async (
  channel: Channel,
  startup: StartupMessage,
  address: string,
  vouched: boolean,
  admission: Admission,
): Promise<{ readonly keys: ScramKeys; readonly role: RoleRecord | undefined }> => {
  const { user } = startup
  const { throttle, now, mockSecret } = admission
  const role = await admission.lookupRole(user).catch((cause: unknown) => {
    throw new AllwriteError('unavailable', 'the role could not be looked up', { cause })
  })
  if (vouched) {
    const keys = await authenticate(channel, user, { role, wrongCertificate: false, mockSecret })
    return { keys, role }
  }
  const rule = ruleOf(channel, startup, role, address, admission)
  await waitTurn(throttle.enter(address, user, now()), user, channel.reader.gone)
  const wrongCertificate = rule.clientCert === 'verify-full' && commonNameOf(channel) !== user
  const keys = await authenticate(channel, user, { role, wrongCertificate, mockSecret }).catch((error: unknown) => {
    if (error instanceof AllwriteError && error.sqlState === '28P01') throttle.failed(address, user, now())
    throw error
  })
  throttle.succeeded(address, user)
  return { keys, role }
}

/** @throws AllwriteError 28000: the rules let nobody in like this */
const ruleOf = (
  channel: Channel,
  { user, database }: StartupMessage,
  role: RoleRecord | undefined,
  address: string,
  { rules }: Admission,
): HbaRule => {
  const memberOf = new Set(role?.memberOf)
  const rule = ruleFor(rules(), { address, tls: channel.secure, user, database, memberOf, local: ownAddresses })
  if (rule.clientCert === 'no' || channel.clientCertificate.state === 'verified') return rule
  throw new AllwriteError(
    'protocol',
    channel.clientCertificate.state === 'none'
      ? 'connection requires a valid client certificate'
      : 'client certificates can only be checked if a root certificate store is available',
    { sqlState: '28000' },
  )
}

const ownAddresses = (): LocalAddress[] => Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])

const commonNameOf = ({ clientCertificate }: Channel): string | undefined =>
  clientCertificate.state === 'verified' ? clientCertificate.commonName : undefined

/** @throws AllwriteError 53300; ClosedError when the client left */
const waitTurn = async (waitMs: number | undefined, user: string, gone: AbortSignal): Promise<void> => {
  if (waitMs === undefined)
    throw new AllwriteError('unavailable', `too many failed logins of role "${user}" from this address`, {
      sqlState: '53300',
      hint: 'Try again later.',
    })
  if (waitMs === 0) return
  await delay(waitMs, undefined, { signal: gone }).catch(() => {
    throw new ClosedError()
  })
}
