/**
 * Command tags (src/include/tcop/cmdtaglist.h), for messages and metrics only: what the client sees comes from the server.
 *
 * @module
 */
import { text } from './tree.ts'
import type { Tree } from './tree.ts'

const fixed: Readonly<Record<string, string>> = {
  SelectStmt: 'SELECT',
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
  ExplainStmt: 'EXPLAIN',
  CopyStmt: 'COPY',
  TruncateStmt: 'TRUNCATE TABLE',
  LockStmt: 'LOCK TABLE',
  DeclareCursorStmt: 'DECLARE CURSOR',
  FetchStmt: 'FETCH',
  ClosePortalStmt: 'CLOSE CURSOR',
  PrepareStmt: 'PREPARE',
  ExecuteStmt: 'EXECUTE',
  DeallocateStmt: 'DEALLOCATE',
  DoStmt: 'DO',
  CallStmt: 'CALL',
  CheckPointStmt: 'CHECKPOINT',
  ReindexStmt: 'REINDEX',
  ClusterStmt: 'CLUSTER',
  ListenStmt: 'LISTEN',
  UnlistenStmt: 'UNLISTEN',
  NotifyStmt: 'NOTIFY',
  LoadStmt: 'LOAD',
  DiscardStmt: 'DISCARD',
  CreateStmt: 'CREATE TABLE',
  CreateTableAsStmt: 'CREATE TABLE AS',
  CreateSeqStmt: 'CREATE SEQUENCE',
  AlterSeqStmt: 'ALTER SEQUENCE',
  IndexStmt: 'CREATE INDEX',
  ViewStmt: 'CREATE VIEW',
  CreateSchemaStmt: 'CREATE SCHEMA',
  CreateFunctionStmt: 'CREATE FUNCTION',
  AlterFunctionStmt: 'ALTER FUNCTION',
  CreateTrigStmt: 'CREATE TRIGGER',
  CreateExtensionStmt: 'CREATE EXTENSION',
  AlterExtensionStmt: 'ALTER EXTENSION',
  CreateDomainStmt: 'CREATE DOMAIN',
  CreateEnumStmt: 'CREATE TYPE',
  AlterEnumStmt: 'ALTER TYPE',
  CompositeTypeStmt: 'CREATE TYPE',
  CreateRangeStmt: 'CREATE TYPE',
  RuleStmt: 'CREATE RULE',
  CreatePolicyStmt: 'CREATE POLICY',
  CommentStmt: 'COMMENT',
  CreateRoleStmt: 'CREATE ROLE',
  AlterRoleStmt: 'ALTER ROLE',
  AlterRoleSetStmt: 'ALTER ROLE',
  DropRoleStmt: 'DROP ROLE',
  GrantRoleStmt: 'GRANT ROLE',
  ReassignOwnedStmt: 'REASSIGN OWNED',
  DropOwnedStmt: 'DROP OWNED',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW',
  AlterSystemStmt: 'ALTER SYSTEM',
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  AlterDatabaseStmt: 'ALTER DATABASE',
  AlterDatabaseSetStmt: 'ALTER DATABASE',
  AlterDatabaseRefreshCollStmt: 'ALTER DATABASE',
}

/** The tag; for types that are not listed the node's name in words (`AlterTSDictionaryStmt` → `ALTER TSDICTIONARY`). */
export function commandTag(type: string, body: Tree): string {
  if (type === 'VacuumStmt') return body['is_vacuumcmd'] === true ? 'VACUUM' : 'ANALYZE'
  if (type === 'GrantStmt') return body['is_grant'] === true ? 'GRANT' : 'REVOKE'
  const object = text(body['removeType'] ?? body['renameType'] ?? body['objectType'] ?? body['objtype'])
  if (type === 'CreateTableAsStmt' && object === 'OBJECT_MATVIEW') return 'CREATE MATERIALIZED VIEW'
  const name = object?.replace(/^OBJECT_/, '').replaceAll('_', ' ')
  if (type === 'DropStmt') return `DROP ${name ?? ''}`
  if (
    type === 'AlterTableStmt' ||
    type === 'RenameStmt' ||
    type === 'AlterOwnerStmt' ||
    type === 'AlterObjectSchemaStmt'
  )
    return `ALTER ${name ?? 'TABLE'}`
  return (
    fixed[type] ??
    type
      .replace(/Stmt$/, '')
      .replace(/([a-z])([A-Z])/g, '$1 $2')
      .toUpperCase()
  )
}
