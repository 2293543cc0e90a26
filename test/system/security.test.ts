/** What a client may not do, whatever it tries: docs/THREAT-MODEL.md names these tests. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { until } from '#testing/wait.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster({ nodes: 2 })

const password = 'mallory’s own'

/** A client of n1 that is not the default superuser. */
const clientAs = async (user: string, more: pg.ClientConfig = {}): Promise<pg.Client> => {
  const { hostname, port } = new URL(bench.cluster().urlOf(1))
  const client = new pg.Client({ host: hostname, port: Number(port), user, password, database: 'postgres', ...more })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** The socket folder of n1's server: only a superuser is told, but a name is no secret. */
const socketFolder = (): Promise<string> =>
  bench.withClient(1, async (client) => {
    const { rows } = await client.query<{ value: string }>(
      `select trim('"' from current_setting('unix_socket_directories')) as value`,
    )
    return rows[0]?.value ?? ''
  })

/** What comes of a statement run by dblink at the node's own socket. */
const dblinkOutcome = (client: pg.Client, conninfo: string, sql: string): Promise<string> =>
  client.query(`select dblink_exec($1, $2)`, [conninfo, sql]).then(
    () => 'ok',
    (error: unknown) => `${fieldsOf(error).message} ${String(Reflect.get(Object(error), 'detail'))}`,
  )

test('dblink and postgres_fdw reach the node’s own socket, and are turned away there', { skip }, async () => {
  await bench.setUp(
    'create extension dblink',
    'create extension postgres_fdw',
    `create role mallory login password '${password}'`,
    'create table safe (id int primary key)',
    'grant all on safe to mallory',
    'grant usage on foreign data wrapper postgres_fdw to mallory',
    'grant create on schema public to mallory',
  )
  const mallory = await clientAs('mallory')
  const folder = await socketFolder()
  const { rows } = await mallory.query<{ ticket: string }>(`select current_setting('allwrite.ticket', true) as ticket`)
  const ticket = rows[0]?.ticket ?? ''
  const own = `host=${folder} user=mallory password='${password}'`
  for (const [conninfo, words] of [
    [`${own} dbname=postgres`, /opened by its agent only/],
    [`${own} dbname=postgres options='-c allwrite.ticket=${ticket}'`, /opened by its agent only/],
    [`${own} dbname=postgres options='-c allwrite.ticket='`, /opened by its agent only/],
    [`${own} dbname=postgres options='-c event_triggers=off'`, /permission denied to set parameter/],
    [`${own} dbname=postgres options='-c session_replication_role=replica'`, /permission denied to set parameter/],
    [`${own} dbname=template1`, /pg_hba.conf rejects/],
    [`${own} dbname=postgres replication=database`, /opened by its agent only|permission denied to start WAL sender/],
    [`${own} dbname=postgres replication=true`, /no pg_hba.conf entry for replication/],
  ] as const)
    assert.match(await dblinkOutcome(mallory, conninfo, 'insert into safe values (1)'), words, conninfo)
  await mallory
    .query(`create server loop foreign data wrapper postgres_fdw options (host '${folder}', dbname 'postgres')`)
    .then(
      () => assert.fail('a server at the socket'),
      (error: unknown) => assert.equal(fieldsOf(error).code, '0A000'),
    )
  await mallory.end()
  await bench.withClient(1, async (superuser) => {
    await superuser.query(`alter role mallory superuser`)
    const conninfo = `${own} dbname=postgres`
    assert.match(await dblinkOutcome(superuser, conninfo, 'insert into safe values (1)'), /opened by its agent only/)
    assert.match(
      await dblinkOutcome(superuser, `${conninfo} options='-c session_replication_role=replica'`, 'select 1'),
      /opened by its agent only/,
    )
    await superuser.query(`alter role mallory nosuperuser`)
  })
  assert.equal(await bench.everywhere('select count(*) from safe'), '0')
  assert.match(ticket, /^[\w-]{32}$/)
  assert.match(folder, /^\/.*\/n1$/)
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
})

test('nor at a database that is being made', { skip }, async () => {
  const mallory = await clientAs('mallory')
  const folder = await socketFolder()
  for (const [name, template] of [
    ['newborn', 'template1'],
    ['pristine', 'template0'],
  ]) {
    // Again and again, from before it is there until well behind its first moments.
    const knocking = mallory.query(`do $$ declare refused int := 0; why text; begin
      while refused < 50 loop
        begin
          perform dblink_connect('door', $conn$host=${folder} user=mallory password='${password}' dbname=${name}$conn$);
          raise exception 'somebody was let in' using errcode = 'P0999';
        exception when sqlstate 'P0999' then raise; when others then
          get stacked diagnostics why = pg_exception_detail;
          if why ~ 'opened by its agent only' then refused := refused + 1;
          elsif why !~ 'does not exist' then raise; end if;
        end;
      end loop; end $$`)
    const outcome = outcomeOf(knocking)
    await (await bench.on(2)).query(`create database ${name} template ${template}`)
    assert.equal(await outcome, 'ok')
  }
  await mallory.end()
  for (const name of ['newborn', 'pristine']) await (await bench.on(2)).query(`drop database ${name}`)
})

test('pg_hba.conf of the cluster is read by every node, checked first, and applied at once', { skip }, async () => {
  const file = join(bench.cluster().dir, 'pg_hba.conf')
  const logsIn = (user: string, more: pg.ClientConfig = {}): Promise<string> =>
    clientAs(user, more).then(
      async (client) => {
        await client.end()
        return 'ok'
      },
      (error: unknown) => fieldsOf(error).message,
    )
  await bench.setUp(
    `create role guests`,
    `create role guest login password '${password}' in role guests`,
    `create role late login password '${password}' valid until '2001-01-01'`,
    `create role never login password '${password}' valid until '-infinity'`,
    `create role ever login password '${password}' valid until 'infinity'`,
    `create role alone login password '${password}' connection limit 1`,
  )
  assert.equal(await logsIn('guest'), 'ok')
  writeFileSync(file, 'host all +guests all reject\nhost all all all trust\n')
  await assert.rejects(bench.cluster().command(['reload']), /line 2: authentication method "trust" is not supported/)
  assert.equal(await logsIn('guest'), 'ok')
  writeFileSync(file, 'host all +guests all reject\nhost all all 127.0.0.0/8 scram-sha-256\n')
  await bench.cluster().command(['reload'])
  await until('the guest is turned away', async () =>
    /^pg_hba.conf rejects connection for host "127.0.0.1", user "guest"/.test(await logsIn('guest')),
  )
  assert.equal(await logsIn('ever'), 'ok')
  assert.match(await logsIn('late'), /password authentication failed/)
  assert.match(await logsIn('never'), /password authentication failed/)
  // Each server counts for itself.
  const one = await clientAs('alone')
  assert.match(await logsIn('alone'), /too many connections for role "alone"/)
  const { port } = new URL(bench.cluster().urlOf(2))
  assert.equal(await logsIn('alone', { port: Number(port) }), 'ok')
  await one.end()
  rmSync(file)
  await bench.cluster().command(['reload'])
  await until('the guest is let in', async () => (await logsIn('guest')) === 'ok')
})

/** What would reach the agent's privileges, its replication or what it keeps in the database. `%` is replaced by the agent's own backend. */
const attacks: readonly string[] = [
  'set session_replication_role = replica',
  `select set_config('session_replication_role', 'replica', false)`,
  `do $$ begin perform set_config('session_replication_role', 'replica', false); end $$`,
  'alter role mallory set session_replication_role = replica',
  'set event_triggers = off',
  'set allow_system_table_mods = on',
  'set role allwrite',
  'set session authorization allwrite',
  'grant allwrite to mallory',
  'do $$ begin grant allwrite to mallory; end $$',
  `alter role allwrite password 'mine'`,
  'alter role allwrite rename to other',
  'alter role mallory superuser',
  'alter role mallory replication',
  'create role helper superuser login',
  'drop role allwrite',
  'reassign owned by allwrite to mallory',
  'drop owned by allwrite',
  'select * from pg_authid',
  'select subconninfo from pg_subscription',
  'drop subscription allwrite',
  'alter subscription allwrite disable',
  'drop publication allwrite',
  'alter publication allwrite set table safe',
  'do $$ begin alter publication allwrite set table safe; end $$',
  `select pg_drop_replication_slot('allwrite')`,
  `select pg_create_logical_replication_slot('mine', 'pgoutput')`,
  `select pg_logical_slot_get_changes('allwrite', null, null)`,
  `select pg_replication_slot_advance('allwrite', pg_current_wal_lsn())`,
  `select pg_replication_origin_session_setup('allwrite')`,
  `select pg_replication_origin_advance(roname, '0/1') from pg_replication_origin`,
  'drop event trigger allwrite_login',
  'alter event trigger "!allwrite_ddl_end" disable',
  'do $$ begin alter event trigger "!allwrite_ddl_end" disable; end $$',
  'create event trigger mine on ddl_command_end execute function allwrite.ddl_end()',
  'drop schema allwrite cascade',
  'create table allwrite.mine (id int)',
  'create function allwrite.mine() returns int language sql as $$ select 1 $$',
  'select * from allwrite.secret',
  'delete from allwrite.secret',
  'insert into allwrite.installed values (0)',
  'update allwrite.heartbeat set beat = 0',
  'delete from allwrite.heartbeat',
  'truncate allwrite.ddl',
  'lock table allwrite.heartbeat',
  'alter function allwrite.admit_login() owner to mallory',
  'drop function allwrite.admit_login()',
  'create or replace function allwrite.admit_login() returns event_trigger language plpgsql as $$ begin end $$',
  `select allwrite.journal_statement('a guess', 'drop table safe', null)`,
  `select allwrite.journal_concurrently('a guess', '1', 'x')`,
  'select allwrite.settle()',
  'select allwrite.forget_node()',
  'select allwrite.set_node(7, 7)',
  'select pg_terminate_backend(%)',
  'select pg_cancel_backend(%)',
  'select pg_reload_conf()',
  'alter system set fsync = off',
  `copy safe to program 'true'`,
  `copy safe from '/etc/passwd'`,
  `select pg_read_file('postgresql.conf')`,
  `select lo_export(1, '/tmp/x')`,
  'load $$dblink$$',
  'prepare transaction $$x$$',
  'vacuum full pg_catalog.pg_class',
]

test('a client’s role reaches nothing that is the agent’s', { skip }, async () => {
  const agent = await bench.withClient(1, async (superuser) => {
    const { rows } = await superuser.query<{ pid: number }>(
      `select pid from pg_stat_activity where usename = 'allwrite' and backend_type = 'client backend' limit 1`,
    )
    return String(rows[0]?.pid)
  })
  const mallory = await clientAs('mallory')
  const passed: string[] = []
  for (const attack of attacks) {
    const outcome = await outcomeOf(mallory.query(attack.replaceAll('%', agent)))
    if (outcome === 'ok') passed.push(attack)
  }
  // Of VACUUM FULL a role without the right is only warned.
  assert.deepEqual(passed, ['vacuum full pg_catalog.pg_class'])
  // Emitting messages is everybody's right in PostgreSQL; the agent's bear a nonce.
  for (const prefix of ['allwrite', 'allwrite_flush', 'allwrite capture'])
    await mallory.query(`select pg_logical_emit_message(false, $1, 'x'), pg_logical_emit_message(true, $1, 'x')`, [
      prefix,
    ])
  await mallory.query('insert into safe values (100)')
  await mallory.end()
  assert.equal(await bench.everywhere('select max(id) from safe'), '100')
  await bench.serving()
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
})

test('what would break the cluster by mistake is refused to a superuser, too', { skip }, async (context) => {
  await bench.withClient(1, async (superuser) => {
    for (const attack of [
      'set session_replication_role = replica',
      'set role allwrite',
      'set session authorization allwrite',
      'set event_triggers = off',
      'alter role postgres set session_replication_role = replica',
      'drop subscription allwrite',
      'alter subscription allwrite disable',
      'drop publication allwrite',
      'alter event trigger "!allwrite_ddl_end" disable',
      'drop event trigger allwrite_login',
      `select pg_drop_replication_slot('allwrite')`,
      `alter role allwrite password 'mine'`,
      `do $$ begin alter role allwrite password 'mine'; end $$`,
      'alter role allwrite nosuperuser',
      'drop role allwrite',
      'drop schema allwrite cascade',
      'create table allwrite.mine (id int)',
      'delete from allwrite.secret',
      'alter system set fsync = off',
      'prepare transaction $$x$$',
    ]) {
      const outcome = await outcomeOf(superuser.query(attack))
      context.diagnostic(`${outcome} ${attack}`)
      assert.notEqual(outcome, 'ok', attack)
    }
  })
  await bench.serving()
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
})
