import type { Row } from '../../../engine/engine.js'
import type { SparkBuild, SparkEngine, SparkTarget } from '../../../engine/spark/spark-job.js'
import { tableTarget } from '../../../engine/table-target.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { currentSchema } from '../../../iceberg/spec/schema.js'
import { toSnapshotId } from '../../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../../iceberg/write/refs.js'
import { commitTransaction } from '../../../iceberg/write/transaction.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'

export interface SparkTwin extends SparkEngine {
  /** Location of each file that a session has written, by the session's number. */
  readonly written: Map<number, string[]>
}

/**
 * What Spark does to a lake, without Spark: files of each table, on the job's branch, table by table. `rows` are the rows
 * that it finds; `before` is awaited ahead of each commit; where it gives `onTop` the branch is taken as it is, as by a
 * session that had begun it long ago.
 */
export function sparkTwin(
  deps: LakeDeps,
  rows: (table: string) => Promise<readonly Row[]>,
  before: (session: number, table: string) => Promise<'onTop' | undefined>,
): SparkTwin {
  const written = new Map<number, string[]>()
  return {
    written,
    async run(given, control = {}) {
      const job = given as SparkBuild
      const session = written.size + 1
      const files: string[] = []
      written.set(session, files)
      const ids = job.ids.duplicates === undefined ? [{ ...job.ids, duplicates: 0 }] : []
      for (const target of [...ids, ...job.tables]) {
        const made = await write(deps, target, await rows(target.table))
        files.push(...made.files.map(({ filePath }) => filePath))
        const isOnTop = (await before(session, target.name)) === 'onTop'
        if (!isOnTop) await startBranch(deps, job, target)
        const snapshotId = deps.newSnapshotId()
        const change = { kind: 'append', files: made.files } as const
        const identifier = parseIdentifier(target.table)
        await commitTransaction({
          ...deps,
          changes: [{ identifier, branch: job.branch, change, snapshotId }],
        })
        const duplicates = 'duplicates' in target ? { duplicates: 0 } : {}
        const said = { table: target.name, snapshot: String(snapshotId), rows: made.rows, ...duplicates }
        await control.onStaged?.(said)
      }
    },
  }
}

async function write(deps: LakeDeps, { table }: SparkTarget, rows: readonly Row[]) {
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(table))
  const session = await deps.engine.openSession()
  try {
    await session.addRelation({ kind: 'rows', name: 'made', schema: currentSchema(metadata), rows })
    return await session.write('SELECT * FROM made', { ...tableTarget(metadata), orderBy: [] })
  } finally {
    await session.close()
  }
}

async function startBranch(deps: LakeDeps, { branch }: SparkBuild, { table, basis }: SparkTarget) {
  const identifier = parseIdentifier(table)
  const { metadata } = await deps.catalog.loadTable(identifier)
  const drop = metadata.refs[branch] === undefined ? [] : [{ kind: 'drop' as const, name: branch }]
  const create =
    basis === null ? [] : [{ kind: 'create-branch' as const, name: branch, snapshotId: toSnapshotId(basis) }]
  for (const change of [...drop, ...create])
    await changeRefs({ ...deps, tables: [{ identifier, changes: [change] }] })
}
