-- must not differ: errors with their positions, tags, notices, files of the server's, settings of the session
SELECT * FROM fruit ORDER BY id;
SELECT nam FROM fruit;
INSERT INTO fruit VALUES (1, 'plum');
INSERT INTO fruit VALUES (3, NULL);
\set ECHO none
\getenv abs_builddir PG_ABS_BUILDDIR
\set ECHO all
\set filename :abs_builddir '/results/fruit.data'
COPY fruit TO :'filename';
CREATE TABLE fruit_copy (LIKE fruit);
COPY fruit_copy FROM :'filename';
SELECT count(*) FROM fruit_copy;
COPY fruit_copy FROM '/nowhere/fruit.data';
SELECT timestamptz '2026-01-02 03:04:05+00', interval '1 day 2 hours';
DROP TABLE IF EXISTS nothing;
DO $$ BEGIN RAISE NOTICE 'from a block'; CREATE TABLE made (a int); END $$;
BEGIN;
DROP TABLE fruit_copy, made;
SELECT 1/0;
SELECT 1;
ROLLBACK;
DROP TABLE fruit_copy, made;
