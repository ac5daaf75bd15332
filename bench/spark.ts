import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { planBuild } from '../lake/features/plan-build.js'
import { buildTables } from '../lake/features/build-tables.js'
import { commitLanding } from '../lake/land/commit-landing.js'
import { fetchLanding } from '../lake/land/fetch-landing.js'
import { planLanding } from '../lake/land/plan-landing.js'
import { buildOnSpark } from '../lake/spark/build-on-spark.js'
import { unpackSample } from '../pipelines/quantum/sample/unpack-sample.js'
import { readConfig } from '../workers/config.js'
import { createLakeDeps } from '../workers/create-deps.js'
import { benchRow, timed, type BenchRow } from './bench-row.js'

const NIGHT = { pipeline: 'quantum', batch: '20260701T020000Z' }

/**
 * Building the quantum tables on Spark beside DuckDB, from landed runs to staged files. Spark is taken from the environment
 * (FIRN_SPARK_*); its session's start is counted, and told apart.
 */
export async function benchSpark(options: {
  readonly quick: boolean
  readonly log: (text: string) => void
}): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const runs of options.quick ? [10] : [10, 150]) {
    options.log(`${runs} runs …`)
    const duckdb = await buildWith('duckdb', runs)
    const spark = await buildWith('spark', runs)
    rows.push(benchRow(`${runs} runs: DuckDB beside Spark`, duckdb.seconds, 'Spark', spark.seconds))
    rows.push(benchRow(`${runs} runs: Spark's session starts`, spark.startSeconds))
  }
  return rows
}

async function buildWith(
  engine: 'duckdb' | 'spark',
  runs: number,
): Promise<{ readonly seconds: number; readonly startSeconds: number }> {
  const root = mkdtempSync(join(tmpdir(), 'firn-bench-'))
  const lake = await createLakeDeps(readConfig({ ...process.env, FIRN_HOME: root, FIRN_ENGINE: engine }))
  try {
    const { deps } = lake
    const from = join(root, 'landing')
    await unpackSample({ folder: from, count: runs })
    const landing = await planLanding(deps, { ...NIGHT, from })
    const quiet = { onProgress: () => undefined, signal: new AbortController().signal }
    await commitLanding(deps, landing, [await fetchLanding(deps, landing, 0, quiet)])
    const plan = await planBuild(deps, NIGHT)
    if (plan.kind !== 'build') return { seconds: 0, startSeconds: 0 }
    let [startedAt, readyAt] = [performance.now(), 0]
    const onProgress = (message: string): void => {
      if (message.startsWith('starting')) startedAt = performance.now()
      else if (readyAt === 0) readyAt = performance.now()
    }
    const { seconds } = await timed(async () => {
      for (const tables of plan.groups)
        await (engine === 'spark' ? buildOnSpark : buildTables)(deps, plan, tables, { onProgress })
    })
    return { seconds, startSeconds: (readyAt - startedAt) / 1000 }
  } finally {
    lake.close()
    rmSync(root, { recursive: true, force: true })
  }
}
