import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { createLobby } from './lobby.ts'
import { createThrottle, failuresFree, forgetMs, intervalMs, keysMax, networkOf, waitMsMax } from './throttle.ts'

const failing = (times: number, address = '10.0.0.1', role = 'ann') => {
  const throttle = createThrottle()
  for (let i = 0; i < times; i++) throttle.failed(address, role, 0)
  return throttle
}

test('after some failures one guess a second is looked at, and those too far behind are refused', () => {
  assert.equal(failing(failuresFree - 1).enter('10.0.0.1', 'ann', 1), 0)
  const throttle = failing(failuresFree)
  const waits = Array.from({ length: 13 }, () => throttle.enter('10.0.0.1', 'ann', 0))
  assert.deepEqual(
    waits.slice(0, 11),
    Array.from({ length: 11 }, (_, index) => index * intervalMs),
  )
  assert.deepEqual(waits.slice(11), [undefined, undefined])
  assert.equal(throttle.enter('10.0.0.1', 'ann', waitMsMax + intervalMs), 0)
})

test('another address, another role and who has logged in do not wait', () => {
  const throttle = failing(1000)
  throttle.enter('10.0.0.1', 'ann', 0)
  assert.equal(throttle.enter('10.0.0.2', 'ann', 0), 0)
  assert.equal(throttle.enter('10.0.0.1', 'bob', 0), 0)
  assert.equal(throttle.enter('10.0.0.1', 'ann', forgetMs + 1), 0)
  const again = failing(1000)
  again.succeeded('10.0.0.1', 'ann')
  assert.equal(again.enter('10.0.0.1', 'ann', 0), 0)
})

test('an IPv6 network counts as one address, an IPv4 address is one however it comes', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2')
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0')
  assert.equal(networkOf('::1'), '0:0:0:0')
  assert.equal(networkOf('1::2:3:4:5:6:7'), '1:0:2:3')
  assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1')
  const throttle = failing(failuresFree, '2001:db8:1:2::1')
  throttle.enter('2001:db8:1:2::2', 'ann', 0)
  assert.equal(throttle.enter('2001:db8:1:2::3', 'ann', 0), intervalMs)
})

test('what is remembered of an attack is bounded', () => {
  const throttle = createThrottle()
  for (let i = 0; i < 3 * keysMax; i++) throttle.failed('10.0.0.1', `role ${i}`, i)
  assert.equal(throttle.size, keysMax)
})

/** A connection from an address. */
const socketFrom = (address: string): Socket => {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: address })
  return socket
}

test('a full lobby makes room at the cost of whoever has most connections there, oldest first', () => {
  const lobby = createLobby(4)
  const [victim, first, second, third, late] = ['10.0.0.1', '6.6.6.6', '6.6.6.6', '6.6.6.6', '10.0.0.2'].map(socketFrom)
  assert(victim && first && second && third && late)
  for (const socket of [victim, first, second, third, late]) lobby.enter(socket)
  assert.equal(lobby.size, 4)
  assert.deepEqual(
    [victim, first, second, third, late].map((socket) => socket.destroyed),
    [false, true, false, false, false],
  )
  for (const socket of [victim, victim, first, second, third, late]) lobby.leave(socket)
  assert.equal(lobby.size, 0)
})
