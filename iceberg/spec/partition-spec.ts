/** Iceberg spec, "Partitioning". A transform keeps its wire form, e.g. `bucket[16]`. */
export type Transform =
  'identity' | 'year' | 'month' | 'day' | 'hour' | 'void' | `bucket[${number}]` | `truncate[${number}]`

/** A column of the table and how its values become a partition value. */
export interface PartitionField {
  readonly 'source-id': number
  readonly 'field-id': number
  readonly name: string
  readonly transform: Transform
}

/** How rows are split into partitions. Data files keep the spec that they were written with. */
export interface PartitionSpec {
  readonly 'spec-id': number
  readonly fields: readonly PartitionField[]
}

/** One column of a sort order, by its id. */
export interface SortField {
  readonly 'source-id': number
  readonly transform: Transform
  readonly direction: 'asc' | 'desc'
  readonly 'null-order': 'nulls-first' | 'nulls-last'
}

/** How rows lie within a file; order 0 is none. */
export interface SortOrder {
  readonly 'order-id': number
  readonly fields: readonly SortField[]
}
