#!/usr/bin/env node
/**
 * PostgreSQL's regression files through a bare server and through a cluster; `--help` tells its options, docs/REGRESSION.md the rest.
 *
 *   npm run build && node test/regress/run.mjs ../postgresql-18/src/test/regress
 */
await import('../../dist/testing/regress/main.js')
