/**
 * Sequences (RULES 14). A node draws only inside a range leased through the journal: allwrite.sequence.next is moved by
 * a certified transaction, and pg_sequence.seqmax (seqmin when descending) of this server ends where the lease ends, so
 * nextval itself, in C, keeps the rule. That catalog row is updated directly: ALTER SEQUENCE would wait for every open
 * transaction that has used the sequence, and write a new file.
 *
 * nextval reads the bound from the syscache, and a backend takes invalidations in when it takes a lock: so a transaction
 * that has already used the sequence may not see a new bound. It can only see a *lower* bound than allowed (an error,
 * 2200H), as bounds move away from what was drawn; where numbering starts over, DDL locks keep others off.
 */
export const sequencesSql = String.raw`
CREATE OR REPLACE FUNCTION allwrite.first_block() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 32::bigint';

-- Values in one lease: never more than 1/64 of all, so that small sequences still serve every node.
CREATE OR REPLACE FUNCTION allwrite.bounded_block(wanted bigint, increment bigint, low bigint, high bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(1, least(wanted::numeric, 67108864, trunc((high::numeric - low + 1) / abs(increment::numeric) / 64)))::bigint
$$;

-- Sets what nextval may draw from here on: up to and including "last", from where it stands.
CREATE OR REPLACE FUNCTION allwrite.enforce_range(target oid, first bigint, last bigint, declared allwrite.sequence) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pg_sequence SET seqcycle = false,
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
    UPDATE pg_sequence SET seqmin = target.user_min, seqmax = target.user_max, seqcycle = target.cycle WHERE seqrelid = target.sequence;
    UPDATE allwrite.range SET opened = true WHERE sequence = target.sequence;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.open_sequences(text) FROM PUBLIC;

-- home: this is the transaction that made the change: it also moves allwrite.sequence, whose rows go to the others.
-- At the others the same changes leave an empty range; the rows come by themselves.
CREATE OR REPLACE FUNCTION allwrite.settle_sequences(home boolean, statement text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s record; declared allwrite.sequence; position bigint; called boolean; restarted boolean;
BEGIN
  DELETE FROM allwrite.range g WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = g.sequence AND c.relkind = 'S');

  FOR s IN SELECT g.sequence, g.name AS old_name, format('%I.%I', n.nspname, c.relname) AS name
             FROM allwrite.range g JOIN pg_class c ON c.oid = g.sequence JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE g.name <> format('%I.%I', n.nspname, c.relname) LOOP
    IF home THEN
      DELETE FROM allwrite.sequence q WHERE q.name = s.name;
      UPDATE allwrite.sequence q SET name = s.name WHERE q.name = s.old_name;
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
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence p ON p.seqrelid = c.oid
             LEFT JOIN allwrite.range g ON g.sequence = c.oid
            WHERE c.relkind = 'S' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'allwrite')
              AND (g.sequence IS NULL OR g.filenode <> c.relfilenode OR g.opened OR g.pending) LOOP
    SELECT * INTO declared FROM allwrite.sequence q WHERE q.name = s.name;
    -- Where pg_sequence shows what the user declared, it is the newest. Not where this node forgot its ranges.
    IF declared.name IS NULL OR s.opened OR s.pending THEN
      declared.name := s.name; declared.increment := s.seqincrement;
      declared.user_min := s.seqmin; declared.user_max := s.seqmax; declared.cycle := s.seqcycle;
      IF home AND s.known THEN
        UPDATE allwrite.sequence SET increment = s.seqincrement, user_min = s.seqmin, user_max = s.seqmax, cycle = s.seqcycle
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
      PERFORM allwrite.void_range(s.oid, declared);
      CONTINUE;
    END IF;

    EXECUTE format('SELECT last_value, is_called FROM %s', s.oid::regclass) INTO position, called;
    IF NOT s.known AND declared.next IS NOT NULL THEN
      PERFORM allwrite.void_range(s.oid, declared);
      CONTINUE;
    END IF;
    IF NOT s.known AND NOT allwrite.own_write(s.written) THEN
      RAISE EXCEPTION 'sequence % is unknown to the cluster', s.name USING ERRCODE = 'XX000', HINT = 'Restart the node''s agent.';
    END IF;
    -- Outside ALTER SEQUENCE a new file means TRUNCATE ... RESTART IDENTITY.
    restarted := NOT s.known OR s.pending OR statement IS NULL OR NOT called AND regexp_replace(statement, '"([^"]|"")*"', '', 'g') ~* '\mrestart\M';
    -- No other session can use the sequence before this transaction ends (DDL locks): until then its bounds are the
    -- declared ones, and allwrite.finish_sequences(), called before the capture message, turns what was drawn into a lease.
    UPDATE pg_sequence SET seqmin = declared.user_min, seqmax = declared.user_max, seqcycle = declared.cycle WHERE seqrelid = s.oid;
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
    VALUES (s.name, 0, declared.next, declared.increment, declared.user_min, declared.user_max, declared.cycle,
            allwrite.bounded_block(greatest(coalesce(declared.block, 0), allwrite.first_block()), declared.increment, declared.user_min, declared.user_max))
    ON CONFLICT (name) DO UPDATE SET epoch = q.epoch + 1, next = excluded.next, increment = excluded.increment,
       user_min = excluded.user_min, user_max = excluded.user_max, cycle = excluded.cycle, block = excluded.block;
    PERFORM set_config('allwrite.unfinished', 'sequences', true);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION allwrite.settle_sequences(boolean, text) FROM PUBLIC;

-- Before the capture message of a transaction that made or altered sequences: what it has not drawn of them, beyond one
-- block, becomes anybody's. Any user may call it: it only looks at what this transaction has done.
CREATE OR REPLACE FUNCTION allwrite.finish_sequences() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE s record; declared allwrite.sequence; position bigint; called boolean; first numeric; last bigint;
BEGIN
  FOR s IN SELECT g.sequence, g.name FROM allwrite.range g WHERE g.pending AND allwrite.own_write(g.xmin) LOOP
    SELECT * INTO STRICT declared FROM allwrite.sequence q WHERE q.name = s.name;
    EXECUTE format('SELECT last_value, is_called FROM %s', s.sequence::regclass) INTO position, called;
    first := position + CASE WHEN called THEN declared.increment ELSE 0 END;
    last := CASE WHEN declared.increment > 0 THEN least(declared.user_max, first + (declared.block - 1) * declared.increment)
                 ELSE greatest(declared.user_min, first + (declared.block - 1) * declared.increment) END;
    PERFORM allwrite.enforce_range(s.sequence, position, last, declared);
    UPDATE allwrite.sequence SET next = first + declared.block::numeric * declared.increment WHERE name = s.name;
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

-- How far this node has drawn. used: part of the range that is gone, 0 .. 1; exhausted: nextval fails.
CREATE OR REPLACE VIEW allwrite.range_use AS
SELECT u.name, u.relname, u.increment, u.high, u.position,
       CASE WHEN u.position IS NULL THEN 0 WHEN u.high = u.low THEN 1
            ELSE least(1, greatest(0, (u.position::numeric - u.low) / (u.high::numeric - u.low))) END::float8 AS used,
       coalesce(CASE WHEN u.increment > 0 THEN u.position::numeric + u.increment > u.high ELSE u.position::numeric + u.increment < u.high END, false) AS exhausted
  FROM (SELECT g.name, c.relname::text, q.increment, g.low, g.high, pg_sequence_last_value(g.sequence) AS position
          FROM allwrite.range g JOIN allwrite.sequence q ON q.name = g.name JOIN pg_class c ON c.oid = g.sequence
         WHERE NOT g.opened AND NOT g.pending) u;
REVOKE ALL ON allwrite.range_use FROM PUBLIC;
`
