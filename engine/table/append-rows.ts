import type { DataFile } from '../../iceberg/spec/data-file.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import { rowsOf } from '../../iceberg/spec/rows-of.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { applyTransform } from '../../iceberg/spec/transform.js'
import { isPrimitive, type Value } from '../../iceberg/spec/type.js'
import type { Row } from '../engine.js'
import { writeRows } from '../parquet/write-rows.js'
import type { Basis, ComputedChange } from './compute-change.js'
import { limitMetrics } from './limit-metrics.js'
import { rowValue } from './row-value.js'
import { addSource, checkColumns } from './source-relation.js'
import type { Source } from './table.js'
import { sortSql, writeTableFiles, writeTarget } from './write-target.js'

export async function appendRows(basis: Basis, source: Source): Promise<ComputedChange> {
  const files = await writeSource(basis, source)
  return { change: { kind: 'append', files }, rows: { added: rowsOf(files), updated: 0, deleted: 0 } }
}

/** The source's rows as data files of the table. */
export async function writeSource(basis: Basis, source: Source): Promise<readonly DataFile[]> {
  const groups = 'sql' in source ? undefined : smallGroups(basis, 'rows' in source ? source.rows : source)
  if (groups !== undefined) return writeGroups(basis, groups)
  const session = await basis.session()
  return writeTableFiles(basis, session, await addSource(session, basis.schema, source))
}

/** A few rows are written without starting a query, which takes longer than they do. */
const FEW_ROWS = 2000
const FEW_PARTITIONS = 32

interface Group {
  readonly partition: readonly (Value | null)[]
  readonly rows: Row[]
}

/** Rows by partition; `undefined`: they are too many, or the table wants them in an order. */
function smallGroups({ metadata, schema }: Basis, rows: readonly Row[]): readonly Group[] | undefined {
  checkColumns(schema, rows)
  if (rows.length > FEW_ROWS || sortSql(metadata, schema) !== undefined) return undefined
  const spec = defaultSpec(metadata)
  const sources = spec.fields.map(({ 'source-id': id, transform }) => {
    const field = schema.fields.find((candidate) => candidate.id === id)
    return field !== undefined && isPrimitive(field.type)
      ? { transform, name: field.name, type: field.type }
      : undefined
  })
  const groups = new Map<string, Group>()
  for (const row of rows) {
    const partition: (Value | null)[] = []
    for (const source of sources) {
      if (source === undefined) return undefined
      const value = rowValue(source.type, row[source.name])
      partition.push(applyTransform(source.transform, source.type, value))
    }
    const key = partitionKey({ specId: spec['spec-id'], partition })
    const group = groups.get(key) ?? { partition, rows: [] }
    if (group.rows.length === 0) groups.set(key, group)
    group.rows.push(row)
  }
  return groups.size > FEW_PARTITIONS ? undefined : [...groups.values()]
}

function writeGroups(
  { metadata, schema, context }: Basis,
  groups: readonly Group[],
): Promise<readonly DataFile[]> {
  const { dataLocation } = writeTarget(metadata)
  return Promise.all(
    groups.map(async ({ partition, rows }) =>
      limitMetrics(
        metadata,
        schema,
        await writeRows({
          io: context.catalog.io,
          schema,
          spec: defaultSpec(metadata),
          partition,
          dataLocation,
          rows,
          newUuid: context.newUuid,
        }),
      ),
    ),
  )
}
