/**
 * Built-in functions that write what decoding does not show are taken out of their users' reach.
 *
 * CREATE OR REPLACE under the same OID does not work [tried on 18.4]: fmgr finds built-ins by OID in a compiled table
 * and never looks at pg_proc. So the built-in's row moves to schema allwrite as raw_<name>, for the agent only, and a
 * function of ours takes its place in pg_catalog. What refers to the built-in by OID goes on working and stays caught
 * by allwrite.unseen_writes().
 */
const refused: readonly (readonly [name: string, args: string, returns: string, what: 'large objects' | 'slots'])[] = [
  ['lo_creat', 'integer', 'oid', 'large objects'],
  ['lo_create', 'oid', 'oid', 'large objects'],
  ['lo_from_bytea', 'oid, bytea', 'oid', 'large objects'],
  ['lo_import', 'text', 'oid', 'large objects'],
  ['lo_import', 'text, oid', 'oid', 'large objects'],
  ['lo_put', 'oid, bigint, bytea', 'void', 'large objects'],
  ['lo_truncate', 'integer, integer', 'integer', 'large objects'],
  ['lo_truncate64', 'integer, bigint', 'integer', 'large objects'],
  ['lo_unlink', 'oid', 'integer', 'large objects'],
  ['lowrite', 'integer, bytea', 'integer', 'large objects'],
]

const explain = {
  'large objects': ['large objects are not replicated yet', 'Store the data in a bytea column.'],
  slots: ['replication slots belong to one node', 'Create the slot on the server itself, outside Allwrite.'],
} as const

/** Moves a built-in to schema allwrite, for the agent alone; its name in pg_catalog is free then. */
export const moveAway = (name: string, args: string): string => String.raw`
DO $move$
BEGIN
  -- A built-in has an OID below 10000; ours, which may already stand there, has not.
  UPDATE pg_catalog.pg_proc SET proname = 'raw_${name}', pronamespace = 'allwrite'::regnamespace
   WHERE oid = pg_catalog.to_regprocedure('pg_catalog.${name}(${args})') AND oid < 10000;
END $move$;
REVOKE ALL ON FUNCTION allwrite.raw_${name}(${args}) FROM PUBLIC;`

const refuse = ([name, args, returns, what]: (typeof refused)[number]): string => String.raw`${moveAway(name, args)}
CREATE OR REPLACE FUNCTION pg_catalog.${name}(${args}) RETURNS ${returns} LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION '${explain[what][0]}' USING ERRCODE = '0A000', HINT = '${explain[what][1]}';
END $$;`

/**
 * setval becomes the ALTER SEQUENCE that means the same, so it is transactional, journaled, and runs with the caller's
 * privileges (it needs ownership, where PostgreSQL asks for UPDATE). Differences: docs.
 */
const setval = String.raw`${moveAway('setval', 'regclass, bigint')}${moveAway('setval', 'regclass, bigint, boolean')}
CREATE OR REPLACE FUNCTION pg_catalog.setval(sequence regclass, value bigint, is_called boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target text; step bigint; lowest bigint; highest bigint;
BEGIN
  SELECT format('%I.%I', n.nspname, c.relname), s.seqincrement, s.seqmin, s.seqmax INTO target, step, lowest, highest
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
   WHERE c.oid = sequence;
  IF target IS NULL THEN
    RAISE EXCEPTION '"%" is not a sequence', sequence USING ERRCODE = '42809';
  END IF;
  IF value NOT BETWEEN lowest AND highest THEN
    RAISE EXCEPTION 'setval: value % is out of bounds for sequence "%" (%..%)', value, (SELECT relname FROM pg_class WHERE oid = sequence), lowest, highest
      USING ERRCODE = '22003';
  END IF;
  IF is_called AND value::numeric + step BETWEEN lowest AND highest THEN
    EXECUTE format('ALTER SEQUENCE %s RESTART WITH %s', target, value + step);
  ELSE
    EXECUTE format('ALTER SEQUENCE %s RESTART WITH %s', target, value);
    -- Nothing is left behind it.
    IF is_called THEN PERFORM nextval(sequence); END IF;
  END IF;
  RETURN value;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.setval(sequence regclass, value bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN setval(sequence, value, true);
END $$;`

export const builtinsSql = refused.map(refuse).join('\n') + setval
