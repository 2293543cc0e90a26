import { deepEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { parseEndpoint } from './endpoint-spec.ts'

test('endpoints are written as name, type, port and nodes', () => {
  deepEqual(parseEndpoint('all=writer@15500'), { name: 'all', kind: 'cluster', port: 15_500 })
  deepEqual(parseEndpoint('Reports=READER@15500:n2,n3'), {
    name: 'Reports',
    kind: 'reader',
    port: 15_500,
    members: [2, 3],
  })
  deepEqual(parseEndpoint('etl=any@1:-n1'), { name: 'etl', kind: 'any', port: 1, excluded: [1] })
})

test('what is no endpoint is refused', () => {
  for (const text of [
    '',
    'a=reader',
    'a=pinned@5',
    'a=any@0',
    'a=any@70000',
    'a=any@5:',
    'a=any@5:x',
    'a=any@5:n1,-n2',
  ])
    throws(() => parseEndpoint(text), { code: 'configuration' }, text)
})
