import { assertNever, IcebergError } from '../error.js'
import type { PartitionField, PartitionSpec, Transform } from '../spec/partition-spec.js'
import { currentSchema, fieldByName, fullName, structPath } from '../spec/schema.js'
import { defaultSpec } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { parseTransform, transformResultType } from '../spec/transform.js'
import type { Schema } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { evolutionOf, NO_EVOLUTION, type Evolution } from './evolution.js'

/** One step of a partition spec's evolution; each step sees what the steps before it made. */
export type SpecChange =
  /** Default transform: identity. Default name: as Java chooses, e.g. `seen_day`, `id_bucket_16`. */
  | {
      readonly kind: 'add'
      readonly column: string
      readonly transform?: Transform
      readonly name?: string
    }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'remove'; readonly column: string; readonly transform: Transform }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }

/**
 * How rows are partitioned from now on; what is written stays as it is. A field that the table had before gets its old id
 * back. In v1 a removed field stays as `void`. Throws `invalid-argument`.
 */
export function planSpec(metadata: TableMetadata, changes: readonly SpecChange[]): Evolution {
  const spec = defaultSpec(metadata)
  const start: Draft = { fields: spec.fields, lastId: metadata['last-partition-id'] }
  const draft = changes.reduce((before, change) => applyChange(metadata, before, change), start)
  checkNames(currentSchema(metadata), draft.fields)
  if (sameFields(draft.fields, spec.fields)) return NO_EVOLUTION
  const added: PartitionSpec = { 'spec-id': spec['spec-id'] + 1, fields: draft.fields }
  return evolutionOf(
    metadata,
    [
      { action: 'add-spec', spec: added },
      { action: 'set-default-spec', 'spec-id': -1 },
    ],
    [
      {
        type: 'assert-last-assigned-partition-id',
        'last-assigned-partition-id': metadata['last-partition-id'],
      },
      { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
      { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
    ],
  )
}

interface Draft {
  readonly fields: readonly PartitionField[]
  readonly lastId: number
}

function applyChange(metadata: TableMetadata, draft: Draft, change: SpecChange): Draft {
  switch (change.kind) {
    case 'add':
      return addField(metadata, draft, change)
    case 'remove':
      return removeField(metadata, draft, change)
    case 'rename': {
      const field = named(draft, change.name)
      if (change.to === '') throw invalid(`partition field ${change.name} needs a name`)
      return replaced(draft, field, { ...field, name: change.to })
    }
    default:
      return assertNever(change)
  }
}

function addField(
  metadata: TableMetadata,
  draft: Draft,
  { column, transform = 'identity', name }: Extract<SpecChange, { readonly kind: 'add' }>,
): Draft {
  const source = sourceOf(currentSchema(metadata), column, transform)
  const same = draft.fields.find((field) => field['source-id'] === source && field.transform === transform)
  if (same !== undefined) {
    throw invalid(`the table is partitioned by ${transform} of ${column} already, as ${same.name}`)
  }
  const past =
    metadata['format-version'] < 2 ? undefined : pastField(metadata, draft, source, transform, name)
  const field: PartitionField = past ?? {
    'source-id': source,
    'field-id': draft.lastId + 1,
    name: name ?? defaultName(column, transform),
    transform,
  }
  const fields = draft.fields.map((other) =>
    // A removed field of v1 gives its name away.
    other.name === field.name && other.transform === 'void'
      ? { ...other, name: `${other.name}_${other['field-id']}` }
      : other,
  )
  return { fields: [...fields, field], lastId: Math.max(draft.lastId, field['field-id']) }
}

/** A field of an older spec with this source and transform, so that its values stay one column of the metadata. */
function pastField(
  metadata: TableMetadata,
  draft: Draft,
  source: number,
  transform: Transform,
  name: string | undefined,
): PartitionField | undefined {
  const taken = new Set(draft.fields.map((field) => field['field-id']))
  return metadata['partition-specs']
    .flatMap((spec) => spec.fields)
    .find(
      (field) =>
        field['source-id'] === source &&
        field.transform === transform &&
        !taken.has(field['field-id']) &&
        (name === undefined || field.name === name),
    )
}

function removeField(
  metadata: TableMetadata,
  draft: Draft,
  change: Extract<SpecChange, { readonly kind: 'remove' }>,
): Draft {
  const field = 'name' in change ? named(draft, change.name) : byTransform(metadata, draft, change)
  const isNew = field['field-id'] > metadata['last-partition-id']
  if (metadata['format-version'] === 1 && !isNew)
    return replaced(draft, field, { ...field, transform: 'void' })
  return { ...draft, fields: draft.fields.filter((other) => other !== field) }
}

function byTransform(
  metadata: TableMetadata,
  draft: Draft,
  { column, transform }: { readonly column: string; readonly transform: Transform },
): PartitionField {
  const source = fieldByName(currentSchema(metadata), column)?.id
  const field = draft.fields.find(
    (candidate) => candidate['source-id'] === source && candidate.transform === transform,
  )
  if (field !== undefined) return field
  throw invalid(`the table is not partitioned by ${transform} of ${column}; it has ${listed(draft)}`)
}

function named(draft: Draft, name: string): PartitionField {
  const field = draft.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return field
  throw invalid(`there is no partition field ${name}; there is ${listed(draft)}`)
}

function replaced(draft: Draft, field: PartitionField, by: PartitionField): Draft {
  return { ...draft, fields: draft.fields.map((other) => (other === field ? by : other)) }
}

function sourceOf(schema: Schema, column: string, transform: Transform): number {
  const field = fieldByName(schema, column)
  if (field === undefined) {
    const known = schema.fields.map((candidate) => candidate.name).join(', ')
    throw invalid(`no column '${column}' to partition by; the table has ${known}`)
  }
  if (!isPrimitive(field.type) || structPath(schema, field.id) === undefined) {
    throw invalid(`${column} can't be partitioned by: choose a primitive column outside lists and maps`)
  }
  if (parseTransform(transform).kind === 'unknown') {
    throw invalid(
      `transform ${transform} is not known; use identity, year, month, day, hour, bucket[n] or truncate[n]`,
    )
  }
  transformResultType(transform, field.type)
  return field.id
}

function defaultName(column: string, transform: Transform): string {
  const parsed = parseTransform(transform)
  switch (parsed.kind) {
    case 'identity':
      return column
    case 'bucket':
      return `${column}_bucket_${parsed.buckets}`
    case 'truncate':
      return `${column}_trunc_${parsed.width}`
    case 'void':
      return `${column}_null`
    default:
      return `${column}_${transform}`
  }
}

function checkNames(schema: Schema, fields: readonly PartitionField[]): void {
  const seen = new Set<string>()
  for (const field of fields) {
    const { name, transform } = field
    if (seen.has(name)) throw invalid(`two partition fields would be named ${name}; give one another name`)
    seen.add(name)
    const column = fieldByName(schema, name)
    const isOwn = (transform === 'identity' || transform === 'void') && column?.id === field['source-id']
    if (column === undefined || isOwn) continue
    const source = fullName(schema, field['source-id']) ?? `field ${field['source-id']}`
    throw invalid(
      `partition field ${name} (${transform} of ${source}) has the name of a column; give it another name`,
    )
  }
}

function sameFields(left: readonly PartitionField[], right: readonly PartitionField[]): boolean {
  return (
    left.length === right.length &&
    left.every((field, at) => {
      const other = right[at]
      return (
        field['field-id'] === other?.['field-id'] &&
        field['source-id'] === other['source-id'] &&
        field.name === other.name &&
        field.transform === other.transform
      )
    })
  )
}

function listed(draft: Draft): string {
  return draft.fields.map((field) => field.name).join(', ') || 'none'
}

function invalid(message: string): IcebergError {
  return new IcebergError('invalid-argument', message)
}
