/**
 * Sequences (RULES 14). A node draws only inside a range leased through the journal: allwrite.sequence.next is moved by
 * a certified transaction, and seqmax of pg_sequence_here, the catalog (views.ts; seqmin when descending) of this server ends where the lease ends, so
 * nextval itself, in C, keeps the rule. That catalog row is updated directly: ALTER SEQUENCE would wait for every open
 * transaction that has used the sequence, and write a new file.
 *
 * nextval reads the bound from the syscache, and a backend takes invalidations in when it takes a lock: so a transaction
 * that has already used the sequence may not see a new bound. It can only see a *lower* bound than allowed (an error,
 * 2200H), as bounds move away from what was drawn; where numbering starts over, DDL locks keep others off.
 *
 * Shares: the transaction that makes a sequence, or starts its numbering over, leases a block for *every* node in the same
 * record; each takes its own when it applies the DDL, so that nobody meets an empty range. A share must be taken once
 * only, whatever is applied again after a crash, or by a copy, or by a node built anew under the same number: it is taken
 * only by records behind the fence of the agent that applies them (allwrite.node has a row only from there on), which no
 * other incarnation of the node can have applied. All others void the range, and the agent leases.
 */
export const sequencesSql = String.raw`
DROP FUNCTION IF EXISTS allwrite.first_block();

-- The agent says when this server is node "node" of "nodes", and takes its shares: behind its own fence.
CREATE OR REPLACE FUNCTION allwrite.set_node(node integer, nodes integer) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO allwrite.node AS n (node, nodes) VALUES ($1, greatest($1, $2))
  ON CONFLICT (only_row) DO UPDATE SET node = excluded.node, nodes = excluded.nodes
$$;
REVOKE ALL ON FUNCTION allwrite.set_node(integer, integer) FROM PUBLIC;

-- Before an agent applies anything: from now on no shares are taken.
CREATE OR REPLACE FUNCTION allwrite.forget_node() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'DELETE FROM allwrite.node';
REVOKE ALL ON FUNCTION allwrite.forget_node() FROM PUBLIC;

-- Values in a node's share of low..high: few enough that a thousand nodes and restarts don't use an int4 up. 0: too
-- small to be divided in advance; then nodes lease when they draw.
CREATE OR REPLACE FUNCTION allwrite.first_block(increment bigint, low numeric, high numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(0, least(CASE WHEN high - low < 2147483648 THEN 1024 ELSE 4096 END, trunc((high - low + 1) / abs(increment::numeric) / 1024)))::bigint
$$;

-- Values in one lease: never more than 1/64 of all, so that small sequences still serve every node.
CREATE OR REPLACE FUNCTION allwrite.bounded_block(wanted bigint, increment bigint, low bigint, high bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(1, least(greatest(wanted, allwrite.first_block(increment, low, high))::numeric, 67108864,
                           trunc((high::numeric - low + 1) / abs(increment::numeric) / 64)))::bigint
$$;

-- Sets what nextval may draw from here on: up to and including "last", from where it stands.
CREATE OR REPLACE FUNCTION allwrite.enforce_range(target oid, first bigint, last bigint, declared allwrite.sequence) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pg_sequence_here SET seqcycle = false,
         seqmin = CASE WHEN declared.increment > 0 THEN least(declared.user_min, first) ELSE last END,
         seqmax = CASE WHEN declared.increment > 0 THEN last ELSE greatest(declared.user_max, first) END
   WHERE seqrelid = target;
  INSERT INTO allwrite.range (sequence, name, filenode, low, high, opened)
  SELECT target, declared.name, c.relfilenode, first, last, false FROM pg_class c WHERE c.oid = target
  ON CONFLICT (sequence) DO UPDATE SET name = excluded.name, filenode = excluded.filenode, low = excluded.low, high = excluded.high, opened = false, pending = false;
END $$;
REVOKE ALL ON FUNCTION allwrite.enforce_range(oid, bigint, bigint, allwrite.sequence) FROM PUBLIC;

-- Nothing may be drawn here: nextval fails with 2200H and the agent leases.
CREATE OR REPLACE FUNCTION allwrite.void_range(target oid, declared allwrite.sequence) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE position bigint;
BEGIN
  EXECUTE format('SELECT last_value FROM %s', target::regclass) INTO position;
  -- The bounds first, in this transaction: raw_setval checks against them.
  PERFORM allwrite.enforce_range(target, position, position, declared);
  PERFORM allwrite.raw_setval(target, position, true);
END $$;
REVOKE ALL ON FUNCTION allwrite.void_range(oid, allwrite.sequence) FROM PUBLIC;

-- At the end of a transaction that gave the sequence a new file: this node's own share, reserved by the same record.
-- False if there is none. written: xmin of the row "declared".
CREATE OR REPLACE FUNCTION allwrite.take_share(target oid, declared allwrite.sequence, written xid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE own integer; index integer; first numeric;
BEGIN
  SELECT n.node INTO own FROM allwrite.node n;
  IF own IS NULL OR written IS NULL OR own > declared.shares OR NOT allwrite.own_write(written) THEN RETURN false; END IF;
  index := CASE WHEN own = declared.home THEN 0 WHEN own < declared.home THEN own ELSE own - 1 END;
  first := declared.next - (declared.shares - index)::numeric * declared.block * declared.increment;
  PERFORM allwrite.enforce_range(target, first::bigint, (first + (declared.block - 1)::numeric * declared.increment)::bigint, declared);
  PERFORM allwrite.raw_setval(target, first::bigint, false);
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION allwrite.take_share(oid, allwrite.sequence, xid) FROM PUBLIC;

-- The declared bounds, for the moment of an ALTER that names the sequence or its table.
CREATE OR REPLACE FUNCTION allwrite.open_sequences(statement text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE target record;
BEGIN
  FOR target IN
    SELECT g.sequence, q.user_min, q.user_max, q.cycle
      FROM allwrite.range g JOIN allwrite.sequence q ON q.name = g.name JOIN pg_class c ON c.oid = g.sequence
     WHERE NOT g.opened AND NOT g.pending
       AND (statement ~* '\mU&' OR strpos(lower(statement), lower(c.relname)) > 0
            OR EXISTS (SELECT FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                          AND d.deptype IN ('a', 'i') AND strpos(lower(statement), lower(t.relname)) > 0))
       FOR UPDATE OF g LOOP
    UPDATE pg_sequence_here SET seqmin = target.user_min, seqmax = target.user_max, seqcycle = target.cycle WHERE seqrelid = target.sequence;
    UPDATE allwrite.range SET opened = true WHERE sequence = target.sequence;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.open_sequences(text) FROM PUBLIC;

-- home: this is the transaction that made the change: it also moves allwrite.sequence, whose rows go to the others.
-- At the others the same changes leave the node's share, or an empty range; the rows come by themselves.
CREATE OR REPLACE FUNCTION allwrite.settle_sequences(home boolean, statement text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s record; declared allwrite.sequence; declared_by xid; position bigint; called boolean; restarted boolean; fresh boolean;
BEGIN
  DELETE FROM allwrite.range g WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = g.sequence AND c.relkind = 'S');

  FOR s IN SELECT g.sequence, g.name AS old_name, format('%I.%I', n.nspname, c.relname) AS name
             FROM allwrite.range g JOIN pg_class c ON c.oid = g.sequence JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE g.name <> format('%I.%I', n.nspname, c.relname) LOOP
    IF home THEN
      DELETE FROM allwrite.sequence q WHERE q.name = s.name;
      UPDATE allwrite.sequence q SET name = s.name, shares = 0 WHERE q.name = s.old_name;
    END IF;
    UPDATE allwrite.range SET name = s.name WHERE sequence = s.sequence;
  END LOOP;

  IF home THEN
    DELETE FROM allwrite.sequence q WHERE NOT EXISTS (
      SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'S' AND format('%I.%I', n.nspname, c.relname) = q.name);
  END IF;

  FOR s IN SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relfilenode, p.seqincrement, p.seqmin, p.seqmax, p.seqcycle,
                  p.xmin AS written, g.sequence IS NOT NULL AS known, g.filenode, g.low, g.high, g.opened, g.pending
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence_here p ON p.seqrelid = c.oid
             LEFT JOIN allwrite.range g ON g.sequence = c.oid
            WHERE c.relkind = 'S' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'allwrite')
              AND (g.sequence IS NULL OR g.filenode <> c.relfilenode OR g.opened OR g.pending) LOOP
    SELECT * INTO declared FROM allwrite.sequence q WHERE q.name = s.name;
    SELECT q.xmin INTO declared_by FROM allwrite.sequence q WHERE q.name = s.name;
    fresh := home AND NOT s.known AND allwrite.own_write(s.written);
    -- Where pg_sequence shows what the user declared, it is the newest. Not where this node forgot its ranges.
    IF declared.name IS NULL OR s.opened OR s.pending OR fresh THEN
      declared.name := s.name; declared.increment := s.seqincrement;
      declared.user_min := s.seqmin; declared.user_max := s.seqmax; declared.cycle := s.seqcycle;
      IF home AND s.known THEN
        UPDATE allwrite.sequence SET increment = s.seqincrement, user_min = s.seqmin, user_max = s.seqmax, cycle = s.seqcycle, shares = 0
         WHERE name = s.name AND (increment, user_min, user_max, cycle) IS DISTINCT FROM (s.seqincrement, s.seqmin, s.seqmax, s.seqcycle);
      END IF;
    END IF;
    CONTINUE WHEN s.pending AND s.filenode = s.relfilenode AND home;

    IF s.known AND s.filenode = s.relfilenode THEN
      -- Opened, but not altered.
      PERFORM allwrite.enforce_range(s.oid, s.low, s.high, declared);
      CONTINUE;
    END IF;
    IF NOT home THEN
      IF NOT allwrite.take_share(s.oid, declared, declared_by) THEN PERFORM allwrite.void_range(s.oid, declared); END IF;
      CONTINUE;
    END IF;

    EXECUTE format('SELECT last_value, is_called FROM %s', s.oid::regclass) INTO position, called;
    IF NOT s.known AND NOT fresh AND declared.next IS NOT NULL THEN
      PERFORM allwrite.void_range(s.oid, declared);
      CONTINUE;
    END IF;
    IF NOT s.known AND NOT fresh THEN
      RAISE EXCEPTION 'sequence % is unknown to the cluster', s.name USING ERRCODE = 'XX000', HINT = 'Restart the node''s agent.';
    END IF;
    -- Outside ALTER SEQUENCE a new file means TRUNCATE ... RESTART IDENTITY.
    restarted := NOT s.known OR s.pending OR statement IS NULL OR NOT called AND regexp_replace(statement, '"([^"]|"")*"', '', 'g') ~* '\mrestart\M';
    -- No other session can use the sequence before this transaction ends (DDL locks): until then its bounds are the
    -- declared ones, and allwrite.finish_sequences(), called before the capture message, turns what was drawn into a lease.
    UPDATE pg_sequence_here SET seqmin = declared.user_min, seqmax = declared.user_max, seqcycle = declared.cycle WHERE seqrelid = s.oid;
    IF restarted THEN
      declared.next := position + CASE WHEN called THEN declared.increment ELSE 0 END;
    ELSIF declared.next BETWEEN declared.user_min AND declared.user_max THEN
      -- What other nodes have leased stays theirs. The file is new, so a rollback takes this back too.
      PERFORM allwrite.raw_setval(s.oid, declared.next::bigint, false);
    ELSE
      PERFORM allwrite.raw_setval(s.oid, CASE WHEN declared.increment > 0 THEN declared.user_max ELSE declared.user_min END, true);
    END IF;
    INSERT INTO allwrite.range (sequence, name, filenode, low, high, pending) VALUES (s.oid, s.name, s.relfilenode, position, position, true)
    ON CONFLICT (sequence) DO UPDATE SET filenode = excluded.filenode, opened = false, pending = true;
    INSERT INTO allwrite.sequence AS q (name, epoch, next, increment, user_min, user_max, cycle, block)
    VALUES (s.name, 0, declared.next, declared.increment, declared.user_min, declared.user_max, declared.cycle, 1)
    ON CONFLICT (name) DO UPDATE SET epoch = q.epoch + 1, next = excluded.next, increment = excluded.increment,
       user_min = excluded.user_min, user_max = excluded.user_max, cycle = excluded.cycle, block = 1, shares = 0;
    PERFORM set_config('allwrite.unfinished', 'sequences', true);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.settle_sequences(boolean, text) FROM PUBLIC;

-- Before the capture message of a transaction that made or altered sequences: what it has not drawn of them is divided:
-- a block for every node, this one's first, and beyond that anybody's. Any user may call it: it only looks at what this
-- transaction has done.
CREATE OR REPLACE FUNCTION allwrite.finish_sequences() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own allwrite.node; s record; declared allwrite.sequence; position bigint; called boolean; first numeric; last bigint;
  nodes_served integer; size bigint;
BEGIN
  SELECT * INTO own FROM allwrite.node;
  FOR s IN SELECT g.sequence, g.name FROM allwrite.range g WHERE g.pending AND allwrite.own_write(g.xmin) LOOP
    SELECT * INTO STRICT declared FROM allwrite.sequence q WHERE q.name = s.name;
    EXECUTE format('SELECT last_value, is_called FROM %s', s.sequence::regclass) INTO position, called;
    first := position + CASE WHEN called THEN declared.increment ELSE 0 END::numeric;
    -- Of what is left, not of all: RESTART may have gone near the end.
    size := CASE WHEN declared.increment > 0 THEN allwrite.first_block(declared.increment, first, declared.user_max)
                 ELSE allwrite.first_block(declared.increment, declared.user_min, first) END;
    -- A share is a 1024th of what is left at most: more nodes than this would take too much of it.
    nodes_served := CASE WHEN size > 0 AND own.nodes <= 256 THEN own.nodes ELSE 0 END;
    IF nodes_served = 0 THEN
      size := allwrite.bounded_block(1024, declared.increment, declared.user_min, declared.user_max);
    END IF;
    last := CASE WHEN declared.increment > 0 THEN least(declared.user_max, first + (size - 1)::numeric * declared.increment)
                 ELSE greatest(declared.user_min, first + (size - 1)::numeric * declared.increment) END;
    PERFORM allwrite.enforce_range(s.sequence, position, last, declared);
    UPDATE allwrite.sequence q SET next = first + size::numeric * greatest(nodes_served, 1) * declared.increment,
           block = size, shares = nodes_served, home = coalesce(own.node, 0)
     WHERE q.name = s.name;
  END LOOP;
  PERFORM set_config('allwrite.unfinished', '', true);
END $$;

-- After TRUNCATE ... RESTART IDENTITY, which fires no event trigger: journals the restarts and moves the leases. The
-- agent calls it in the client's backend after such a statement; allwrite.unseen_writes() for those inside functions.
-- Any user may call it: it only looks for what this transaction has already done.
CREATE OR REPLACE FUNCTION allwrite.truncate_restarted() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s record; any_restarted boolean := false;
BEGIN
  FOR s IN SELECT g.name FROM allwrite.range g JOIN pg_class c ON c.oid = g.sequence
            WHERE c.relfilenode <> g.filenode AND c.relkind = 'S' AND allwrite.own_write(c.xmin) ORDER BY g.name LOOP
    PERFORM allwrite.journal(format('ALTER SEQUENCE %s RESTART', s.name), 'allwrite', '{"search_path": "pg_catalog"}', allwrite.locked_tables(), 'restart');
    any_restarted := true;
  END LOOP;
  IF any_restarted THEN PERFORM allwrite.settle_sequences(true, NULL); END IF;
END $$;

-- Gives this node a leased range; false if the lease is void because numbering started over since (or the sequence is
-- gone, or being altered). Where the new range is not next to the old one, the sequence jumps and the rest is lost.
CREATE OR REPLACE FUNCTION allwrite.grant_range(sequence_name text, lease_epoch integer, first bigint, last bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE held allwrite.range; declared allwrite.sequence; node oid;
BEGIN
  -- Waits for DDL on the sequence that is still open here; what follows sees what it left.
  SELECT * INTO held FROM allwrite.range g WHERE g.name = sequence_name FOR UPDATE;
  IF held.sequence IS NULL OR held.opened OR held.pending THEN RETURN false; END IF;
  SELECT * INTO declared FROM allwrite.sequence q WHERE q.name = sequence_name;
  SELECT c.relfilenode INTO node FROM pg_class c WHERE c.oid = held.sequence;
  IF declared.name IS NULL OR declared.epoch <> lease_epoch OR node IS DISTINCT FROM held.filenode THEN RETURN false; END IF;
  IF held.high::numeric + declared.increment = first THEN
    PERFORM allwrite.enforce_range(held.sequence, held.low, last, declared);
  ELSE
    PERFORM allwrite.enforce_range(held.sequence, first, last, declared);
    -- Takes effect at once, before the bounds: others may draw "first", which is ours, and nothing after it.
    PERFORM allwrite.raw_setval(held.sequence, first, false);
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION allwrite.grant_range(text, integer, bigint, bigint) FROM PUBLIC;

-- How far this node has drawn. used: part of the range that is gone, 0 .. 1; exhausted: nextval fails; available: there
-- are enough values left in the cluster that a block of them may lie unused at a node. Without the sequences that an open transaction alters: reading their
-- position would wait for it, and then show the new position beside the old range.
CREATE OR REPLACE VIEW allwrite.range_use AS
SELECT u.name, u.relname, u.increment, u.high, u.position,
       CASE WHEN u.position IS NULL THEN 0 WHEN u.high = u.low THEN 1
            ELSE least(1, greatest(0, (u.position::numeric - u.low) / (u.high::numeric - u.low))) END::float8 AS used,
       coalesce(CASE WHEN u.increment > 0 THEN u.position::numeric + u.increment > u.high ELSE u.position::numeric + u.increment < u.high END, false) AS exhausted,
       u.available
  FROM (SELECT g.name, c.relname::text, q.increment, g.low, g.high, pg_sequence_last_value(g.sequence) AS position,
               CASE WHEN q.increment > 0 THEN allwrite.first_block(q.increment, q.next, q.user_max)
                    ELSE allwrite.first_block(q.increment, q.user_min, q.next) END > 0 AS available
          FROM allwrite.range g JOIN allwrite.sequence q ON q.name = g.name JOIN pg_class c ON c.oid = g.sequence
         WHERE NOT g.opened AND NOT g.pending
           AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = g.sequence AND l.locktype = 'relation' AND l.granted
                              AND l.mode IN ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))) u;
REVOKE ALL ON allwrite.range_use FROM PUBLIC;
`
