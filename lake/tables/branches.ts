import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { alwaysTrue, eq } from '../../iceberg/expr/expression.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { queryTable } from '../../engine/query-table.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, CHECK_RESULTS } from '../../schemas/lake-tables.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import { pipelineTables } from './pipeline-tables.js'

export interface NamedBranch {
  readonly pipeline: string
  readonly name: string
}

/** What a branch shows beside main. */
export interface ShownBranch {
  readonly name: string
  readonly tables: readonly {
    readonly table: string
    readonly snapshotId: string
    /** Null where the snapshot's writer did not say. */
    readonly rows: number | null
    readonly rowsOnMain: number | null
    /** By the branch's newest snapshot. */
    readonly addedRows: number
  }[]
  /** Of a batch that failed: why, and the checks that did. */
  readonly reason: string | null
  readonly failedChecks: readonly {
    readonly check: string
    readonly severity: string
    readonly failingRows: number
    readonly sample: string | null
  }[]
}

/** A branch of a pipeline's tables. Errors: FirnError `not-found`. */
export async function showBranch(deps: LakeDeps, branch: NamedBranch): Promise<ShownBranch> {
  const tables = await tablesWith(deps, branch)
  const batch = /^failed_(.+)$/.exec(branch.name)?.[1]
  return {
    name: branch.name,
    tables: tables.map((table) => {
      const head = headOf(table.metadata, branch.name)
      return {
        table: formatIdentifier(table.identifier),
        snapshotId: String(head?.['snapshot-id']),
        rows: total(head?.summary?.['total-records']),
        rowsOnMain:
          headOf(table.metadata) === undefined
            ? 0
            : total(headOf(table.metadata)?.summary?.['total-records']),
        addedRows: Number(head?.summary?.['added-records'] ?? 0),
      }
    }),
    reason: batch === undefined ? null : await reasonOf(deps, branch.pipeline, batch),
    failedChecks: batch === undefined ? [] : await failedChecks(deps, branch.pipeline, batch),
  }
}

/**
 * Drops a branch from every table of a pipeline that has it, in one transaction; its snapshots go with the next expiry.
 * Returns the tables; with `dryRun` nothing changes. Errors: FirnError `not-found`, `invalid-input` (main, or a batch that is being built).
 */
export async function dropBranch(
  deps: LakeDeps,
  branch: NamedBranch & { readonly dryRun?: boolean },
): Promise<readonly string[]> {
  const { name } = branch
  if (name === 'main' || name.startsWith('stage_')) {
    const why =
      name === 'main'
        ? 'is the table itself'
        : 'belongs to a batch that is being built; it goes with its publish'
    throw new FirnError('invalid-input', `${name} ${why}, and can't be dropped`)
  }
  const tables = await tablesWith(deps, branch)
  if (branch.dryRun !== true) {
    await changeRefs({
      ...deps,
      tables: tables.map(({ identifier }) => ({ identifier, changes: [{ kind: 'drop', name }] })),
    })
  }
  return tables.map(({ identifier }) => formatIdentifier(identifier))
}

async function tablesWith(deps: LakeDeps, { pipeline, name }: NamedBranch): Promise<readonly LoadedTable[]> {
  const all = await pipelineTables(deps, pipeline)
  const found = all.filter(({ metadata }) => metadata.refs[name]?.type === 'branch')
  if (found.length > 0) return found
  const known = all.flatMap(({ metadata }) =>
    Object.entries(metadata.refs).flatMap(([ref, { type }]) =>
      type === 'branch' && ref !== 'main' ? [ref] : [],
    ),
  )
  throw new FirnError(
    'not-found',
    `no table of ${pipeline} has a branch ${JSON.stringify(name)}; there are ${[...new Set(known)].join(', ') || 'none'}`,
  )
}

async function reasonOf(deps: LakeDeps, pipeline: string, batch: string): Promise<string | null> {
  const { namespace } = findPipeline(deps.pipelines, pipeline)
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
  if (audit === undefined) return null
  const [row] = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata },
    {
      name: 'audit',
      filter: eq('processing_batch_id', batch),
      sql: `SELECT reason FROM audit WHERE processing_batch_id = ${quoteText(batch)}
        AND processing_name = ${quoteText(pipeline)} AND status = 'failed'`,
    },
  )
  return typeof row?.['reason'] === 'string' ? row['reason'] : null
}

async function failedChecks(
  deps: LakeDeps,
  pipeline: string,
  batch: string,
): Promise<ShownBranch['failedChecks']> {
  const checks = await ifFound(deps.catalog.loadTable(CHECK_RESULTS))
  if (checks === undefined) return []
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: checks.metadata },
    {
      name: 'checks',
      filter: alwaysTrue,
      sql: `SELECT check_name, severity, failing_rows, sample FROM checks
        WHERE processing_batch_id = ${quoteText(batch)} AND processing_name = ${quoteText(pipeline)} AND NOT passed
        ORDER BY severity, check_name`,
    },
  )
  return rows.map((row) => ({
    check: row['check_name'] as string,
    severity: row['severity'] as string,
    failingRows: Number(row['failing_rows']),
    sample: typeof row['sample'] === 'string' ? row['sample'] : null,
  }))
}

function total(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}
