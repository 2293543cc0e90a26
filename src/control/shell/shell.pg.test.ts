import { equal, match } from 'node:assert/strict'
import { mkdtempSync, chmodSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { initDatabase, locateBinaries, runtimeDir, startPostgres } from '../../postgres/index.ts'
import { runShell } from './shell.ts'

test('statements over several lines, errors, notices and \\d work as in psql', async () => {
  const root = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
  chmodSync(root, 0o711)
  const socketDir = join(runtimeDir(root), 's')
  try {
    const binaries = await locateBinaries()
    const dataDir = join(root, 'pgdata')
    await initDatabase({ binaries, dataDir, password: 'words', fsync: false })
    const settings = { fsync: 'off' }
    await using server = await startPostgres({
      binaries,
      dataDir,
      socketDir,
      port: 5432,
      settings,
      logFile: join(root, 'log'),
    })
    const [output, errors] = [new PassThrough(), new PassThrough()]
    const words = Promise.all([text(output), text(errors)])
    const input = new PassThrough()
    input.end(`create table t (id int primary key,\n name text default 'a;b');
insert into t values (1), (2); select *
from t order by id; \\d t
\\dt
\\l
select 1/0;
selec 1;
do $$ begin raise notice 'hello'; end $$;
\\nonsense
select 'last' as word`)
    const url = `postgresql://allwrite:words@${encodeURIComponent(server.socketDir)}:5432/postgres`
    equal(await runShell(url, { input, output, errors }), 1, 'a statement failed')
    output.end()
    errors.end()
    const [shown, told] = await words
    match(shown, /^CREATE TABLE\nINSERT 0 2\n id \| name \n----\+------\n {2}1 \| a;b\n {2}2 \| a;b\n\(2 rows\)\n/)
    match(shown, /Table "t"\n Column \| {2}Type {3}\| Nullable \|/)
    match(shown, /List of tables\n.*\n.*\n public \| t /)
    match(shown, / postgres +\| allwrite +\| UTF8 +\| C\.UTF-8/)
    match(shown, /DO\n word \n------\n last\n\(1 row\)/)
    match(told, /ERROR: {2}division by zero\n/)
    match(told, /ERROR: {2}syntax error at or near "selec"\nLINE 1: selec 1;\n {8}\^\n/)
    match(told, /NOTICE: {2}hello\n/)
    match(told, /invalid command \\nonsense/)
  } finally {
    rmSync(root, { recursive: true, force: true })
    rmSync(runtimeDir(root), { recursive: true, force: true })
  }
})
