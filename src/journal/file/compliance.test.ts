import type { Journal } from '../contract.ts'
import { journalCompliance } from '../compliance.ts'
import { nodeDisk } from './disk.ts'
import type { Disk } from './disk.ts'
import { openFileJournal } from './local.ts'
import { clientOf, served, smallSegments, temporaryDirectory } from './testing.ts'

/** Takes a millisecond to sync, so that the store goes through the thread pool. */
const slowDisk: Disk = {
  ...nodeDisk,
  open(path, mode) {
    const file = nodeDisk.open(path, mode)
    return {
      ...file,
      datasyncNow() {
        const end = performance.now() + 1
        file.datasyncNow()
        while (performance.now() < end);
      },
      async datasync() {
        await new Promise((resolve) => setTimeout(resolve, 1))
        await file.datasync()
      },
    }
  },
}

for (const [name, options] of [
  ['memory ring', smallSegments],
  ['disk only', { ...smallSegments, ringBytes: 0 }],
  ['slow disk', { ...smallSegments, disk: slowDisk }],
] as const) {
  journalCompliance(`file, in process, ${name}`, async () => {
    const directory = temporaryDirectory()
    const open = (): Promise<Journal> => openFileJournal({ directory: directory.path, ...options })
    let journal = await open()
    return {
      journal,
      reopen: async () => {
        await journal[Symbol.asyncDispose]()
        journal = await open()
        return journal
      },
      async [Symbol.asyncDispose]() {
        await journal[Symbol.asyncDispose]()
        directory[Symbol.dispose]()
      },
    }
  })
}

journalCompliance('file, over the socket', async () => {
  const directory = temporaryDirectory()
  let server = await served(directory.path)
  const journal = clientOf(server)
  return {
    journal,
    // The same client: it has to find the new server by itself.
    reopen: async () => {
      await server[Symbol.asyncDispose]()
      server = await served(directory.path)
      return journal
    },
    async [Symbol.asyncDispose]() {
      await journal[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      directory[Symbol.dispose]()
    },
  }
})
