import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { rowsOf } from '../../iceberg/spec/rows-of.js'
import { partitionMatcher } from '../../iceberg/write/partition-match.js'
import { writeSource } from './append-rows.js'
import type { Basis, ComputedChange } from './compute-change.js'
import type { Source } from './table.js'
import { addTarget, columnList, planTarget } from './target-rows.js'
import { writeTableFiles } from './write-target.js'

/**
 * Replaces the partitions that the source has rows of. Files of older specs that hold rows of them and of others are
 * written anew into the current spec, without the rows that go.
 */
export async function overwritePartitions(basis: Basis, source: Source): Promise<ComputedChange> {
  const files = await writeSource(basis, source)
  const rows = { added: rowsOf(files), updated: 0, deleted: 0 }
  const { metadata, head } = basis
  const specs = metadata['partition-specs']
  if (files.length === 0) return { change: { kind: 'none' }, rows }
  const tasks = specs.length > 1 ? await planTarget(basis, alwaysTrue) : []
  const relation = partitionMatcher(specs, files)
  const straddling = tasks.filter(({ file }) => relation(file) === 'straddles')
  if (straddling.length === 0) {
    return { change: { kind: 'overwrite-partitions', files, basis: head }, rows }
  }
  const kept = await writeOthers(basis, straddling, files)
  const inside = tasks.filter(({ file }) => relation(file) === 'inside')
  return {
    change: {
      kind: 'row-delta',
      removed: [...inside, ...straddling].map(({ file }) => file),
      added: [...files, ...kept],
      deletes: [],
      deletedFrom: [],
      filter: alwaysTrue,
      isolation: 'serializable',
      basis: head,
    },
    rows,
  }
}

/** The rows of `tasks` by the current spec, without the partitions that `replacing` lies in. */
async function writeOthers(
  basis: Basis,
  tasks: readonly FileScanTask[],
  replacing: readonly DataFile[],
): Promise<readonly DataFile[]> {
  const name = await addTarget(basis, '_firn_straddling', tasks)
  const written = await writeTableFiles(
    basis,
    await basis.session(),
    `SELECT ${columnList(basis.schema)} FROM ${name}`,
  )
  const relation = partitionMatcher(basis.metadata['partition-specs'], replacing)
  const others = written.filter((file) => relation(file) === 'outside')
  const { io } = basis.context.catalog
  // Nothing has named them yet.
  for (const file of written) if (!others.includes(file)) await io.delete(file.filePath)
  return others
}
