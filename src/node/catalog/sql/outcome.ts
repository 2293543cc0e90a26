/**
 * Transactions of a pool's connections, counted in a row each (ADR 29). The row travels with the transaction that changes it, so every node
 * can say how many are committed; and it is a key like any other's, so of a count and the row's removal only the first commits.
 */
export const outcomeSql = String.raw`
CREATE TABLE IF NOT EXISTS allwrite.connection (
  id text PRIMARY KEY, transactions bigint NOT NULL, closed boolean NOT NULL, opened timestamptz NOT NULL
);
-- HOT updates need room.
ALTER TABLE allwrite.connection SET (fillfactor = 50);
REVOKE ALL ON allwrite.connection FROM PUBLIC;

-- The id is a secret of its pool, which alone calls these: who knows it may give the connection up.
CREATE OR REPLACE FUNCTION allwrite.open_connection(id text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO allwrite.connection VALUES ($1, 0, false, now())
$$;

-- Called by the agent in front of the capture: once in each transaction that has written. No SET clause: it runs often.
CREATE OR REPLACE FUNCTION allwrite.count_transaction(id text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
  counted pg_catalog.text;
BEGIN
  IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL THEN RETURN NULL; END IF;
  UPDATE allwrite.connection AS c SET transactions = c.transactions OPERATOR(pg_catalog.+) 1
   WHERE c.id OPERATOR(pg_catalog.=) $1 AND NOT c.closed RETURNING c.transactions::pg_catalog.text INTO counted;
  IF counted IS NULL THEN
    RAISE EXCEPTION 'the pool has given this connection up' USING ERRCODE = '57P01';
  END IF;
  RETURN counted;
END $$;

-- How many have been committed; the same however often it is asked. None can be any more: of a count that is under way and this change of
-- the row, the first one in the journal commits, and the other one has to see it. No row: there is no such connection.
CREATE OR REPLACE FUNCTION allwrite.close_connections(ids text[]) RETURNS TABLE (id text, counted text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE allwrite.connection AS c SET closed = true WHERE c.id = ANY (ids) RETURNING c.id, c.transactions::text
$$;

-- Nobody will ask any more.
CREATE OR REPLACE FUNCTION allwrite.forget_connections(ids text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM allwrite.connection AS c WHERE c.id = ANY ($1)
$$;
`
