/**
 * Notifications travel as rows of `allwrite.notification` (ADR 20).
 *
 * At home pg_notify() calls the built-in, so its session's node hears it as in PostgreSQL: duplicates, savepoints, errors and
 * all; and it writes a row, which decoding shows, and deletes it again, so that nothing is left. At the other nodes the row
 * comes with the transaction's others, and a trigger that only apply fires (ENABLE REPLICA) notifies in place of storing it:
 * PostgreSQL delivers that with the commit of the apply transaction.
 *
 * No SET clauses, as these run once per notification; so every name and operator is qualified. Assignments instead of
 * PERFORM: PL/pgSQL evaluates those without SPI.
 */
import { moveAway } from './builtins.ts'

const body = String.raw`
DECLARE
  told boolean;
  place pg_catalog.tid;
BEGIN
  IF pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' THEN
    RAISE EXCEPTION 'cannot execute NOTIFY in a read-only transaction' USING ERRCODE = '25006',
      HINT = 'In a cluster a notification is written, as a row is.';
  END IF;
  told := allwrite.raw_pg_notify($1, $2) IS NULL;
  INSERT INTO allwrite.notification VALUES ($1, coalesce($2, '')) RETURNING ctid INTO place;
  DELETE FROM allwrite.notification AS n WHERE n.ctid OPERATOR(pg_catalog.=) place;
END`

export const notifySql = String.raw`${moveAway('pg_notify', 'text, text')}
CREATE OR REPLACE FUNCTION pg_catalog.pg_notify(text, text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$${body} $$;

-- What the statement NOTIFY becomes: like it, a CALL answers without a row, and without a description of one.
CREATE OR REPLACE PROCEDURE allwrite.notify(text, text) LANGUAGE plpgsql SECURITY DEFINER AS $$${body} $$;

-- Tells this server's listeners of another node's notification. Where one of them has not read for so long that the queue is
-- almost full, COMMIT would soon fail, and with it all apply: the node goes on without the notification instead (RULES 8).
CREATE OR REPLACE FUNCTION allwrite.deliver(channel text, payload text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.>) 0.9 THEN
    RAISE WARNING 'a notification on channel "%" was dropped: the NOTIFY queue is almost full', channel
      USING HINT = 'A session that listens stays in one transaction: see pg_stat_activity.';
    RETURN false;
  END IF;
  RETURN allwrite.raw_pg_notify(channel, payload) IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION allwrite.deliver(text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION allwrite.on_notification() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  told boolean := allwrite.deliver(NEW.channel, NEW.payload);
BEGIN
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION allwrite.on_notification() FROM PUBLIC;
CREATE OR REPLACE TRIGGER on_notification BEFORE INSERT ON allwrite.notification FOR EACH ROW EXECUTE FUNCTION allwrite.on_notification();
ALTER TABLE allwrite.notification ENABLE REPLICA TRIGGER on_notification;
`
