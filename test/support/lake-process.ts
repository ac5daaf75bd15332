import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { runSql } from '../../lake/query/sql.js'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'

/** A worker as a process of its own, which can be killed at any point. */
export interface WorkerProcess {
  kill(): Promise<void>
}

export function spawnWorker(env: Readonly<Record<string, string>>): WorkerProcess {
  const child: ChildProcess = spawn(process.execPath, [compiledEntry('workers/worker-main').pathname], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', process.env['FIRN_TEST_LOG'] === undefined ? 'ignore' : 'inherit'],
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export function lakeConfig(home: string, env: Readonly<Record<string, string>> = {}): FirnConfig {
  return readConfig({ FIRN_HOME: home, ...env }, home)
}

/** Opens a lake for as long as `use` runs. */
export async function withLakeAt<T>(
  home: string,
  use: (lake: Lake) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const lake = await createLakeDeps(lakeConfig(home, env))
  try {
    return await use(lake)
  } finally {
    lake.close()
  }
}

/** What differs between two runs of the same night for good reasons: when and by whom, ids, paths. */
export const VOLATILE = {
  processing_metadata: ['snapshot_ids', 'workflow_id', 'run_id', 'started_at', 'duration_ms'],
  predictions: ['features_snapshot_id', 'scoring_run_id'],
  // Sizes of files that hold times and ids differ by a few bytes.
  maintenance_runs: [
    'run_id',
    'workflow_id',
    'started_at',
    'duration_ms',
    'bytes_read',
    'bytes_written',
    'deleted_bytes',
    'kept',
  ],
  experiments: ['path'],
  dead_letters: ['path'],
} satisfies Readonly<Record<string, readonly string[]>>

/** Every row of every table as text, in a total order, volatile columns left out: equal lakes give equal contents. */
export async function lakeContents(lake: Lake): Promise<Record<string, string>> {
  const contents: Record<string, string> = {}
  for (const namespace of await lake.deps.catalog.listNamespaces()) {
    for (const { name } of await lake.deps.catalog.listTables(namespace)) {
      const volatile = (VOLATILE as Readonly<Record<string, readonly string[]>>)[name] ?? []
      const columns = volatile.length === 0 ? '*' : `* EXCLUDE (${volatile.join(', ')})`
      const sql = `SELECT count(*) || ' ' || md5(string_agg(to_json(t)::VARCHAR, chr(10) ORDER BY to_json(t)::VARCHAR)) AS content
                   FROM (SELECT ${columns} FROM ${namespace}.${name}) t`
      const { rows } = await runSql(lake.deps, { sql })
      contents[`${namespace}.${name}`] = (rows[0] as { content: string | null }).content ?? '0 rows'
    }
  }
  return contents
}

export function landingFolder(home: string): string {
  return join(home, 'landing', 'experiment.vqe')
}
