import { currentSchema, fieldById } from '../../iceberg/spec/schema.js'
import type { SnapshotRef } from '../../iceberg/spec/snapshot.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { shapeOf } from '../tables/ensure-tables.js'
import { listedTable, type ListedTable } from './list-tables.js'
import { loadNamedTable } from './table-names.js'

export interface ShownTable extends ListedTable {
  readonly location: string
  readonly uuid: string
  readonly columns: readonly {
    readonly name: string
    /** In the short form of table definitions. */
    readonly type: string
    readonly required: boolean
    readonly id: number
  }[]
  readonly partition: readonly string[]
  readonly refs: readonly {
    readonly name: string
    readonly type: SnapshotRef['type']
    readonly snapshotId: string
    /** How old its snapshot may get; null: as the table's default says. */
    readonly maxAgeMs: string | null
  }[]
  readonly properties: Readonly<Record<string, string>>
}

/** Columns, partitions, refs and totals of one table. */
export async function showTable(deps: Pick<LakeDeps, 'catalog'>, name: string): Promise<ShownTable> {
  const table = await loadNamedTable(deps, name)
  const { metadata } = table
  return {
    ...(await listedTable(deps.catalog.io, table)),
    location: metadata.location,
    uuid: metadata['table-uuid'],
    columns: currentSchema(metadata).fields.map(({ id, name: column, required, type }) => ({
      name: column,
      type: shapeOf(type, false),
      required,
      id,
    })),
    partition: partitionTexts(metadata),
    refs: Object.entries(metadata.refs).map(([ref, of]) => ({
      name: ref,
      type: of.type,
      snapshotId: String(of['snapshot-id']),
      maxAgeMs: of['max-ref-age-ms'] === undefined ? null : String(of['max-ref-age-ms']),
    })),
    properties: metadata.properties,
  }
}

/** As definitions spell them: `basis_set`, `bucket(16, id)`, `day(at)`. */
function partitionTexts(metadata: TableMetadata): readonly string[] {
  const schema = currentSchema(metadata)
  return defaultSpec(metadata).fields.map((field) => {
    const column = fieldById(schema, field['source-id'])?.name ?? field.name
    if (field.transform === 'identity') return column
    const sized = /^(\w+)\[(\d+)\]$/.exec(field.transform)
    return sized === null
      ? `${field.transform}(${column})`
      : `${sized[1] ?? ''}(${sized[2] ?? ''}, ${column})`
  })
}
