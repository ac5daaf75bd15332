import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { EngineName, Pipeline } from '../../schemas/pipeline.js'

/** Which engine builds a table: the setting for all, else the table's own word, else its pipeline's. */
export function engineOf(
  deps: Pick<LakeDeps, 'settings'>,
  pipeline: Pick<Pipeline, 'engine' | 'tables'>,
  table: string,
): EngineName {
  return deps.settings.engine ?? pipeline.tables[table]?.engine ?? pipeline.engine ?? 'duckdb'
}

/** Tables that one engine builds, in dependency order. */
export interface EngineRun {
  readonly engine: EngineName
  readonly tables: readonly string[]
}

/**
 * Tables in as few runs of one engine as their reads allow: a session of Spark costs seconds to start. `tables` in
 * dependency order; `reads`: the tables that one reads.
 */
export function engineRuns(
  deps: Pick<LakeDeps, 'settings'>,
  pipeline: Pick<Pipeline, 'engine' | 'tables'>,
  tables: readonly string[],
  reads: (table: string) => readonly string[],
): readonly EngineRun[] {
  const from = (first: EngineName): readonly EngineRun[] => {
    const runs: EngineRun[] = []
    const left = new Set(tables)
    for (let engine = first; left.size > 0; engine = engine === 'spark' ? 'duckdb' : 'spark') {
      const run = tables.filter((table) => {
        const waits = reads(table).some((name) => name !== table && left.has(name))
        return left.has(table) && !waits && engineOf(deps, pipeline, table) === engine && left.delete(table)
      })
      if (run.length > 0) runs.push({ engine, tables: run })
    }
    return runs
  }
  const [duckdb, spark] = [from('duckdb'), from('spark')]
  return spark.length < duckdb.length ? spark : duckdb
}
