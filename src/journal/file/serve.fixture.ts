/** A process of its own that serves argv[2] until killed; for the tests that kill it. */
import { served } from './testing.ts'

await served(process.argv[2]!, { segmentBytes: 256 * 1024 })
process.send?.('ready')
process.on('disconnect', () => process.exit(0))
