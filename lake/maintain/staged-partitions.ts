import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { liesIn } from '../../iceberg/maintain/reachable-files.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Lease } from '../staging/stage.js'
import { isLiveLease } from './live-leases.js'

/** Writes of these modes have to be computed again where their partition's files change meanwhile. */
const REPLACING: readonly string[] = ['overwrite-partitions', 'upsert']

/** Partitions that a build under way is about to write anew: compacting them now would cost the build its work. */
export function stagedPartitions(
  deps: Pick<LakeDeps, 'now' | 'pipelines'>,
  { identifier, metadata }: LoadedTable,
  leases: readonly Lease[],
): ReadonlySet<string> {
  const table = formatIdentifier(identifier)
  const isReplaced = [...deps.pipelines.values()].some(({ namespace, tables }) =>
    Object.entries(tables).some(
      ([name, { write }]) => `${namespace}.${name}` === table && REPLACING.includes(write),
    ),
  )
  if (!isReplaced) return new Set()
  const files = leases.filter((lease) => isLiveLease(deps, lease)).flatMap((lease) => lease.files)
  return new Set(files.filter((file) => liesIn(metadata.location, file.filePath)).map(partitionKey))
}
