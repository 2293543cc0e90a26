import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { errorResponse } from '../../wire/pgwire/errors.ts'
import {
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  parseSaslInitialResponse,
} from '../../wire/pgwire/login-messages.ts'
import { connectBackend } from './backend.ts'
import { createByteReader } from '../../login/byte-reader.ts'
import { until } from './login-testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'allwrite-backend-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let serial = 0

/** A server of the test's making on a Unix socket, and a login against it. */
const against = async (
  play: (socket: Socket) => void,
  run: (login: (signal?: AbortSignal) => Promise<unknown>) => Promise<void>,
) => {
  const socketPath = join(folder, `${++serial}`)
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    play(socket)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const credentials = { kind: 'password', password: 'x' } as const
  try {
    await run((signal) =>
      connectBackend({ socketPath, user: 'a', database: 'd', credentials, ...(signal ? { signal } : {}) }),
    )
    await until('the client closed its connection', () => sockets.every((socket) => socket.destroyed))
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('a server that lets anybody in is refused: sessions could go past the node', () =>
  against(
    (socket) => socket.resume().write(authenticationOk()),
    (login) => assert.rejects(login(), { code: 'configuration', message: /does not ask for SCRAM/ }),
  ))

test('a server that does not know the role is found out by its signature', () =>
  against(
    (socket) => {
      const play = async (): Promise<void> => {
        const reader = createByteReader(socket)
        await reader.read((await reader.read(4)).readUInt32BE(0) - 4)
        socket.write(authenticationSasl(['SCRAM-SHA-256']))
        const head = await reader.read(5)
        const { data } = parseSaslInitialResponse(await reader.read(head.readUInt32BE(1) - 4))
        const nonce = data?.toString().split('r=')[1]
        socket.write(authenticationSaslContinue(Buffer.from(`r=${nonce}more,s=AAAA,i=1`)))
        await reader.read(5)
        socket.write(authenticationSaslFinal(Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`)))
        socket.write(authenticationOk())
      }
      play().catch(() => {})
    },
    (login) => assert.rejects(login(), { code: 'protocol', message: /could not prove/ }),
  ))

test('the error of a server comes with its SQLSTATE, detail and hint', () =>
  against(
    (socket) =>
      socket
        .resume()
        .write(errorResponse({ severity: 'FATAL', sqlState: '53300', message: 'full', detail: 'd', hint: 'h' })),
    (login) =>
      assert.rejects(login(), { code: 'postgres', sqlState: '53300', message: 'full', detail: 'd', hint: 'h' }),
  ))

test('a server that leaves, or sends an impossible length, is reported and the connection closed', async () => {
  await against(
    (socket) => socket.destroy(),
    (login) => assert.rejects(login(), { sqlState: '57P03' }),
  )
  await against(
    (socket) => socket.resume().write(Buffer.from('R\xff\xff\xff\xff', 'latin1')),
    (login) => assert.rejects(login(), { code: 'postgres', message: /impossible length/ }),
  )
})

test('giving up closes the connection at once', () =>
  against(
    (socket) => socket.resume(),
    async (login) => {
      const abort = new AbortController()
      const done = assert.rejects(login(abort.signal), { sqlState: '57P03' })
      abort.abort()
      await done
    },
  ))
