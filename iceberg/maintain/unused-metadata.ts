import { inParallel } from '../io/in-parallel.js'
import type { FileIO } from '../io/file-io.js'
import { allFields } from '../spec/schema.js'
import type { Snapshot } from '../spec/snapshot.js'
import { schemasNewestFirst } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { namedManifests } from './named-files.js'

/** Ids of schemas and partition specs that nothing reads or writes with any more. */
export interface UnusedMetadata {
  readonly schemaIds: readonly number[]
  readonly specIds: readonly number[]
}

const READS_AT_ONCE = 16

/**
 * What is neither current nor of one of the `kept` snapshots. A schema that alone still knows a column stays where a kept
 * spec partitions by it, or where there are delete files, which may compare it. Reads the manifest lists.
 */
export async function unusedMetadata(
  io: FileIO,
  metadata: TableMetadata,
  kept: readonly Snapshot[],
): Promise<UnusedMetadata> {
  const lists = await inParallel(kept, READS_AT_ONCE, (snapshot) => namedManifests(io, snapshot))
  const manifests = lists.flat()
  const usedSpecs = new Set<number | undefined>([
    metadata['default-spec-id'],
    ...manifests.map(({ specId }) => specId),
  ])
  // Manifests of v1 that only the metadata names do not tell theirs.
  const specs = metadata['partition-specs'].filter(
    (spec) => usedSpecs.has(undefined) || usedSpecs.has(spec['spec-id']),
  )
  const usedSchemas = usedSchemasOf(metadata, kept, {
    sourceIds: specs.flatMap((spec) => spec.fields.map((field) => field['source-id'])),
    everyColumn: manifests.some(({ isDeletes }) => isDeletes),
  })
  return {
    schemaIds: metadata.schemas.map((schema) => schema['schema-id']).filter((id) => !usedSchemas.has(id)),
    specIds: metadata['partition-specs']
      .filter((spec) => !specs.includes(spec))
      .map((spec) => spec['spec-id']),
  }
}

function usedSchemasOf(
  metadata: TableMetadata,
  kept: readonly Snapshot[],
  needs: { readonly sourceIds: readonly number[]; readonly everyColumn: boolean },
): ReadonlySet<number> {
  const used = new Set([metadata['current-schema-id'], ...kept.flatMap((one) => one['schema-id'] ?? [])])
  const schemas = schemasNewestFirst(metadata)
  const known = new Set(
    schemas.filter((one) => used.has(one['schema-id'])).flatMap((one) => allFields(one).map(({ id }) => id)),
  )
  for (const schema of schemas) {
    const ids = allFields(schema).map(({ id }) => id)
    const wanted = needs.everyColumn ? ids : ids.filter((id) => needs.sourceIds.includes(id))
    if (wanted.every((id) => known.has(id))) continue
    used.add(schema['schema-id'])
    for (const id of ids) known.add(id)
  }
  return used
}
