import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { parseBasePort, parseNodes, parsePoolSettings, parseRate, parseSize, parseSwitch } from './options.ts'

test('sizes are read with their units', () => {
  equal(parseSize('4GiB'), 4 * 1024 ** 3)
  equal(parseSize('512 MB'), 512_000_000)
  equal(parseSize('1.5k'), 1536)
  equal(parseSize('1048576'), 1_048_576)
  for (const text of ['', '4 parsecs', '-1GiB', '0', '1e3', 'GiB', '99999999tib'])
    throws(() => parseSize(text), /invalid size/)
})

test('numbers of nodes, ports and switches are checked', () => {
  equal(parseNodes('16'), 16)
  for (const text of ['0', '17', '1.5', 'two', '']) throws(() => parseNodes(text), /number of nodes/)
  equal(parseBasePort('65509'), 65_509)
  for (const text of ['0', '65510', '1e4']) throws(() => parseBasePort(text), /invalid port/)
  equal(parseSwitch('off'), false)
  throws(() => parseSwitch('yes'), /invalid switch/)
})

test('a rate is in MB a second where no unit is said', () => {
  deepEqual(['32', '32MB', '64 MiB/s', '0.5'].map(parseRate), [32e6, 32e6, 64 * 2 ** 20, 5e5])
  for (const text of ['0', '1kB', '2GB', 'fast', '-1']) throws(() => parseRate(text), { code: 'configuration' })
})

test('settings of the pool: RDS Proxy’s names in any case, checked together', () => {
  deepEqual(parsePoolSettings([]), {})
  deepEqual(
    parsePoolSettings([
      'maxconnectionspercent=60',
      'MaxIdleConnectionsPercent=10',
      'replay=off',
      'InitQuery=SET a.b = 1',
    ]),
    { MaxConnectionsPercent: 60, MaxIdleConnectionsPercent: 10, replay: false, InitQuery: 'SET a.b = 1' },
  )
  deepEqual(parsePoolSettings(['SessionPinningFilters=EXCLUDE_VARIABLE_SETS']), {
    SessionPinningFilters: ['EXCLUDE_VARIABLE_SETS'],
  })
  for (const text of [
    'replay',
    'replays=on',
    '=1',
    'replay=maybe',
    'IdleClientTimeout=soon',
    'SessionPinningFilters=ALL',
  ])
    throws(() => parsePoolSettings([text]), { code: 'configuration' }, text)
  // More idle than there may be.
  throws(() => parsePoolSettings(['MaxConnectionsPercent=10', 'MaxIdleConnectionsPercent=20']), {
    code: 'configuration',
  })
})
