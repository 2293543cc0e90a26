/**
 * A client's FunctionCall message (the old fast path): unknown code, so it runs in a transaction and is never retried.
 *
 * @module
 */
import type { Core } from './core.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { runUnit, type UnitResult } from './retry.ts'
import { note, tellOwed } from './statements.ts'

/** One FunctionCall, to its ReadyForQuery. */
export async function functionCallUnit(core: Core, frame: ClientFrame): Promise<void> {
  await runUnit(core, () => call(core, frame))
}

const done: UnitResult = { kind: 'done', answered: false }

async function call(core: Core, frame: ClientFrame): Promise<UnitResult> {
  await core.mendGuard()
  if (await tellOwed(core, undefined)) return done
  const wraps = core.state === 'idle'
  core.channel.cork()
  const begin = wraps ? core.wrap() : undefined
  if (core.state === 'client') core.touch()
  note(core, undefined)
  const exchange = core.exchange(frame.bytes, { show: true, ready: false, keepComplete: wraps })
  core.channel.uncork()
  const [, answer] = await Promise.all([begin, exchange])
  if (answer.error) {
    if (wraps) await core.rollbackWrap()
    else core.followStatus(answer)
    return done
  }
  core.followStatus(answer)
  if (!wraps) return done
  const failure = await core.end()
  if (failure?.kind === 'conflict') return { kind: 'conflict', conflict: failure.conflict, retryable: false }
  const frameToShow = failure ? failure.frame : answer.complete
  if (frameToShow) core.out.push(frameToShow)
  return done
}
