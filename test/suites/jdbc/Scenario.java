import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.IntStream;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PGobject;

/** What applications do with PostgreSQL's JDBC driver. Prints a line per test, for suites/jdbc.ts. */
public class Scenario {
  interface Body { void run() throws Exception; }

  static String url;
  static Set<String> only;
  static final Map<String, Body> tests = new LinkedHashMap<>();

  static Connection connect(String... settings) throws SQLException {
    Properties properties = new Properties();
    for (int i = 0; i < settings.length; i += 2) properties.setProperty(settings[i], settings[i + 1]);
    return DriverManager.getConnection(url, properties);
  }

  static void execute(Connection c, String... statements) throws SQLException {
    try (Statement s = c.createStatement()) { for (String sql : statements) s.execute(sql); }
  }

  static List<String> ask(Connection c, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement s = c.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) s.setObject(i + 1, parameters[i]);
      List<String> rows = new ArrayList<>();
      try (ResultSet r = s.executeQuery()) {
        int width = r.getMetaData().getColumnCount();
        while (r.next()) {
          List<String> row = new ArrayList<>();
          for (int i = 1; i <= width; i++) row.add(r.getString(i));
          rows.add(String.join("|", row));
        }
      }
      return rows;
    }
  }

  static void same(Object expected, Object got) {
    if (!Objects.equals(expected, got)) throw new AssertionError("expected " + expected + ", got " + got);
  }

  static SQLException fails(String state, Body body) throws Exception {
    try { body.run(); } catch (SQLException e) {
      if (!Objects.equals(state, e.getSQLState())) throw new AssertionError("expected " + state + ", got " + e.getSQLState() + ": " + e.getMessage(), e);
      return e;
    }
    throw new AssertionError("expected " + state + ", but it succeeded");
  }

  static void table(String name, Body body) { tests.put(name, () -> {
    try (Connection c = connect()) { execute(c, "create table j (id int primary key, v text, n numeric(10,2))"); }
    try { body.run(); } finally { try (Connection c = connect()) { execute(c, "drop table if exists j"); } }
  }); }

  static {
    for (String mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything"))
      table("prepared statements past the threshold, preferQueryMode=" + mode, () -> {
        try (Connection c = connect("preferQueryMode", mode, "prepareThreshold", "3");
             PreparedStatement in = c.prepareStatement("insert into j values (?, ?, ?)");
             PreparedStatement out = c.prepareStatement("select v, n from j where id = ?")) {
          for (int i = 0; i < 12; i++) {
            in.setInt(1, i); in.setString(2, "v'\\" + i); in.setBigDecimal(3, new BigDecimal("1.25"));
            same(1, in.executeUpdate());
            out.setInt(1, i);
            try (ResultSet r = out.executeQuery()) { same(true, r.next()); same("v'\\" + i, r.getString(1)); same(new BigDecimal("1.25"), r.getBigDecimal(2)); }
          }
        }
      });

    table("a prepared statement outlives a schema change", () -> {
      try (Connection c = connect("prepareThreshold", "1"); PreparedStatement out = c.prepareStatement("select * from j")) {
        for (int i = 0; i < 3; i++) try (ResultSet r = out.executeQuery()) { same(3, r.getMetaData().getColumnCount()); }
        execute(c, "alter table j add column added int default 7");
        try (ResultSet r = out.executeQuery()) { same(4, r.getMetaData().getColumnCount()); }
      }
    });

    for (String autosave : List.of("never", "always", "conservative"))
      table("autosave=" + autosave, () -> {
        try (Connection c = connect("autosave", autosave, "prepareThreshold", "1")) {
          c.setAutoCommit(false);
          execute(c, "insert into j values (1, 'a', 1)");
          fails("23505", () -> execute(c, "insert into j values (1, 'b', 1)"));
          if (autosave.equals("always")) { execute(c, "insert into j values (2, 'c', 1)"); c.commit(); same(List.of("2"), ask(c, "select count(*) from j")); }
          else { fails("25P02", () -> execute(c, "select 1")); c.rollback(); same(List.of("0"), ask(c, "select count(*) from j")); }
          c.commit();
        }
      });

    table("autosave=conservative outlives a schema change in mid-transaction", () -> {
      try (Connection c = connect("autosave", "conservative", "prepareThreshold", "1"); Connection other = connect()) {
        c.setAutoCommit(false);
        try (PreparedStatement out = c.prepareStatement("select * from j")) {
          for (int i = 0; i < 3; i++) out.executeQuery().close();
          c.commit();
          execute(other, "alter table j add column added int");
          try (ResultSet r = out.executeQuery()) { same(4, r.getMetaData().getColumnCount()); }
          c.commit();
        }
      }
    });

    table("a cursor with a fetch size", () -> {
      try (Connection c = connect()) {
        execute(c, "insert into j select i, 'x', 1 from generate_series(1, 1000) i");
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
          s.setFetchSize(37);
          long sum = 0; int rows = 0;
          try (ResultSet r = s.executeQuery("select id from j order by id")) { while (r.next()) { sum += r.getInt(1); rows++; } }
          same(1000, rows); same(500500L, sum);
        }
        try (Statement s = c.createStatement(); Statement t = c.createStatement()) {
          s.setFetchSize(10);
          try (ResultSet r = s.executeQuery("select id from j order by id")) {
            while (r.next()) if (r.getInt(1) % 100 == 0) t.executeUpdate("update j set v = 'y' where id = " + r.getInt(1));
          }
        }
        c.commit();
        same(List.of("10"), ask(c, "select count(*) from j where v = 'y'"));
        c.commit();
      }
    });

    tests.put("a cursor that is held over COMMIT", () -> {
      try (Connection c = connect()) {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, ResultSet.HOLD_CURSORS_OVER_COMMIT)) {
          s.setFetchSize(10);
          ResultSet r = s.executeQuery("select generate_series(1, 100)");
          r.next(); c.commit();
          int rows = 1; while (r.next()) rows++;
          same(100, rows);
        }
      }
    });

    table("scrollable and updatable result sets", () -> {
      try (Connection c = connect()) {
        execute(c, "insert into j values (1, 'a', 1), (2, 'b', 2)");
        try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE); ResultSet r = s.executeQuery("select id, v, n from j order by id")) {
          same(true, r.last()); same(2, r.getInt(1));
          r.updateString(2, "changed"); r.updateRow();
          r.moveToInsertRow(); r.updateInt(1, 3); r.updateString(2, "new"); r.insertRow();
          same(true, r.absolute(1)); r.deleteRow();
        }
        same(List.of("2|changed", "3|new"), ask(c, "select id, v from j order by id"));
      }
    });

    for (String rewrite : List.of("false", "true"))
      table("batches, reWriteBatchedInserts=" + rewrite, () -> {
        try (Connection c = connect("reWriteBatchedInserts", rewrite)) {
          try (PreparedStatement s = c.prepareStatement("insert into j values (?, ?, 1)")) {
            for (int i = 0; i < 777; i++) { s.setInt(1, i); s.setString(2, "v" + i); s.addBatch(); }
            int[] counts = s.executeBatch();
            same(777, counts.length);
            for (int count : counts) if (count != 1 && count != Statement.SUCCESS_NO_INFO) throw new AssertionError("count " + count);
          }
          same(List.of("777"), ask(c, "select count(*) from j"));
          try (PreparedStatement s = c.prepareStatement("insert into j values (?, 'b', 1)")) {
            for (int i : new int[] {1000, 1001, 5, 1002}) { s.setInt(1, i); s.addBatch(); }
            try { s.executeBatch(); throw new AssertionError("a duplicate key went through"); }
            catch (BatchUpdateException e) { same("23505", e.getSQLState()); }
          }
          same(List.of("777"), ask(c, "select count(*) from j"));
        }
      });

    table("a batch of different statements in a transaction", () -> {
      try (Connection c = connect(); Statement s = c.createStatement()) {
        c.setAutoCommit(false);
        s.addBatch("insert into j values (1, 'a', 1)"); s.addBatch("update j set v = 'b' where id = 1"); s.addBatch("delete from j where id = 2");
        same("[1, 1, 0]", Arrays.toString(s.executeBatch()));
        c.commit();
        same(List.of("b"), ask(c, "select v from j")); c.commit();
      }
    });

    table("generated keys and RETURNING", () -> {
      try (Connection c = connect()) {
        execute(c, "alter table j alter id add generated by default as identity");
        try (PreparedStatement s = c.prepareStatement("insert into j (v) values (?), (?)", Statement.RETURN_GENERATED_KEYS)) {
          s.setString(1, "a"); s.setString(2, "b"); s.executeUpdate();
          try (ResultSet keys = s.getGeneratedKeys()) { same(true, keys.next()); int first = keys.getInt("id"); same(true, keys.next()); if (keys.getInt("id") <= first) throw new AssertionError("keys do not rise"); }
        }
        try (PreparedStatement s = c.prepareStatement("insert into j (v) values (?)", new String[] {"id", "v"})) {
          for (int i = 0; i < 10; i++) { s.setString(1, "k" + i); s.addBatch(); }
          s.executeBatch();
          Set<Integer> ids = new HashSet<>();
          try (ResultSet keys = s.getGeneratedKeys()) { while (keys.next()) ids.add(keys.getInt(1)); }
          same(10, ids.size());
        }
      }
    });

    table("COPY by the driver's API", () -> {
      try (Connection c = connect()) {
        CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
        same(2L, copy.copyIn("copy j from stdin (format csv)", new StringReader("1,a,1\n2,b,2\n")));
        StringWriter out = new StringWriter();
        copy.copyOut("copy (select * from j order by id) to stdout (format csv)", out);
        same("1,a,1.00\n2,b,2.00\n", out.toString());
        SQLException e = fails("22P02", () -> copy.copyIn("copy j from stdin", new ByteArrayInputStream("x\ta\t1\n".getBytes(StandardCharsets.UTF_8))));
        same("COPY j, line 1, column id: \"x\"", ((PSQLException) e).getServerErrorMessage().getWhere());
        var in = copy.copyIn("copy j from stdin"); byte[] row = "9\tz\t9\n".getBytes(StandardCharsets.UTF_8);
        in.writeToCopy(row, 0, row.length); in.cancelCopy();
        same(List.of("2"), ask(c, "select count(*) from j"));
      }
    });

    tests.put("large objects", () -> {
      try (Connection c = connect()) {
        c.setAutoCommit(false);
        var api = c.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = api.createLO();
        try (var object = api.open(oid)) { object.write("x".getBytes(StandardCharsets.UTF_8)); }
        api.delete(oid);
        c.commit();
      }
    });

    tests.put("types there and back, as text and binary", () -> {
      try (Connection c = connect("prepareThreshold", "-1"); Connection t = connect("binaryTransfer", "false")) {
        for (Connection each : List.of(c, t)) for (int i = 0; i < 3; i++) {
          try (PreparedStatement s = each.prepareStatement("select ?::int2, ?::int8, ?::float8, ?::numeric, ?::bool, ?::bytea, ?::date, ?::timestamptz, ?::uuid, ?::int[], ?::jsonb, ?::time")) {
            PGobject json = new PGobject(); json.setType("jsonb"); json.setValue("{\"a\": [1]}");
            UUID uuid = new UUID(1, 2);
            s.setShort(1, (short) 7); s.setLong(2, 1L << 40); s.setDouble(3, 1.5); s.setBigDecimal(4, new BigDecimal("12345678901234567890.10")); s.setBoolean(5, true);
            s.setBytes(6, new byte[] {0, -1}); s.setObject(7, java.time.LocalDate.of(2024, 2, 29)); s.setObject(8, java.time.OffsetDateTime.parse("2024-02-29T01:02:03.456789Z"));
            s.setObject(9, uuid); s.setArray(10, each.createArrayOf("int4", new Integer[] {1, null, 3})); s.setObject(11, json); s.setObject(12, java.time.LocalTime.of(1, 2, 3));
            try (ResultSet r = s.executeQuery()) {
              r.next();
              same((short) 7, r.getShort(1)); same(1L << 40, r.getLong(2)); same(1.5, r.getDouble(3)); same(new BigDecimal("12345678901234567890.10"), r.getBigDecimal(4)); same(true, r.getBoolean(5));
              same("[0, -1]", Arrays.toString(r.getBytes(6))); same(java.time.LocalDate.of(2024, 2, 29), r.getObject(7, java.time.LocalDate.class));
              same(java.time.Instant.parse("2024-02-29T01:02:03.456789Z"), r.getObject(8, java.time.OffsetDateTime.class).toInstant()); same(uuid, r.getObject(9));
              same("[1, null, 3]", Arrays.toString((Object[]) r.getArray(10).getArray())); same("{\"a\": [1]}", r.getString(11)); same(java.time.LocalTime.of(1, 2, 3), r.getObject(12, java.time.LocalTime.class));
            }
          }
        }
      }
    });

    table("metadata of the database", () -> {
      try (Connection c = connect()) {
        execute(c, "create index j_v on j (v)", "create table j2 (id int primary key, j int references j)", "comment on column j.v is 'a remark'");
        try {
          DatabaseMetaData m = c.getMetaData();
          same("PostgreSQL", m.getDatabaseProductName()); same(18, m.getDatabaseMajorVersion());
          List<String> found = new ArrayList<>();
          try (ResultSet r = m.getTables(null, "public", "j%", new String[] {"TABLE"})) { while (r.next()) found.add(r.getString("TABLE_NAME")); }
          try (ResultSet r = m.getColumns(null, "public", "j", "%")) { while (r.next()) found.add(r.getString("COLUMN_NAME") + ":" + r.getString("TYPE_NAME") + ":" + r.getInt("COLUMN_SIZE") + ":" + r.getString("REMARKS")); }
          try (ResultSet r = m.getPrimaryKeys(null, "public", "j")) { while (r.next()) found.add(r.getString("PK_NAME")); }
          try (ResultSet r = m.getIndexInfo(null, "public", "j", false, false)) { while (r.next()) found.add(r.getString("INDEX_NAME")); }
          try (ResultSet r = m.getImportedKeys(null, "public", "j2")) { while (r.next()) found.add(r.getString("FK_NAME")); }
          same("[j, j2, id:int4:10:null, v:text:2147483647:a remark, n:numeric:10:null, j_pkey, j_pkey, j_v, j2_j_fkey]", found.toString());
          List<String> schemas = new ArrayList<>();
          try (ResultSet r = m.getSchemas()) { while (r.next()) schemas.add(r.getString(1)); }
          same(true, schemas.contains("public"));
        } finally { execute(c, "drop table j2"); }
      }
    });

    table("metadata of parameters and results", () -> {
      try (Connection c = connect(); PreparedStatement s = c.prepareStatement("select id, n from j where v = ? and n > ?")) {
        same("text numeric", s.getParameterMetaData().getParameterTypeName(1) + " " + s.getParameterMetaData().getParameterTypeName(2));
        same("id int4 n numeric 2", s.getMetaData().getColumnName(1) + " " + s.getMetaData().getColumnTypeName(1) + " " + s.getMetaData().getColumnName(2) + " " + s.getMetaData().getColumnTypeName(2) + " " + s.getMetaData().getScale(2));
      }
    });

    tests.put("cancel from another thread", () -> {
      try (Connection c = connect(); Statement s = c.createStatement()) {
        ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        timer.schedule(() -> { s.cancel(); return null; }, 300, TimeUnit.MILLISECONDS);
        fails("57014", () -> s.execute("select pg_sleep(60)"));
        timer.shutdown();
        same(List.of("1"), ask(c, "select 1"));
      }
    });

    tests.put("query timeout", () -> {
      try (Connection c = connect(); Statement s = c.createStatement()) { s.setQueryTimeout(1); fails("57014", () -> s.execute("select pg_sleep(60)")); same(List.of("1"), ask(c, "select 1")); }
    });

    tests.put("socket timeout ends the connection", () -> {
      try (Connection c = connect("socketTimeout", "1")) { fails("08006", () -> execute(c, "select pg_sleep(5)")); same(true, c.isClosed()); }
    });

    tests.put("isValid, network timeout, abort", () -> {
      Connection c = connect();
      same(true, c.isValid(5)); c.setNetworkTimeout(Runnable::run, 5000); same(5000, c.getNetworkTimeout());
      c.abort(Runnable::run); same(true, c.isClosed()); same(false, c.isValid(1));
    });

    for (String level : List.of("TRANSACTION_READ_COMMITTED", "TRANSACTION_REPEATABLE_READ", "TRANSACTION_SERIALIZABLE"))
      table("isolation " + level, () -> {
        try (Connection c = connect()) {
          c.setTransactionIsolation(Connection.class.getField(level).getInt(null)); c.setAutoCommit(false);
          same(List.of(level.substring(12).toLowerCase().replace('_', ' ')), ask(c, "show transaction_isolation"));
          execute(c, "insert into j values (1, 'a', 1)"); c.commit();
          same(List.of("1"), ask(c, "select count(*) from j")); c.commit();
        }
      });

    for (String mode : List.of("transaction", "always", "ignore"))
      table("read only, readOnlyMode=" + mode, () -> {
        try (Connection c = connect("readOnlyMode", mode)) {
          c.setReadOnly(true);
          if (mode.equals("always")) fails("25006", () -> execute(c, "insert into j values (1, 'a', 1)"));
          c.setAutoCommit(false);
          if (mode.equals("ignore")) execute(c, "insert into j values (2, 'a', 1)");
          else fails("25006", () -> execute(c, "insert into j values (2, 'a', 1)"));
          c.rollback();
        }
      });

    table("savepoints", () -> {
      try (Connection c = connect()) {
        c.setAutoCommit(false);
        execute(c, "insert into j values (1, 'a', 1)");
        Savepoint named = c.setSavepoint("with \"quotes\""); execute(c, "insert into j values (2, 'a', 1)"); c.rollback(named);
        Savepoint free = c.setSavepoint(); execute(c, "insert into j values (3, 'a', 1)"); c.releaseSavepoint(free);
        c.commit();
        same(List.of("1", "3"), ask(c, "select id from j order by id")); c.commit();
      }
    });

    table("functions and procedures by CallableStatement", () -> {
      try (Connection c = connect("escapeSyntaxCallMode", "callIfNoReturn")) {
        execute(c, "create function j_twice(a int) returns int language sql as 'select a * 2'", "create procedure j_put(a int, inout b int) language plpgsql as $$ begin insert into j values (a); b := b + a; end $$");
        try {
          try (CallableStatement s = c.prepareCall("{? = call j_twice(?)}")) { s.registerOutParameter(1, Types.INTEGER); s.setInt(2, 21); s.execute(); same(42, s.getInt(1)); }
          try (CallableStatement s = c.prepareCall("call j_put(?, ?)")) { s.setInt(1, 5); s.setInt(2, 1); s.registerOutParameter(2, Types.INTEGER); s.execute(); same(6, s.getInt(2)); }
          same(List.of("5"), ask(c, "select id from j"));
        } finally { execute(c, "drop function j_twice", "drop procedure j_put"); }
      }
    });

    tests.put("a refcursor that a function returns", () -> {
      try (Connection c = connect()) {
        execute(c, "create function j_cursor() returns refcursor language plpgsql as $$ declare r refcursor; begin open r for select generate_series(1, 5); return r; end $$");
        try {
          c.setAutoCommit(false);
          try (CallableStatement s = c.prepareCall("{? = call j_cursor()}")) {
            s.registerOutParameter(1, Types.REF_CURSOR); s.execute();
            int rows = 0; try (ResultSet r = (ResultSet) s.getObject(1)) { while (r.next()) rows++; }
            same(5, rows);
          }
          c.commit();
        } finally { c.setAutoCommit(true); execute(c, "drop function j_cursor"); }
      }
    });

    tests.put("notifications", () -> {
      try (Connection c = connect(); Connection other = connect()) {
        execute(c, "listen j_channel"); execute(other, "notify j_channel, 'hello'");
        var got = c.unwrap(PGConnection.class).getNotifications(10000);
        same("j_channel hello", got[0].getName() + " " + got[0].getParameter());
      }
    });

    tests.put("warnings", () -> {
      try (Connection c = connect(); Statement s = c.createStatement()) {
        s.execute("do $$ begin raise warning 'careful' using detail = 'very'; end $$");
        same("careful", s.getWarnings().getMessage()); same("01000", s.getWarnings().getSQLState());
      }
    });

    tests.put("several statements in one", () -> {
      try (Connection c = connect(); Statement s = c.createStatement()) {
        same(true, s.execute("select 1; select 2; create temp table t (a int); insert into t values (1), (2)"));
        same(true, s.getMoreResults()); same(false, s.getMoreResults()); same(false, s.getMoreResults()); same(2, s.getUpdateCount());
        same(false, s.getMoreResults()); same(-1, s.getUpdateCount());
      }
    });

    tests.put("several hosts", () -> {
      String here = url.replaceFirst("jdbc:postgresql://([^/]+)/.*", "$1");
      for (String type : List.of("any", "primary", "preferSecondary"))
        try (Connection c = DriverManager.getConnection(url.replace("//" + here, "//127.0.0.1:1," + here) + "&connectTimeout=5&targetServerType=" + type)) { same(List.of("1"), ask(c, "select 1")); }
      fails("08001", () -> DriverManager.getConnection(url + "&targetServerType=secondary").close());
    });

    tests.put("settings at the start", () -> {
      try (Connection c = connect("ApplicationName", "scenario", "currentSchema", "pg_catalog", "options", "-c statement_timeout=12345")) {
        same(List.of("scenario|pg_catalog|12345ms"), ask(c, "select current_setting('application_name'), current_setting('search_path'), current_setting('statement_timeout')"));
      }
    });

    table("thirty connections at once", () -> {
      ExecutorService pool = Executors.newFixedThreadPool(30);
      List<Future<?>> all = IntStream.range(0, 30).<Future<?>>mapToObj(i -> pool.submit(() -> {
        try (Connection c = connect()) { for (int k = 0; k < 5; k++) execute(c, "insert into j values (" + (i * 5 + k) + ", 'x', 1)"); }
        return null;
      })).toList();
      for (Future<?> each : all) each.get();
      pool.shutdown();
      try (Connection c = connect()) { same(List.of("150"), ask(c, "select count(*) from j")); }
    });
  }

  public static void main(String[] args) throws Exception {
    String password = System.getenv("PGPASSWORD");
    url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE") + "?sslmode=disable&user=" + System.getenv("PGUSER") + (password == null || password.isEmpty() ? "" : "&password=" + password);
    only = new HashSet<>(Arrays.asList(args));
    for (Map.Entry<String, Body> test : tests.entrySet()) {
      if (!only.isEmpty() && !only.contains(test.getKey())) continue;
      try { test.getValue().run(); System.out.println("passed\t" + test.getKey()); }
      catch (Throwable e) { System.out.println("failed\t" + test.getKey() + "\t" + String.valueOf(e).replaceAll("\\s+", " ")); }
    }
    System.out.println("end");
    System.exit(0);
  }
}
