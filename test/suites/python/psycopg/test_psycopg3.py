"""psycopg 3: the extended protocol, prepared by itself, pipelines, binary results, COPY, cursors on the server, async."""

import asyncio
import datetime
import decimal
import os
import threading
import uuid

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

URL = os.environ["SUITE_URL"]


@pytest.fixture
def conn():
    with psycopg.connect(URL) as connection:
        yield connection
        connection.rollback()
    with psycopg.connect(URL, autocommit=True) as cleaner:
        cleaner.execute("drop table if exists p3")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        1,
        2**40,
        2**80,
        True,
        None,
        "añ☃'\\",
        b"\x00\xff",
        decimal.Decimal("1.10"),
        1.5,
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 456789),
        datetime.timedelta(days=3, seconds=4),
        uuid.UUID(int=7),
        [1, 2, None],
    ],
    ids=repr,
)
def test_types_there_and_back(conn, value, binary):
    got = conn.execute("select %s", (value,), binary=binary).fetchone()[0]
    assert got == value


def test_jsonb(conn):
    assert conn.execute("select %b::jsonb", (Jsonb({"a": [1]}),)).fetchone()[0] == {"a": [1]}


def test_prepared_by_itself(conn):
    conn.execute("create table p3 (id int primary key, v text)")
    conn.commit()
    conn.prepare_threshold = 2
    for i in range(20):
        conn.execute("insert into p3 values (%s, %s)", (i, "x"))
        conn.commit()
    names = conn.execute("select count(*) from pg_prepared_statements where statement like 'insert into p3%'").fetchone()
    assert names == (1,)
    assert conn.execute("select count(*) from p3").fetchone() == (20,)


def test_prepared_over_a_schema_change(conn):
    conn.autocommit = True
    conn.execute("create table p3 (id int primary key)")
    conn.execute("insert into p3 values (1)")
    conn.prepare_threshold = 0
    assert conn.execute("select * from p3").fetchall() == [(1,)]
    conn.execute("alter table p3 add column b int default 5")
    with pytest.raises(errors.FeatureNotSupported) as caught:
        conn.execute("select * from p3").fetchall()
    assert caught.value.diag.message_primary == "cached plan must not change result type"


def test_prepared_is_evicted(conn):
    conn.prepare_threshold = 0
    conn.prepared_max = 3
    for i in range(10):
        conn.execute(sql.SQL("select {}").format(sql.Literal(i)))
    assert conn.execute("select count(*) from pg_prepared_statements").fetchone()[0] <= 4


def test_pipeline(conn):
    with conn.pipeline() as pipeline:
        conn.execute("create table p3 (id int primary key)")
        cursors = [conn.execute("insert into p3 values (%s) returning id", (i,)) for i in range(50)]
        pipeline.sync()
        assert [cur.fetchone()[0] for cur in cursors] == list(range(50))
    conn.commit()
    assert conn.execute("select sum(id) from p3").fetchone() == (1225,)


def test_pipeline_error_aborts_what_follows(conn):
    conn.autocommit = True
    conn.execute("create table p3 (id int primary key)")
    with pytest.raises(errors.UniqueViolation):
        with conn.pipeline():
            for i in (1, 2, 1, 3):
                conn.execute("insert into p3 values (%s)", (i,))
    assert conn.execute("select count(*) from p3").fetchone() == (0,)


def test_pipeline_syncs_are_transactions_of_their_own(conn):
    conn.autocommit = True
    conn.execute("create table p3 (id int primary key)")
    with conn.pipeline() as pipeline:
        conn.execute("insert into p3 values (1)")
        pipeline.sync()
        with pytest.raises(errors.DivisionByZero):
            conn.execute("insert into p3 values (1 / %s)", (0,))
            pipeline.sync()
        conn.execute("insert into p3 values (3)")
    assert conn.execute("select id from p3 order by id").fetchall() == [(1,), (3,)]


def test_executemany_returning(conn):
    conn.execute("create table p3 (id int primary key)")
    with conn.cursor() as cur:
        cur.executemany("insert into p3 values (%s) returning id * 2", [(i,) for i in range(5)], returning=True)
        got = []
        while True:
            got.append(cur.fetchone()[0])
            if not cur.nextset():
                break
        assert got == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("form", ["text", "binary"])
def test_copy_both_ways(conn, form):
    conn.execute("create table p3 (id int primary key, t text)")
    with conn.cursor() as cur:
        with cur.copy(f"copy p3 from stdin (format {form})") as copy:
            copy.set_types(["int4", "text"])
            for i in range(1000):
                copy.write_row((i, f"row {i}"))
        with cur.copy(f"copy (select * from p3 order by id) to stdout (format {form})") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
    conn.commit()
    assert len(rows) == 1000 and rows[999] == (999, "row 999")


def test_copy_given_up(conn):
    conn.autocommit = True
    conn.execute("create table p3 (id int primary key)")
    with pytest.raises(errors.QueryCanceled) as caught:
        with conn.cursor().copy("copy p3 from stdin") as copy:
            copy.write_row((1,))
            raise ZeroDivisionError
    assert caught.value.diag.message_primary.startswith("COPY from stdin failed: error from Python: ZeroDivisionError")
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert conn.execute("select count(*) from p3").fetchone() == (0,)


def test_server_cursor(conn):
    with conn.cursor("many", row_factory=dict_row) as cur:
        cur.execute("select generate_series(1, 1000) as n")
        cur.itersize = 77
        assert sum(row["n"] for row in cur) == 500500


def test_server_cursor_scrolls_and_holds(conn):
    with conn.cursor("held", scrollable=True, withhold=True) as cur:
        cur.execute("select generate_series(1, 10)")
        conn.commit()
        cur.scroll(5, mode="absolute")
        assert cur.fetchone() == (6,)


def test_nested_transactions(conn):
    conn.autocommit = True
    conn.execute("create table p3 (id int primary key)")
    with conn.transaction():
        conn.execute("insert into p3 values (1)")
        with pytest.raises(errors.UniqueViolation):
            with conn.transaction():
                conn.execute("insert into p3 values (2)")
                conn.execute("insert into p3 values (1)")
        with conn.transaction(force_rollback=True):
            conn.execute("insert into p3 values (3)")
        conn.execute("insert into p3 values (4)")
    assert conn.execute("select id from p3 order by id").fetchall() == [(1,), (4,)]


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel), ids=lambda level: level.name)
def test_isolation_level(conn, level):
    conn.isolation_level = level
    got = conn.execute("show transaction_isolation").fetchone()[0]
    assert got == level.name.lower().replace("_", " ")


def test_deferrable_and_read_only(conn):
    conn.read_only = True
    conn.deferrable = True
    conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    with pytest.raises(errors.ReadOnlySqlTransaction):
        conn.execute("create table p3 (id int)")


def test_cancel(conn):
    timer = threading.Timer(0.3, conn.cancel)
    timer.start()
    with pytest.raises(errors.QueryCanceled):
        conn.execute("select pg_sleep(60)")
    conn.rollback()
    assert conn.execute("select 1").fetchone() == (1,)


def test_statement_timeout(conn):
    conn.execute("set local statement_timeout = '200ms'")
    with pytest.raises(errors.QueryCanceled) as caught:
        conn.execute("select pg_sleep(60)")
    assert caught.value.diag.message_primary == "canceling statement due to statement timeout"


def test_notifications_of_ones_own(conn):
    got = []
    conn.add_notify_handler(got.append)
    conn.autocommit = True
    pid = conn.execute("select pg_backend_pid()").fetchone()[0]
    conn.execute("listen p3_channel")
    conn.execute("select pg_notify('p3_channel', %s)", ("hello",))
    for _ in range(100):
        if conn.execute("select pg_sleep(0.05)") and got:
            break
    assert [(notify.channel, notify.payload, notify.pid) for notify in got] == [("p3_channel", "hello", pid)]


def test_error_fields(conn):
    conn.execute("create table p3 (id int primary key, v int constraint small check (v < 10))")
    with pytest.raises(errors.CheckViolation) as caught:
        conn.execute("insert into p3 values (%s, %s)", (1, 11))
    diag = caught.value.diag
    assert (diag.severity, diag.constraint_name, diag.source_function) == ("ERROR", "small", "ExecConstraints")
    assert diag.message_detail == "Failing row contains (1, 11)."


def test_syntax_error_position(conn):
    with pytest.raises(errors.SyntaxError) as caught:
        conn.execute("select 1 from from %s", (1,))
    assert caught.value.diag.statement_position == "15"


def test_several_statements_without_parameters(conn):
    conn.autocommit = True
    cur = conn.execute("create table p3 (id int); insert into p3 values (1), (2); select count(*) from p3")
    cur.nextset()
    cur.nextset()
    assert cur.fetchall() == [(2,)]
    with pytest.raises(errors.SyntaxError):
        conn.execute("select %s; select 2", (1,))


def test_null_byte_and_empty_query(conn):
    assert conn.execute("").statusmessage == "" or conn.execute("").statusmessage is None
    with pytest.raises(psycopg.DataError):
        conn.execute("select %s::text", ("a\x00b",))


def test_stream(conn):
    with conn.cursor() as cur:
        assert sum(row[0] for row in cur.stream("select generate_series(1, %s)", (500,))) == 125250


def test_async(conn):
    async def work():
        async with await psycopg.AsyncConnection.connect(URL) as aconn:
            async with aconn.pipeline():
                cursors = [await aconn.execute("select %s::int", (i,)) for i in range(10)]
                got = [(await cur.fetchone())[0] for cur in cursors]
            task = asyncio.create_task(aconn.execute("select pg_sleep(60)"))
            await asyncio.sleep(0.3)
            aconn.cancel()
            with pytest.raises(errors.QueryCanceled):
                await task
            return got

    assert asyncio.run(work()) == list(range(10))


def test_information(conn):
    info = conn.info
    assert (info.server_version // 10000, info.dbname, info.user, info.encoding) == (18, "postgres", "postgres", "utf-8")
    assert info.parameter_status("integer_datetimes") == "on"


def test_several_hosts():
    parts = psycopg.conninfo.conninfo_to_dict(URL)
    hosts = {"host": f"127.0.0.1,{parts['host']}", "port": f"1,{parts['port']}", "target_session_attrs": "read-write"}
    with psycopg.connect(psycopg.conninfo.make_conninfo(URL, **hosts)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(psycopg.conninfo.make_conninfo(URL, target_session_attrs="standby"))
