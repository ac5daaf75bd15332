import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'

/** Which engine builds a table: the setting for all, else the table's own word, else its pipeline's. */
export function engineOf(
  deps: Pick<LakeDeps, 'settings'>,
  pipeline: Pick<Pipeline, 'engine' | 'tables'>,
  table: string,
): 'duckdb' | 'spark' {
  return deps.settings.engine ?? pipeline.tables[table]?.engine ?? pipeline.engine ?? 'duckdb'
}

/** Tables one after another that the same engine builds. */
export function engineRuns(
  deps: Pick<LakeDeps, 'settings'>,
  pipeline: Pick<Pipeline, 'engine' | 'tables'>,
  tables: readonly string[],
): readonly { readonly engine: 'duckdb' | 'spark'; readonly tables: readonly string[] }[] {
  const runs: { readonly engine: 'duckdb' | 'spark'; readonly tables: string[] }[] = []
  for (const table of tables) {
    const engine = engineOf(deps, pipeline, table)
    const last = runs.at(-1)
    if (last?.engine === engine) last.tables.push(table)
    else runs.push({ engine, tables: [table] })
  }
  return runs
}
