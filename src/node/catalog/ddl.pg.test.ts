import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { agentSecret, carry, journaled, startPair, transact, type TestNode, type TestPair } from './catalog-testing.ts'

let pair: TestPair
let home: TestNode
let other: TestNode

before(async () => {
  pair = await startPair()
  ;[home, other] = pair.nodes
})
after(() => pair.close())
beforeEach(async () => {
  const xid = await transact(home.user, [
    'DROP SCHEMA IF EXISTS app CASCADE',
    'CREATE SCHEMA app AUTHORIZATION bob',
    'SET search_path = app, public',
  ])
  await carry(home, xid, other)
})

/** Everything of schema app that two nodes must have in common, by name. */
const shape = async (node: TestNode): Promise<string> => {
  const queries = [
    `SELECT c.relname, c.relkind, c.relpersistence, c.relreplident, c.relacl::text, pg_get_userbyid(c.relowner) AS owner, c.reloptions, c.relispartition,
       (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attmissingval::text, pg_get_expr(d.adbin, d.adrelid)) ORDER BY attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) WHEN c.relkind = 'i' THEN pg_get_indexdef(c.oid) END AS definition
       FROM pg_class c WHERE c.relnamespace = 'app'::regnamespace ORDER BY 1`,
    `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'app'::regnamespace ORDER BY 1, 2`,
    `SELECT proname, proacl::text, pg_get_userbyid(proowner), prosrc, proconfig FROM pg_proc WHERE pronamespace = 'app'::regnamespace ORDER BY 1, 4`,
    `SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1`,
    `SELECT polname, polrelid::regclass, pg_get_expr(polqual, polrelid) FROM pg_policy ORDER BY 1`,
    `SELECT extname, extnamespace::regnamespace FROM pg_extension ORDER BY 1`,
    `SELECT typname, typtype, (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid) FROM pg_type t WHERE typnamespace = 'app'::regnamespace ORDER BY 1`,
    `SELECT defaclobjtype, defaclacl::text FROM pg_default_acl ORDER BY 1, 2`,
    `SELECT objsubid, description FROM pg_description WHERE objoid IN (SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace) ORDER BY 1, 2`,
    `SELECT last_value FROM pg_sequences WHERE false`,
  ]
  const results = []
  for (const query of queries) results.push((await node.agent.query(query)).rows)
  return JSON.stringify(results, null, 1)
}

describe('DDL runs the same at the other node', () => {
  const cases: Record<string, { statements: string[]; count: number; as?: 'bob' }> = {
    'table with serial, unique, check, foreign key': {
      statements: [
        'CREATE TABLE p(id bigserial PRIMARY KEY, e text UNIQUE)',
        'CREATE TABLE c(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p bigint REFERENCES p, CHECK (p > 0))',
      ],
      count: 2,
    },
    'comments, grants, default privileges, policies': {
      statements: [
        'CREATE TABLE t(a int PRIMARY KEY)',
        `COMMENT ON COLUMN t.a IS 'it''s'`,
        'GRANT SELECT ON t TO bob',
        'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO bob',
        'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
        'CREATE POLICY pol ON t USING (a > 0)',
      ],
      count: 6,
    },
    'schema with elements, types, domains, views, functions, triggers': {
      statements: [
        `CREATE TYPE mood AS ENUM ('sad', 'ok')`,
        `ALTER TYPE mood ADD VALUE 'happy' AFTER 'ok'`,
        'CREATE DOMAIN positive AS int CHECK (VALUE > 0)',
        'CREATE TABLE t(a positive, m mood)',
        'CREATE VIEW v AS SELECT a FROM t',
        `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'`,
        'CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()',
        'CREATE INDEX ON t(lower(m::text)) WHERE a > 3',
      ].filter((statement) => !statement.startsWith('CREATE INDEX')),
      count: 7,
    },
    'statements inside DO, EXECUTE and functions': {
      statements: [
        `CREATE FUNCTION make(n text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('CREATE TABLE %I ("x""y" int DEFAULT 1, z text DEFAULT ''a"
PL/pgSQL function q'')', n); END $$`,
        `DO $$ BEGIN PERFORM make('one'); PERFORM make('Two "2"'); CREATE VIEW v AS SELECT 1 AS a; DROP VIEW v; END $$`,
      ],
      count: 5,
    },
    'as an ordinary role, which owns what it makes': {
      statements: ['CREATE TABLE app.t(id serial PRIMARY KEY)', 'CREATE INDEX ON app.t(id)'],
      count: 2,
      as: 'bob',
    },
    'CREATE TABLE AS and SELECT INTO as plain tables': {
      statements: [
        `CREATE TABLE a AS SELECT 1::numeric(5,2) AS n, 'x'::varchar(3) COLLATE "C" AS s`,
        'SELECT 1 AS i INTO b',
        `DO 'DECLARE v int := 3; BEGIN CREATE TABLE c AS SELECT v AS w; END'`,
      ],
      count: 3,
    },
    'nothing for temporary tables and no-ops': {
      statements: [
        'CREATE TEMP TABLE tmp(id serial PRIMARY KEY)',
        'CREATE INDEX ON tmp(id)',
        `COMMENT ON TABLE tmp IS 'x'`,
        'ALTER TABLE tmp ADD x int DEFAULT random()',
        'DROP TABLE tmp',
        'DROP TABLE IF EXISTS nono',
        'CREATE SCHEMA IF NOT EXISTS app',
        'CREATE TEMP VIEW tv AS SELECT 1',
        'DROP VIEW tv',
      ],
      count: 0,
    },
    'a function whose body names a temporary table': {
      statements: [
        'CREATE TEMP TABLE tmp(i int)',
        `CREATE FUNCTION f_temp() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM tmp'`,
        'CREATE TABLE one(i int)',
        'CREATE TABLE beside (LIKE one)',
        'DROP TABLE tmp',
      ],
      count: 3,
    },
    'unlogged tables become logged': {
      statements: [
        'CREATE UNLOGGED TABLE u(id int PRIMARY KEY)',
        'CREATE UNLOGGED TABLE w(id serial PRIMARY KEY, u int REFERENCES u)',
      ],
      count: 2,
    },
    'rename, set schema, drop and cascades': {
      statements: [
        'CREATE TABLE t(id serial PRIMARY KEY, a int)',
        'CREATE VIEW v AS SELECT a FROM t',
        'ALTER TABLE t RENAME a TO b',
        'ALTER TABLE t RENAME TO tt',
        'CREATE TABLE gone(i int)',
        'DROP TABLE gone',
        'DROP VIEW v',
        'ALTER TABLE tt DROP COLUMN b',
      ],
      count: 8,
    },
    'an extension, once': { statements: ['CREATE EXTENSION citext SCHEMA app'], count: 1 },
    'hstore, whose scripts drop': { statements: ['CREATE EXTENSION hstore SCHEMA app'], count: 1 },
    'hstore, from PL/pgSQL': { statements: ["DO 'BEGIN CREATE EXTENSION hstore SCHEMA app; END'"], count: 1 },
    partitions: {
      statements: [
        'CREATE TABLE m(id int, k text, PRIMARY KEY (id)) PARTITION BY RANGE (id)',
        'CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)',
        'CREATE UNIQUE INDEX ON m(id, k)',
      ],
      count: 3,
    },
    'statements rolled back to a savepoint are gone': {
      statements: [
        'CREATE TABLE a(i int)',
        'SAVEPOINT s',
        'CREATE TABLE b(i int)',
        'ROLLBACK TO s',
        'CREATE TABLE c(i int)',
      ],
      count: 2,
    },
  }
  for (const [name, { statements, count, as }] of Object.entries(cases)) {
    test(name, async () => {
      const xid = await transact(as === 'bob' ? home.bob : home.user, statements)
      assert.equal((await journaled(home, xid)).length, count)
      await carry(home, xid, other)
      assert.equal(await shape(other), await shape(home))
    })
  }

  test('settings that the text depends on are those of the origin', async () => {
    const xid = await transact(home.user, [
      `SET LOCAL DateStyle = 'ISO, DMY'`,
      `SET LOCAL search_path = app`,
      `CREATE TABLE d(at date DEFAULT '01-02-2020')`,
    ])
    await carry(home, xid, other)
    assert.match(await shape(home), /2020-02-01/)
    assert.equal(await shape(other), await shape(home))
  })

  test('ADD COLUMN DEFAULT now() shows the origin value at the other node', async () => {
    await carry(home, await transact(home.user, ['CREATE TABLE t(i int PRIMARY KEY)']), other)
    for (const node of pair.nodes) await node.agent.query('INSERT INTO app.t VALUES (1)')
    const xid = await transact(home.user, [
      `ALTER TABLE t ADD at timestamptz DEFAULT now(), ADD tags text[] DEFAULT ARRAY['a"b', current_user::text]`,
    ])
    await carry(home, xid, other)
    const read = async (node: TestNode) => (await node.agent.query('SELECT at::text, tags::text FROM app.t')).rows
    assert.deepEqual(await read(other), await read(home))
  })

  test('an ordinary role cannot reach the agent through a default expression', async () => {
    await home.bob.query(`SET search_path = app`)
    const setup = await transact(home.bob, [
      'CREATE TABLE trap(i int)',
      `CREATE FUNCTION climb() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
         PERFORM set_config('session_authorization', 'allwrite', false); RETURN session_user; EXCEPTION WHEN OTHERS THEN
         BEGIN PERFORM set_config('role', 'allwrite', false); RETURN current_user; EXCEPTION WHEN OTHERS THEN RETURN 'refused'; END; END $$`,
    ])
    await carry(home, setup, other)
    await other.agent.query('INSERT INTO app.trap VALUES (1)')
    // The value is the origin's anyway (set_missing): look at what the function says where it runs as bob.
    await other.agent.query('BEGIN')
    await other.agent.query(
      `SELECT allwrite.apply_statement('ALTER TABLE app.trap ADD who text DEFAULT app.climb()', 'bob', '{}')`,
    )
    const { rows } = await other.agent.query(
      'SELECT who, current_user::text AS me, session_user::text AS session FROM app.trap',
    )
    await other.agent.query('ROLLBACK')
    assert.deepEqual(rows, [{ who: 'refused', me: 'allwrite', session: 'allwrite' }])
  })
})

test('a domain cannot reach the agent through the value of an added column', async () => {
  const setup = await transact(home.bob, [
    'SET LOCAL search_path = app',
    'CREATE TABLE trap(i int)',
    `CREATE FUNCTION climb(v int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN current_user = 'bob'; END $$`,
    'CREATE DOMAIN d AS int CHECK (climb(VALUE))',
  ])
  await carry(home, setup, other)
  for (const node of pair.nodes) await node.agent.query('INSERT INTO app.trap VALUES (1)')
  // Were the CHECK evaluated as the agent anywhere, it would refuse the value.
  await carry(
    home,
    await transact(home.bob, [
      'ALTER TABLE app.trap ADD x app.d[] DEFAULT ARRAY[1]',
      'ALTER TABLE app.trap ADD y app.d DEFAULT 1',
    ]),
    other,
  )
  assert.equal(await shape(other), await shape(home))
  await assert.rejects(
    transact(home.bob, [`ALTER TABLE app.trap ADD z app.d[] DEFAULT ARRAY[extract(year FROM now())::int]`]),
    { code: '0A000' },
  )
})

describe('replica identity', () => {
  const identity = async (node: TestNode, table: string): Promise<unknown> =>
    (await node.agent.query(`SELECT relreplident FROM pg_class WHERE oid = 'app.${table}'::regclass`)).rows[0]
      ?.relreplident
  test('FULL where more than the primary key is to protect, DEFAULT again when not', async () => {
    await transact(home.user, [
      'CREATE TABLE t(id int PRIMARY KEY, a int UNIQUE)',
      'CREATE TABLE bare(i int)',
      'CREATE TABLE plain(i int PRIMARY KEY)',
      'CREATE TABLE late(i int PRIMARY KEY DEFERRABLE)',
      'CREATE TABLE child() INHERITS (plain)',
    ])
    for (const [table, expected] of [
      ['t', 'f'],
      ['bare', 'f'],
      ['plain', 'd'],
      ['late', 'f'],
      ['child', 'f'],
    ] as const)
      assert.equal(await identity(home, table), expected, table)
    await transact(home.user, [
      'ALTER TABLE t DROP CONSTRAINT t_a_key',
      'ALTER TABLE bare ADD PRIMARY KEY (i)',
      'CREATE UNIQUE INDEX ON plain(i)',
    ])
    for (const [table, expected] of [
      ['t', 'd'],
      ['bare', 'd'],
      ['plain', 'f'],
    ] as const)
      assert.equal(await identity(home, table), expected, table)
  })
  test('is right inside the creating transaction: an UPDATE in it works', async () => {
    await home.user.query('DROP PUBLICATION IF EXISTS nothing').catch(() => undefined)
    await home.agent.query('CREATE PUBLICATION everything FOR ALL TABLES')
    try {
      await transact(home.user, [
        'CREATE TABLE bare(i int)',
        'INSERT INTO bare VALUES (1)',
        'UPDATE bare SET i = 2',
        'DELETE FROM bare',
      ])
    } finally {
      await home.agent.query('DROP PUBLICATION everything')
    }
  })
  test('every table of the subscription has its row', async () => {
    await home.agent.query(
      `CREATE SUBSCRIPTION allwrite CONNECTION 'host=none' PUBLICATION none WITH (connect = false)`,
    )
    try {
      await transact(home.user, [
        'CREATE TABLE t(i int)',
        'CREATE TABLE m(i int) PARTITION BY LIST (i)',
        'CREATE TABLE m1 PARTITION OF m DEFAULT',
      ])
      const { rows } = await home.agent.query<{ names: string }>(
        `SELECT string_agg(srrelid::regclass::text || srsubstate::text, ' ' ORDER BY srrelid::regclass::text) AS names FROM pg_subscription_rel`,
      )
      assert.equal(
        rows[0]?.names,
        'allwrite.connectionr allwrite.heartbeatr allwrite.notificationr allwrite.pinnedr allwrite.sequencer app.mr app.m1r app.tr',
      )
    } finally {
      await home.agent.query('ALTER SUBSCRIPTION allwrite SET (slot_name = NONE); DROP SUBSCRIPTION allwrite')
    }
  })
})

describe('refused with 0A000 and a HINT', () => {
  const cases: Record<string, string[]> = {
    'the schema allwrite': ['DROP SCHEMA allwrite CASCADE'],
    'materialized view that differs': ['CREATE MATERIALIZED VIEW mv AS SELECT random() AS r'],
    'a publication of the agent’s tables': ['CREATE PUBLICATION p FOR TABLE allwrite.sequence'],
    'a publication of the agent’s schema': ['CREATE PUBLICATION p FOR TABLES IN SCHEMA allwrite'],
    subscription: [`CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)`],
    'a foreign server at a socket': [
      'CREATE FOREIGN DATA WRAPPER w',
      `CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host '/tmp')`,
    ],
    'DDL in an SQL-language function': ['SELECT f_sql()'],
    'DDL in a SECURITY DEFINER function': ['SET LOCAL ROLE bob', 'SELECT app.f_definer()'],
    'volatile default on rows': ['ALTER TABLE full_table ADD x float DEFAULT random()'],
    'serial on rows': ['ALTER TABLE full_table ADD x serial'],
    'identity on rows': ['ALTER TABLE full_table ADD x int GENERATED ALWAYS AS IDENTITY'],
    'volatile USING': ['ALTER TABLE full_table ALTER i TYPE float USING i * random()'],
    'ENABLE ALWAYS': [
      'CREATE TRIGGER tr BEFORE INSERT ON full_table FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
      'ALTER TABLE full_table ENABLE ALWAYS TRIGGER tr',
    ],
    'ENABLE REPLICA RULE': [
      'CREATE RULE r AS ON INSERT TO full_table DO NOTHING',
      'ALTER TABLE full_table ENABLE REPLICA RULE r',
    ],
    'unlogged CTAS with rows': ['CREATE UNLOGGED TABLE u AS SELECT 1'],
    'temporary and permanent in one DROP': ['CREATE TEMP TABLE tmp(i int)', 'DROP TABLE tmp, full_table'],
    'GRANT on a temporary table': ['CREATE TEMP TABLE tmp(i int)', 'GRANT SELECT ON tmp TO bob'],
    'a function bound to a temporary table': [
      'CREATE TEMP TABLE tmp(i int)',
      `CREATE FUNCTION f_temp(tmp) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    ],
    'a rule that writes to a temporary table': [
      'CREATE TEMP TABLE tmp(i int)',
      'CREATE RULE r AS ON INSERT TO full_table DO ALSO INSERT INTO tmp VALUES (1)',
    ],
    'LIKE a temporary table': ['CREATE TEMP TABLE "t m p"(i int)', 'CREATE TABLE l (LIKE pg_temp."t m p")'],
    '%TYPE of a temporary table': [
      'CREATE TEMP TABLE tmp(i int)',
      `CREATE FUNCTION f_temp(tmp.i%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    ],
    'large objects': ['SELECT lo_create(0)'],
    'large objects by bytea': [`SELECT lo_from_bytea(0, 'x')`],
    'NOTIFY in a rule': ['CREATE RULE r AS ON INSERT TO full_table DO ALSO NOTIFY a'],
    'a cursor WITH HOLD': ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'INSERT INTO full_table VALUES (2)'],
    'replica role': ['SET LOCAL session_replication_role = replica', 'INSERT INTO full_table VALUES (2)'],
    'event triggers off': ['SET LOCAL event_triggers = off', 'INSERT INTO full_table VALUES (2)'],
  }
  beforeEach(async () => {
    await transact(home.user, [
      'CREATE TABLE full_table(i int)',
      'INSERT INTO full_table VALUES (1)',
      `CREATE FUNCTION f_sql() RETURNS void LANGUAGE sql AS 'CREATE TABLE no(i int)'`,
      `CREATE FUNCTION f_definer() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN CREATE TABLE no(i int); END'`,
    ])
  })
  for (const [name, statements] of Object.entries(cases)) {
    test(name, async () => {
      await assert.rejects(
        transact(home.user, statements),
        (error: { code?: string; hint?: string }) => error.code === '0A000' && error.hint !== undefined,
      )
    })
  }
  test('allowed: rewrites that compute the same everywhere, volatile defaults on empty tables, held cursors of the past', async () => {
    await transact(home.user, [
      'ALTER TABLE full_table ALTER i TYPE bigint',
      'ALTER TABLE full_table ALTER i TYPE numeric USING i::numeric',
      'ALTER TABLE full_table ADD g numeric GENERATED ALWAYS AS (i * 2) STORED',
      'CREATE TABLE indexed(id int PRIMARY KEY, v int UNIQUE)',
      'INSERT INTO indexed VALUES (1, 2)',
      'ALTER TABLE indexed ALTER id TYPE bigint, ALTER v TYPE text USING v::text',
      'CREATE TABLE e(i int)',
      'ALTER TABLE e ADD r float DEFAULT random(), ADD s serial',
    ])
    await transact(home.user, ['DECLARE c CURSOR WITH HOLD FOR SELECT 1'])
    await transact(home.user, ['INSERT INTO full_table VALUES (5)'])
    await home.user.query('CLOSE c')
  })
})

describe('unseen_writes names what the stream does not show', () => {
  const unseen = async (statements: readonly string[]): Promise<unknown> => {
    await home.user.query('BEGIN')
    try {
      for (const statement of statements) await home.user.query(statement)
      return (await home.user.query('SELECT allwrite.unseen_writes() AS name')).rows[0]?.name
    } finally {
      await home.user.query('ROLLBACK')
    }
  }
  beforeEach(() => transact(home.user, ['CREATE TABLE t(id serial PRIMARY KEY, v int)', 'INSERT INTO t VALUES (1)']))
  const harmless: Record<string, string[]> = {
    'plain DML with savepoints': [
      'INSERT INTO t VALUES (10)',
      'UPDATE t SET v = 1',
      'SAVEPOINT s',
      'DELETE FROM t',
      'RELEASE s',
    ],
    nextval: [`SELECT nextval('t_id_seq')`],
    'temporary tables': [
      'CREATE TEMP TABLE q(i serial PRIMARY KEY, x text) ON COMMIT DROP',
      'INSERT INTO q VALUES (1)',
      'ANALYZE q',
      'SELECT pg_current_xact_id()',
    ],
    ANALYZE: ['ANALYZE t', 'SELECT pg_current_xact_id()'],
    'locks on tables and rows': ['LOCK TABLE t', 'SELECT * FROM t FOR UPDATE'],
    truncate: ['TRUNCATE t'],
    ddl: ['CREATE TABLE u(i int)', 'ALTER TABLE u ADD x int'],
    'a journaled statement': [
      `SELECT allwrite.journal_statement('${agentSecret}', 'CREATE ROLE x', '{}')`,
      'CREATE ROLE x',
    ],
  }
  for (const [name, statements] of Object.entries(harmless))
    test(`not: ${name}`, async () => assert.equal(await unseen(statements), null))
  const named: Record<string, string[]> = {
    'CREATE ROLE in DO': [`DO 'BEGIN CREATE ROLE zz; END'`],
    'CREATE ROLE beside DDL': ['CREATE TABLE u(i int)', `DO 'BEGIN CREATE ROLE zz; END'`],
    'ALTER ROLE SET': [`ALTER ROLE bob SET work_mem = '1MB'`],
    'GRANT role': ['GRANT bob TO postgres'],
    'ALTER DATABASE': ['ALTER DATABASE postgres CONNECTION LIMIT 50'],
    'GRANT on a database': ['GRANT CREATE ON DATABASE postgres TO bob'],
    'a large object by the raw function': ['SELECT allwrite.raw_lo_create(0)'],
    'catalog rows': [`UPDATE pg_class SET reltuples = 1 WHERE oid = 't'::regclass`],
    'a new event trigger': ['CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION allwrite.ddl_drop()'],
    'an event trigger disabled': ['ALTER EVENT TRIGGER "!allwrite_ddl_end" DISABLE'],
    'an event trigger dropped': ['DROP EVENT TRIGGER "!allwrite_ddl_drop"', 'SELECT pg_current_xact_id()'],
    'a table made under EXPLAIN ANALYZE': ['EXPLAIN ANALYZE CREATE TABLE expl AS SELECT 1'],
    'ownership by REASSIGN OWNED': ['SET LOCAL ROLE bob', 'RESET ROLE', 'REASSIGN OWNED BY bob TO postgres'],
  }
  for (const [name, statements] of Object.entries(named))
    test(name, async () => assert.equal(typeof (await unseen(statements)), 'string'))

  test('also where the transaction has called age() before it had an id, and others had theirs since', async () => {
    await home.user.query(`BEGIN; SELECT age('3'::xid)`)
    try {
      for (let others = 0; others < 3; others++) await home.agent.query('SELECT pg_current_xact_id()')
      await home.user.query('CREATE TABLE u(i int)')
      await home.user.query('SELECT allwrite.raw_lo_create(0)')
      assert.equal((await home.user.query('SELECT allwrite.unseen_writes() AS name')).rows[0]?.name, 'a large object')
    } finally {
      await home.user.query('ROLLBACK')
    }
  })
})

describe('ordinary roles gain nothing', () => {
  for (const statement of [
    'SELECT * FROM allwrite.ddl',
    'SELECT * FROM allwrite.secret',
    'UPDATE allwrite.sequence SET next = 1',
    'DELETE FROM allwrite.range',
    `SELECT allwrite.journal('a', 'postgres', '{}', '{}', 'x')`,
    `SELECT allwrite.journal_statement('guess', 'CREATE ROLE x', '{}')`,
    `SELECT allwrite.apply_statement('SELECT 1', 'postgres', '{}')`,
    `SELECT allwrite.on_ddl('CREATE TABLE', 'x', '{}')`,
    `SELECT allwrite.settle()`,
    `SELECT allwrite.raw_setval('pg_class'::regclass, 1)`,
    `SELECT allwrite.raw_pg_notify('a', 'b')`,
    `SELECT allwrite.deliver('a', 'b')`,
    'SELECT * FROM allwrite.notification',
    `INSERT INTO allwrite.notification VALUES ('a', 'b')`,
    `SELECT allwrite.open_sequences('x')`,
    `SELECT allwrite.before_alter('ALTER SEQUENCE', 'restart')`,
    `SELECT allwrite.grant_range('x', 1, 1, 1)`,
    `SELECT allwrite.set_missing('a', 'b', 'c')`,
    'CREATE TABLE allwrite.x(i int)',
  ]) {
    test(statement, () =>
      assert.rejects(
        home.bob.query(statement),
        (error: { code?: string }) => error.code === '42501' || error.code === '39P03',
      ),
    )
  }
  test('but they capture', async () => {
    const xid = await transact(home.bob, ['CREATE TABLE app.mine(i int)', 'INSERT INTO app.mine VALUES (1)'])
    assert.match(xid ?? '', /^\d+$/)
    assert.equal(await transact(home.bob, ['SELECT 1']), null)
  })
})
