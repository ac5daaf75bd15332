import type { Catalog, LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { computeChange } from './compute-change.js'
import type { Job } from './history.js'
import { AUDIT } from './judge.js'
import type { Lake } from './lake.js'
import type { Row } from './rows.js'

/** What survives a crash of a job without a marker. */
interface Kept {
  changes?: readonly TableChange[]
  /** An earlier commit of these changes may have happened or may still arrive: only they may be tried. */
  isOpen: boolean
}

/** A writer that is started again until its job is done. Gives back how it ended and how many faults it met. */
export async function runJob(lake: Lake, job: Job): Promise<'committed' | 'ended' | 'refused'> {
  const kept: Kept = { isOpen: false }
  for (let run = 0; ; run++) {
    const { catalog, session } = lake.open(job.runs[run] ?? new Map())
    const outcome = await Promise.race([session.crashed, attempt(lake, job, catalog, kept)])
    lake.faults += session.faultsMet
    if (outcome !== 'crashed') return outcome
    kept.isOpen = true
    if (job.isMarked) delete kept.changes
  }
}

async function attempt(lake: Lake, job: Job, catalog: Catalog, kept: Kept) {
  for (let round = 0; round < 80; round++) {
    try {
      kept.changes ??= await changesOf(lake, job, catalog)
      const { kind } = await commitTransaction({
        catalog,
        changes: kept.changes,
        now: lake.now,
        newUuid: lake.newUuid,
        retry: { sleep: () => lake.scheduler.turn() },
        beforeAttempt: async (tables) => ((await hasMarker(lake, job, tables)) ? 'marker' : undefined),
        collidesWith: async ({ change }, added) => {
          const own = await lake.keysOf(change.kind === 'insert-new' ? change.files : [])
          return (await lake.keysOf(added)).some((key) => own.includes(key))
        },
      })
      return kind
    } catch (error) {
      // A tag that is there already, or a table of another shape than the files: it can't be done.
      if (isIcebergError(error, 'commit-rejected')) return 'refused' as const
      if (!isIcebergError(error)) throw error
      if (error.kind === 'commit-unknown') kept.isOpen = true
      else if (error.kind === 'rebuild-needed') kept.isOpen = false
      else if (!error.retryable && error.kind !== 'not-found') throw error
      if (job.isMarked || !kept.isOpen) delete kept.changes
    }
  }
  throw new Error(`${job.id} was never done`)
}

async function changesOf(lake: Lake, job: Job, catalog: Catalog): Promise<readonly TableChange[]> {
  const identifiers = job.parts.map((part): TableIdentifier => ({ namespace: 's', name: part.table }))
  const audit = { namespace: 's', name: AUDIT }
  const tables = await catalog.loadTables(job.isMarked ? [...identifiers, audit] : identifiers)
  const { isStaged: stageOnly, branch } = job
  const summary = { job: job.id }
  const partSummary = stageOnly ? { ...summary, staged: 'true' } : summary
  const changes: TableChange[] = []
  for (const [at, { operation }] of job.parts.entries()) {
    const table = tables[at] as LoadedTable
    const change = await computeChange({ lake, io: catalog.io, table }, operation, job.branch)
    const tags = job.isTagged ? [{ name: `job-${job.id}` }] : []
    const { identifier } = table
    const snapshotId = lake.newSnapshotId()
    changes.push({ identifier, branch, change, snapshotId, tags, stageOnly, summary: partSummary })
  }
  const marked = tables[identifiers.length]
  if (marked === undefined) return changes
  const marker: Row = { p: 0, key: job.id, value: 0 }
  const files = [await lake.writeRows(catalog.io, marked, [marker])]
  const change = { kind: 'append', files } as const
  return [...changes, { identifier: audit, change, snapshotId: lake.newSnapshotId(), summary }]
}

async function hasMarker(lake: Lake, job: Job, tables: readonly LoadedTable[]): Promise<boolean> {
  const audit = tables.find((table) => table.identifier.name === AUDIT)
  if (audit === undefined) return false
  const rows = await lake.rows(audit.metadata, headOf(audit.metadata))
  return rows.some((row) => row.key === job.id)
}
