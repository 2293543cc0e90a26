/**
 * The address field of a rule.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import type { Token } from './tokens.ts'

/** An address of this machine, as os.networkInterfaces() tells it. */
export interface LocalAddress {
  readonly address: string
  /** With its network's width; null where it is not known. */
  readonly cidr: string | null
}

/** Whether a client's address, in its {@link plainAddress}, fits. */
export type AddressTest = (address: string, local: () => readonly LocalAddress[]) => boolean

const bad = (message: string, hint?: string): AllwriteError =>
  new AllwriteError('configuration', message, hint === undefined ? {} : { hint })

/** An IPv4 address stays one when it comes through an IPv6 socket. */
export const plainAddress = (address: string): string => /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address

/**
 * @param mask the next field, for the form of address and mask in two fields
 * @throws AllwriteError configuration
 */
export const parseAddress = (
  { text, quoted }: Token,
  mask: string | undefined,
): { readonly test: AddressTest; readonly usedMask: boolean } => {
  if (!quoted && text === 'all') return { test: () => true, usedMask: false }
  if (!quoted && text === 'samehost')
    return {
      test: (address, local) => local().some((own) => plainAddress(own.address) === address),
      usedMask: false,
    }
  if (!quoted && text === 'samenet')
    return {
      test: (address, local) => local().some(({ cidr }) => cidr !== null && range(cidr)?.(address) === true),
      usedMask: false,
    }
  if (text.includes('/')) {
    const test = range(text)
    if (test === undefined) throw bad(`invalid CIDR mask in address "${text}"`)
    return { test, usedMask: false }
  }
  const family = isIP(text)
  if (family === 0)
    throw bad(
      `host name "${text}" is not supported`,
      'Names are not looked up: write an address range, such as 10.1.0.0/16.',
    )
  if (mask === undefined) throw bad('end-of-line before netmask specification')
  if (isIP(mask) !== family)
    throw bad(isIP(mask) === 0 ? `invalid IP mask "${mask}"` : 'IP address and mask do not match')
  const bits = maskBits(mask, family)
  const test = bits === undefined ? undefined : range(`${text}/${bits}`)
  if (test === undefined) throw bad(`IP mask "${mask}" has gaps`, 'Write the range as address/bits.')
  return { test, usedMask: true }
}

/** As in PostgreSQL a range of one family holds no address of the other. */
const range = (cidr: string): ((address: string) => boolean) | undefined => {
  const [address = '', bits = ''] = cidr.split('/')
  const family = isIP(address)
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return undefined
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return (client) => isIP(client) === family && list.check(client, family === 4 ? 'ipv4' : 'ipv6')
}

/** The width of a mask's network; undefined where its ones are not all in front. */
const maskBits = (mask: string, family: number): number | undefined => {
  const all = family === 4 ? 32 : 128
  const list = new BlockList()
  const type = family === 4 ? 'ipv4' : 'ipv6'
  list.addAddress(mask, type)
  for (let bits = 0; bits <= all; bits++) if (list.check(maskOf(bits, family), type)) return bits
  return undefined
}

const maskOf = (bits: number, family: number): string => {
  const width = family === 4 ? 8 : 16
  const parts = Array.from({ length: family === 4 ? 4 : 8 }, (_, index) => {
    const ones = Math.min(Math.max(bits - index * width, 0), width)
    return 2 ** width - 2 ** (width - ones)
  })
  return family === 4 ? parts.join('.') : parts.map((part) => part.toString(16)).join(':')
}
