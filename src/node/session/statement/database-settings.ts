/**
 * ALTER DATABASE … SET. Sessions of the agent inherit it as any other, so only settings that can do it no harm are taken: what its
 * statements depend on is pinned for its role (node/server.ts), the rest of this list changes plans, limits and logs.
 *
 * @module
 */
import type { RefusedStatement } from './contract.ts'
import { refuse } from './refused.ts'
import { setClauseRefusal } from './settings.ts'
import { text } from './tree.ts'
import type { Tree } from './tree.ts'

const pinnedForTheAgent = `lock_timeout statement_timeout transaction_timeout idle_in_transaction_session_timeout search_path datestyle
  intervalstyle timezone bytea_output extra_float_digits default_transaction_isolation log_statement log_min_duration_statement`
const harmless = `work_mem maintenance_work_mem hash_mem_multiplier temp_buffers effective_cache_size default_statistics_target
  random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost parallel_tuple_cost
  from_collapse_limit join_collapse_limit constraint_exclusion cursor_tuple_fraction plan_cache_mode
  max_parallel_workers_per_gather max_parallel_maintenance_workers jit jit_above_cost jit_inline_above_cost jit_optimize_above_cost
  geqo geqo_effort geqo_threshold log_duration log_lock_waits log_temp_files
  default_text_search_config application_name`
const allowed = new Set(`${pinnedForTheAgent} ${harmless}`.split(/\s+/))

/** The refusal of a SET or RESET clause of ALTER DATABASE, or undefined. RESET is always allowed: it takes a setting back. */
export function databaseSettingRefusal(
  clause: Tree,
  source: string,
  tag: string,
  offset: number,
): RefusedStatement | undefined {
  const kind = text(clause['kind'])
  if (kind === 'VAR_RESET' || kind === 'VAR_RESET_ALL') return undefined
  const refused = setClauseRefusal(clause, source, tag, offset)
  if (refused !== undefined) return refused
  const name = (text(clause['name']) ?? '').toLowerCase()
  const ofTheUser = name.includes('.') && !name.startsWith('allwrite.')
  // FROM CURRENT: the other nodes' sessions have another value.
  if (kind === 'VAR_SET_CURRENT')
    return refuse(source, tag, offset, 'ALTER DATABASE … SET … FROM CURRENT', { hint: 'Write the value.' })
  if (ofTheUser || allowed.has(name) || /^enable_[a-z_]+$/.test(name)) return undefined
  return refuse(source, tag, offset, `ALTER DATABASE … SET "${name}"`, {
    detail: 'The agent’s own sessions would begin with it.',
    hint: 'Use ALTER ROLE … SET.',
  })
}
