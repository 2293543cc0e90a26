"""psycopg2, as applications use it: what it sends, what it makes of the answers."""

import datetime
import decimal
import io
import json
import os
import threading
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import pytest

URL = os.environ["SUITE_URL"]


@pytest.fixture
def conn():
    connection = psycopg2.connect(URL)
    yield connection
    connection.close()
    cleaner = psycopg2.connect(URL)
    cleaner.autocommit = True
    cleaner.cursor().execute("drop table if exists p2")
    cleaner.close()


def ask(conn, sql, args=None):
    with conn.cursor() as cur:
        cur.execute(sql, args)
        return cur.fetchall()


def test_types_there_and_back(conn):
    values = [
        1,
        2**40,
        True,
        None,
        "añ☃'\\",
        b"\x00\xff",
        decimal.Decimal("1.10"),
        1.5,
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 456789),
        datetime.timedelta(days=3, seconds=4),
        [1, 2, None],
        ["a", "b,c"],
    ]
    for value in values:
        got = ask(conn, "select %s", (value,))[0][0]
        assert (bytes(got) if isinstance(got, memoryview) else got) == value


def test_uuid_and_json(conn):
    psycopg2.extras.register_uuid(conn_or_curs=conn)
    value = uuid.uuid4()
    assert ask(conn, "select %s::uuid", (value,)) == [(value,)]
    assert ask(conn, "select %s::jsonb", (psycopg2.extras.Json({"a": [1]}),)) == [({"a": [1]},)]


def test_with_block_commits_and_rolls_back(conn):
    with conn:
        conn.cursor().execute("create table p2 (id int primary key)")
        conn.cursor().execute("insert into p2 values (1)")
    with pytest.raises(psycopg2.errors.UniqueViolation) as caught, conn:
        conn.cursor().execute("insert into p2 values (2)")
        conn.cursor().execute("insert into p2 values (1)")
    diag = caught.value.diag
    assert (diag.sqlstate, diag.constraint_name, diag.table_name, diag.schema_name) == ("23505", "p2_pkey", "p2", "public")
    assert diag.message_detail == "Key (id)=(1) already exists."
    assert ask(conn, "select id from p2") == [(1,)]


def test_named_cursor(conn):
    with conn.cursor("many") as cur:
        cur.itersize = 100
        cur.execute("select generate_series(1, 1000)")
        assert sum(row[0] for row in cur) == 500500


def test_named_cursor_scrolls(conn):
    with conn.cursor("back", scrollable=True) as cur:
        cur.execute("select generate_series(1, 10)")
        cur.scroll(4)
        assert cur.fetchone() == (5,)
        cur.scroll(-2)
        assert cur.fetchone() == (4,)


def test_named_cursor_with_hold(conn):
    cur = conn.cursor("held", withhold=True)
    cur.execute("select generate_series(1, 10)")
    conn.commit()
    assert len(cur.fetchall()) == 10
    cur.close()


def test_copy_both_ways(conn):
    cur = conn.cursor()
    cur.execute("create table p2 (id int primary key, t text)")
    cur.copy_from(io.StringIO("1\ta\n2\t\\N\n"), "p2")
    cur.copy_expert("copy p2 from stdin (format csv)", io.StringIO("3,c\n"))
    conn.commit()
    out = io.StringIO()
    cur.copy_expert("copy (select * from p2 order by id) to stdout (format csv, header)", out)
    assert out.getvalue() == "id,t\n1,a\n2,\n3,c\n"


def test_copy_error_leaves_the_connection_usable(conn):
    cur = conn.cursor()
    cur.execute("create table p2 (id int primary key)")
    conn.commit()
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        cur.copy_from(io.StringIO("1\nx\n"), "p2")
    conn.rollback()
    assert ask(conn, "select count(*) from p2") == [(0,)]


def test_execute_values_and_batch(conn):
    cur = conn.cursor()
    cur.execute("create table p2 (id serial primary key, v int)")
    got = psycopg2.extras.execute_values(cur, "insert into p2 (v) values %s returning id", [(i,) for i in range(250)], fetch=True)
    assert len({row[0] for row in got}) == 250
    psycopg2.extras.execute_batch(cur, "update p2 set v = v + %s", [(i,) for i in range(5)])
    conn.commit()
    assert ask(conn, "select sum(v), count(*) from p2") == [(31125 + 250 * 10, 250)]


def test_autocommit_and_transaction_status(conn):
    ext = psycopg2.extensions
    assert conn.get_transaction_status() == ext.TRANSACTION_STATUS_IDLE
    ask(conn, "select 1")
    assert conn.get_transaction_status() == ext.TRANSACTION_STATUS_INTRANS
    with pytest.raises(psycopg2.errors.DivisionByZero):
        ask(conn, "select 1/0")
    assert conn.get_transaction_status() == ext.TRANSACTION_STATUS_INERROR
    conn.rollback()
    conn.autocommit = True
    ask(conn, "select 1")
    assert conn.get_transaction_status() == ext.TRANSACTION_STATUS_IDLE


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED"])
def test_isolation_level(conn, level):
    conn.set_session(isolation_level=level)
    assert ask(conn, "show transaction_isolation") == [(level.lower(),)]


def test_read_only_session(conn):
    conn.set_session(readonly=True)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        conn.cursor().execute("create table p2 (id int)")


def test_cancel(conn):
    timer = threading.Timer(0.3, conn.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        ask(conn, "select pg_sleep(60)")
    conn.rollback()
    assert ask(conn, "select 1") == [(1,)]


def test_notify(conn):
    conn.autocommit = True
    conn.cursor().execute("listen p2_channel")
    other = psycopg2.connect(URL)
    other.autocommit = True
    other.cursor().execute("notify p2_channel, 'hello'")
    other.close()
    for _ in range(100):
        ask(conn, "select pg_sleep(0.05)")
        conn.poll()
        if conn.notifies:
            break
    assert [(n.channel, n.payload) for n in conn.notifies] == [("p2_channel", "hello")]


def test_notices(conn):
    conn.cursor().execute("do $$ begin raise warning 'careful'; end $$")
    assert conn.notices[-1] == "WARNING:  careful\n"


def test_column_description(conn):
    cur = conn.cursor()
    cur.execute("select 1::int as a, 'x'::varchar(7) as b, 1.5::numeric(5, 2) as c")
    assert [(d.name, d.type_code, d.internal_size, d.precision, d.scale) for d in cur.description] == [
        ("a", 23, 4, None, None),
        ("b", 1043, 7, None, None),
        ("c", 1700, 5, 5, 2),
    ]


def test_two_phase_is_answered(conn):
    """Off on both servers (max_prepared_transactions = 0); the messages differ, the failure must not."""
    conn.tpc_begin(conn.xid(1, "gtrid", "branch"))
    ask(conn, "select 1")
    with pytest.raises(psycopg2.Error):
        conn.tpc_prepare()


def test_server_information(conn):
    assert conn.server_version // 10000 == 18
    assert conn.get_parameter_status("server_encoding") == "UTF8"
    assert conn.get_parameter_status("standard_conforming_strings") == "on"
    assert conn.get_parameter_status("default_transaction_read_only") == "off"
    assert ask(conn, "select current_user, current_database()") == [("postgres", "postgres")]


def test_real_dict_cursor(conn):
    with conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cur:
        cur.execute("select 1 as a, 'b' as b")
        assert json.dumps(cur.fetchone()) == '{"a": 1, "b": "b"}'


def test_deferred_constraint_of_a_temporary_table(conn):
    cur = conn.cursor()
    cur.execute("create temporary table later (id int primary key, u int unique deferrable initially deferred)")
    cur.execute("create table p2 (id int primary key)")
    conn.commit()
    cur.execute("insert into p2 values (1)")
    cur.execute("insert into later values (1, 1), (2, 1)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        conn.commit()
    assert ask(conn, "select count(*) from p2") == [(0,)]
