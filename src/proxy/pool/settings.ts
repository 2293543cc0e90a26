/**
 * The pool's settings, by the names and defaults of RDS Proxy ("ConnectionPoolConfiguration" and IdleClientTimeout in its API
 * reference), so that who comes from there finds what is known.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { isConflictPattern } from './conflict.ts'

export interface PoolSettings {
  /** Connections to one node at most, percent of {@link nodeConnectionsMax}. */
  readonly MaxConnectionsPercent: number
  /** Of these, how many may stay open unused, percent of {@link nodeConnectionsMax}; by default half of MaxConnectionsPercent. */
  readonly MaxIdleConnectionsPercent: number
  /** How long a client waits for a connection, seconds. */
  readonly ConnectionBorrowTimeout: number
  /** A client that asks nothing for so long is disconnected, seconds; 0: never. */
  readonly IdleClientTimeout: number
  /** `EXCLUDE_VARIABLE_SETS`: a setting that can't be followed does not pin its session. */
  readonly SessionPinningFilters: readonly string[]
  /** Run on every new connection, before any client uses it; empty: none. */
  readonly InitQuery: string
  /** What 100 percent are: a node's limit of sessions. */
  readonly nodeConnectionsMax: number
  /**
   * Transactions outlive the death of their node where that is safe. Costs one row change for every transaction that writes (ADR 29);
   * without it a transaction that was under way then ends with 40001, a COMMIT without an answer with 08007.
   */
  readonly replay: boolean
  /**
   * Whose conflicts (40001) are met by running the transaction again, where the client notices nothing: `role@database`, either being `*`.
   * Takes `replay`.
   */
  readonly maskConflicts: readonly string[]
}

export const defaultSettings: PoolSettings = {
  MaxConnectionsPercent: 100,
  MaxIdleConnectionsPercent: 50,
  ConnectionBorrowTimeout: 120,
  IdleClientTimeout: 1800,
  SessionPinningFilters: [],
  InitQuery: '',
  nodeConnectionsMax: 100,
  replay: true,
  maskConflicts: [],
}

/** The one filter that RDS Proxy knows. */
export const excludeVariableSets = 'EXCLUDE_VARIABLE_SETS'

/** Bounds as RDS Proxy has them. @throws AllwriteError configuration */
export function checkedSettings(wanted: Partial<PoolSettings>): PoolSettings {
  const { MaxConnectionsPercent = defaultSettings.MaxConnectionsPercent } = wanted
  const settings = { ...defaultSettings, MaxIdleConnectionsPercent: Math.floor(MaxConnectionsPercent / 2), ...wanted }
  const within = (name: keyof PoolSettings, min: number, max: number): void => {
    const value = settings[name]
    if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max)
      throw new AllwriteError('configuration', `${name} must be a number between ${min} and ${max}`)
  }
  within('MaxConnectionsPercent', 1, 100)
  within('MaxIdleConnectionsPercent', 0, settings.MaxConnectionsPercent)
  within('ConnectionBorrowTimeout', 0, 300)
  within('IdleClientTimeout', 0, 28_800)
  within('nodeConnectionsMax', 1, 100_000)
  if (typeof settings.replay !== 'boolean') throw new AllwriteError('configuration', 'replay must be on or off')
  for (const filter of settings.SessionPinningFilters) {
    if (filter !== excludeVariableSets)
      throw new AllwriteError('configuration', `unknown session pinning filter "${filter}"`, {
        hint: `The only one is ${excludeVariableSets}.`,
      })
  }
  for (const pattern of settings.maskConflicts) {
    if (!isConflictPattern(pattern))
      throw new AllwriteError('configuration', `invalid entry "${pattern}" of maskConflicts`, {
        hint: 'Write ROLE@DATABASE; * stands for all.',
      })
  }
  return settings
}

/** Settings of a pool that runs: those can be changed that are asked for anew each time. */
export type RunningSettings = { -readonly [Name in keyof PoolSettings]: PoolSettings[Name] }

/** A connection is counted from its first statement on, or not at all. */
export const isChangeable = (name: keyof PoolSettings): boolean => name !== 'replay'

export const isSettingName = (name: string): name is keyof PoolSettings => Object.hasOwn(defaultSettings, name)

/** As SHOW CONFIG shows it, and {@link setFromText} reads it. */
export const settingText = (value: PoolSettings[keyof PoolSettings]): string =>
  Array.isArray(value) ? value.join(',') : String(value)

/**
 * A setting by its name in any case, and its value as a text says it: lists are separated by commas. For {@link checkedSettings} to check.
 * @throws AllwriteError configuration: there is none of this name
 */
export function settingFromText(name: string, text: string): readonly [name: keyof PoolSettings, value: unknown] {
  const known = Object.keys(defaultSettings).find((one) => one.toLowerCase() === name.toLowerCase())
  if (known === undefined || !isSettingName(known))
    throw new AllwriteError('configuration', `there is no setting "${name}"`, {
      hint: `There are: ${Object.keys(defaultSettings).join(', ')}.`,
    })
  const standard = defaultSettings[known]
  if (typeof standard === 'number') return [known, numberOf(text)]
  if (typeof standard === 'boolean') return [known, text === 'on' || (text !== 'off' && text)]
  return [known, typeof standard === 'string' ? text : text.split(',').filter((part) => part !== '')]
}

/** Changes a setting of a pool that runs. @throws AllwriteError configuration; then nothing has changed */
export function setFromText(settings: RunningSettings, name: string, text: string): void {
  const [known, value] = settingFromText(name, text)
  if (!isChangeable(known))
    throw new AllwriteError('configuration', `setting "${known}" can not be changed while the pool runs`, {
      hint: 'Start the endpoint with it.',
    })
  Object.assign(settings, checkedSettings({ ...settings, [known]: value }))
}

/** Not a number: refused by the check that follows. */
const numberOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text))

/** Connections that may be open to one node. */
export const connectionsMax = (settings: PoolSettings): number =>
  Math.max(1, Math.floor((settings.nodeConnectionsMax * settings.MaxConnectionsPercent) / 100))

/** Connections that may be open to one node and unused. */
export const idleConnectionsMax = (settings: PoolSettings): number =>
  Math.floor((settings.nodeConnectionsMax * settings.MaxIdleConnectionsPercent) / 100)
