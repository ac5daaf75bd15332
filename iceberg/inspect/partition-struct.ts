import type { DataFile } from '../spec/data-file.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, StructType } from '../spec/type.js'
import type { InspectRow, InspectValue } from './inspect-row.js'
import { rowValue } from './inspect-row.js'

/** The fields of all specs together, by field id: the `partition` of a metadata table. Of no spec at all: absent. */
export interface PartitionStruct {
  readonly type?: StructType
  readonly valueOf: (file: DataFile) => InspectRow
}

export function partitionStruct(metadata: TableMetadata): PartitionStruct {
  const schemas = schemasNewestFirst(metadata)
  const fields = new Map<number, { readonly name: string; readonly type: PrimitiveType }>()
  // The newest spec names a field.
  const specs = metadata['partition-specs'].toSorted((a, b) => b['spec-id'] - a['spec-id'])
  for (const spec of specs) {
    const types = partitionTypes(schemas, spec)
    for (const [at, field] of spec.fields.entries()) {
      const type = types[at]
      const known = fields.get(field['field-id'])
      if (known === undefined && type !== undefined) fields.set(field['field-id'], { name: field.name, type })
    }
  }
  const ordered = [...fields].sort(([a], [b]) => a - b)
  const valueOf = (file: DataFile): InspectRow => {
    const own = specById(metadata, file.specId).fields
    return Object.fromEntries(
      ordered.map(([id, { name, type }]): [string, InspectValue] => {
        const at = own.findIndex((field) => field['field-id'] === id)
        return [name, rowValue(type, file.partition[at] ?? null)]
      }),
    )
  }
  if (ordered.length === 0) return { valueOf }
  return {
    type: {
      type: 'struct',
      fields: ordered.map(([id, { name, type }]) => ({ id, name, required: false, type })),
    },
    valueOf,
  }
}
