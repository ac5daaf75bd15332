import type { SparkBuild, SparkTable } from '../../engine/spark/spark-job.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { loadedTable, type Batch } from '../features/batch-state.js'
import { planSparkBuild } from '../spark/plan-spark-build.js'
import { idsOfBatch, type Rebuild } from './open-rebuild.js'
import { keptOf, ofOthers, replacesPartitions, viewFor } from './rebuild-relations.js'

type Read = SparkTable['reads']['tables'][number]

/**
 * What Spark is told to build tables of a batch again. Rows only come to the branch: which of them are seen beside those
 * that the batch makes now, each read says in SQL. The batch's ids are staged before.
 */
export async function planSparkRebuild(
  deps: LakeDeps,
  rebuild: Rebuild,
  batch: Batch,
  tables: readonly string[],
  given: Parameters<typeof planSparkBuild>[3],
): Promise<SparkBuild> {
  const { plan, later } = rebuild
  // The rows are the batch's own, whatever this run of it is called.
  const job = await planSparkBuild(deps, batch, tables, { ...given, batch: plan.rebuilds })
  return {
    ...job,
    later,
    ids: { ...job.ids, stays: idsOfBatch(rebuild) },
    tables: job.tables.map((table) => ({
      ...table,
      write: 'append',
      ...(table.newByKey ? { stays: ofOthers(rebuild, table.name, { later: plan.mode === 'alone' }) } : {}),
      reads: { ...table.reads, tables: table.reads.tables.map((read) => readOf(rebuild, table.name, read)) },
    })),
  }
}

function readOf(rebuild: Rebuild, table: string, read: Read): Read {
  const { name } = read
  if (name === table) return { ...read, stays: ofOthers(rebuild, table, { later: false }) }
  const stays = keptOf(rebuild, name, viewFor(rebuild, table, name))
  if (!replacesPartitions(rebuild, name)) return { ...read, stays }
  const isWhole = defaultSpec(loadedTable(rebuild.batch, name).metadata).fields.length === 0
  return { ...read, stays, replaced: isWhole ? 'all' : 'partitions' }
}
