import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReplicationCommand } from './commands.ts'

const passed = (text: string): string => {
  const command = parseReplicationCommand(text)
  assert.equal(command.kind, 'command', text)
  return command.kind === 'command' ? command.text : ''
}

const refused = (text: string): string => {
  const command = parseReplicationCommand(text)
  assert.equal(command.kind, 'refused', text)
  return command.kind === 'refused' ? command.error.sqlState : ''
}

test('what is passed on is written anew from what was read', () => {
  const same: readonly [string, string][] = [
    ['IDENTIFY_SYSTEM;', 'IDENTIFY_SYSTEM'],
    ['show wal_level', 'SHOW "wal_level"'],
    ['SHOW a.b', 'SHOW "a"."b"'],
    ['TIMELINE_HISTORY 3', 'TIMELINE_HISTORY 3'],
    ['READ_REPLICATION_SLOT s', 'READ_REPLICATION_SLOT "s"'],
    ['DROP_REPLICATION_SLOT "S" WAIT', 'DROP_REPLICATION_SLOT "S" WAIT'],
    ['ALTER_REPLICATION_SLOT s ( FAILOVER false )', 'ALTER_REPLICATION_SLOT "s" ("failover" "false")'],
    // pg_recvlogical up to 14, up to today; a subscriber's table synchronisation.
    [
      'CREATE_REPLICATION_SLOT "s" LOGICAL "test_decoding" NOEXPORT_SNAPSHOT',
      'CREATE_REPLICATION_SLOT "s" LOGICAL "test_decoding" NOEXPORT_SNAPSHOT',
    ],
    [
      `CREATE_REPLICATION_SLOT "s" LOGICAL "test_decoding" ( SNAPSHOT 'nothing', TWO_PHASE)`,
      `CREATE_REPLICATION_SLOT "s" LOGICAL "test_decoding" ("snapshot" 'nothing', "two_phase")`,
    ],
    [
      `CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')`,
      `CREATE_REPLICATION_SLOT "s" TEMPORARY LOGICAL "pgoutput" ("snapshot" 'use')`,
    ],
    [
      `START_REPLICATION SLOT "s" LOGICAL 0/15E4F20 ("proto_version" '1', "publication_names" 'a,"b"')`,
      `START_REPLICATION SLOT "s" LOGICAL 0/15E4F20 ("proto_version" '1', "publication_names" 'a,"b"')`,
    ],
    [
      `START_REPLICATION SLOT s LOGICAL ABC/DEF (a 'it''s')`,
      `START_REPLICATION SLOT "s" LOGICAL ABC/DEF ("a" 'it''s')`,
    ],
    ['START_REPLICATION SLOT s LOGICAL 0/0', 'START_REPLICATION SLOT "s" LOGICAL 0/0'],
  ]
  for (const [text, sent] of same) assert.equal(passed(text), sent)
})

test('physical commands, the agent’s slots and its publication are refused, however they are written', () => {
  for (const text of [
    'START_REPLICATION 0/0',
    'START_REPLICATION SLOT s 0/0',
    'START_REPLICATION SLOT s PHYSICAL 0/0 TIMELINE 1',
    'start_replication slot s physical 0/0',
    'CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL',
    'BASE_BACKUP',
    `BASE_BACKUP (LABEL 'x', TARGET 'client')`,
    'UPLOAD_MANIFEST',
  ])
    assert.equal(refused(text), '0A000', text)
  for (const text of [
    'START_REPLICATION SLOT allwrite LOGICAL 0/0',
    'START_REPLICATION SLOT ALLWRITE LOGICAL 0/0',
    'START_REPLICATION SLOT "allwrite_16384" LOGICAL 0/0',
    'DROP_REPLICATION_SLOT allwrite WAIT',
    'ALTER_REPLICATION_SLOT allwrite (FAILOVER)',
    'CREATE_REPLICATION_SLOT allwrite_1 TEMPORARY LOGICAL pgoutput',
    `START_REPLICATION SLOT s LOGICAL 0/0 (publication_names 'a, allwrite')`,
    `START_REPLICATION SLOT s LOGICAL 0/0 ("publication_names" '"allwrite"')`,
    `START_REPLICATION SLOT s LOGICAL 0/0 (PUBLICATION_NAMES 'ALLWRITE')`,
  ])
    assert.equal(refused(text), '42501', text)
})

test('what PostgreSQL would not understand either is a syntax error, and what is no replication command is SQL', () => {
  for (const text of [
    'IDENTIFY_SYSTEM; DROP TABLE t',
    'IDENTIFY_SYSTEM -- no comments here',
    'SHOW',
    'SHOW a b',
    'TIMELINE_HISTORY x',
    'DROP_REPLICATION_SLOT s NOW',
    'DROP_REPLICATION_SLOT',
    'CREATE_REPLICATION_SLOT s',
    'CREATE_REPLICATION_SLOT s LOGICAL',
    'CREATE_REPLICATION_SLOT s LOGICAL p (a b c)',
    'CREATE_REPLICATION_SLOT s LOGICAL p NONSENSE',
    'START_REPLICATION SLOT s LOGICAL x',
    `START_REPLICATION SLOT s LOGICAL 0/0 (a 'b'`,
    `START_REPLICATION SLOT s LOGICAL 0/0 (a 'b') c`,
    `START_REPLICATION SLOT s LOGICAL 0/0 (a 'unterminated)`,
  ])
    assert.equal(refused(text), '42601', text)
  for (const text of ['select 1', '', '/* IDENTIFY_SYSTEM */ select 1', 'constructor', 'begin; IDENTIFY_SYSTEM'])
    assert.equal(parseReplicationCommand(text).kind, 'sql', text)
})
