import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { headOf, snapshotById } from '../../iceberg/spec/refs.js'
import { toSnapshotId, type SnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { Change } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { AddedRows } from '../../engine/spark/spark-job.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { definitionOf, loadedTable, type Batch } from '../features/batch-state.js'
import type { StagedTable } from '../staging/stage.js'

/** Branches that Spark writes to; publish takes their files and never moves main to them. */
export const STAGE_BRANCH_PREFIX = 'stage_'

export function stageBranch(batch: string): string {
  return `${STAGE_BRANCH_PREFIX}${batch}`
}

/** Drops the batch's branch from every table that has it: an earlier attempt's, or one whose files are published. */
export async function dropStageBranches(
  deps: Pick<LakeDeps, 'catalog' | 'now' | 'newUuid'>,
  batch: Pick<Batch, 'tables' | 'plan'>,
): Promise<void> {
  const name = stageBranch(batch.plan.batch)
  const identifiers = [...batch.tables.values()].map((table) => table.identifier)
  const tables = (await deps.catalog.loadTables(identifiers))
    .filter((table) => table.metadata.refs[name] !== undefined)
    .map(({ identifier }) => ({ identifier, changes: [{ kind: 'drop' as const, name }] }))
  if (tables.length > 0) await changeRefs({ ...deps, tables })
}

/**
 * Puts tables that are staged already on the branch, where Spark can read them: on the heads that the batch sees. Says
 * between which snapshots the rows lie that the batch adds. `appends`: beside rows of partitions that they are to replace.
 */
export async function showOnBranch(
  deps: LakeDeps,
  batch: Batch,
  tables: readonly string[],
  appends: boolean,
): Promise<Readonly<Record<string, AddedRows>>> {
  const stages = tables.flatMap((table) => batch.stages.get(table) ?? [])
  const shown = await Promise.all(
    stages.map(async (stage): Promise<readonly [string, AddedRows]> => {
      const head = headOf(loadedTable(batch, stage.table).metadata)?.['snapshot-id']
      const basis = head === undefined ? null : String(head)
      if (stage.files.length === 0) return [stage.table, { snapshot: null, basis }]
      const change = changeOf(batch, stage, { head, appends })
      return [stage.table, { snapshot: await commitToBranch(deps, batch, stage, { head, change }), basis }]
    }),
  )
  return Object.fromEntries(shown)
}

async function commitToBranch(
  deps: LakeDeps,
  batch: Batch,
  stage: StagedTable,
  { head, change }: { readonly head: SnapshotId | undefined; readonly change: Change },
): Promise<string> {
  const { identifier } = loadedTable(batch, stage.table)
  const branch = stageBranch(batch.plan.batch)
  if (head !== undefined) {
    const changes = [{ kind: 'create-branch' as const, name: branch, snapshotId: head }]
    await changeRefs({ ...deps, tables: [{ identifier, changes }] })
  }
  const snapshotId = deps.newSnapshotId()
  const { now, newUuid, catalog } = deps
  await commitTransaction({
    ...{ catalog, now, newUuid, changes: [{ identifier, branch, change, snapshotId }] },
    beforeAttempt: ([table]) => {
      if (head === undefined && table !== undefined && headOf(table.metadata) !== undefined)
        throw new FirnError(
          'rebuild-needed',
          `${stage.table} got rows while batch ${batch.plan.batch} was built; plan it again`,
          { context: { batch: batch.plan.batch, tables: [`${batch.pipeline.namespace}.${stage.table}`] } },
        )
      return Promise.resolve(undefined)
    },
  })
  return String(snapshotId)
}

function changeOf(
  batch: Batch,
  { table, files }: StagedTable,
  { head, appends }: { readonly head: SnapshotId | undefined; readonly appends: boolean },
): Change {
  const isBuilt = batch.graph.order.includes(table)
  if (appends || !isBuilt || definitionOf(batch, table).write !== 'overwrite-partitions')
    return { kind: 'append', files }
  return { kind: 'overwrite-partitions', files, basis: head ?? null }
}

/** Whether a snapshot is one that stands on the head that a batch was computed from. */
export function standsOn(table: LoadedTable, snapshotId: string, basis: string | null): boolean {
  const snapshot = snapshotById(table.metadata, toSnapshotId(snapshotId))
  const parent = snapshot?.['parent-snapshot-id']
  if (basis !== null) return String(parent) === basis
  return parent === undefined || isEmpty(table, parent)
}

/** Spark begins the branch of an empty table with a snapshot without files. */
function isEmpty(table: LoadedTable, id: SnapshotId): boolean {
  return (snapshotById(table.metadata, id)?.summary?.['total-records'] ?? '0') === '0'
}
