declare const snapshotIdBrand: unique symbol

/** A 64-bit snapshot id. Ids are above 2^53, so it is a bigint inside and a decimal string outside. */
export type SnapshotId = bigint & { readonly [snapshotIdBrand]: true }

/**
 * What a snapshot did: `append` only added data files, `replace` changed no row, `delete` only removed rows,
 * `overwrite` did both.
 */
export type Operation = 'append' | 'replace' | 'overwrite' | 'delete'

/** What a snapshot tells of itself: its operation, counts as text, and what its writer added. */
export type SnapshotSummary = Readonly<Record<string, string>> & { readonly operation: Operation }

/** Iceberg spec, "Snapshots". */
export interface Snapshot {
  readonly 'snapshot-id': SnapshotId
  readonly 'parent-snapshot-id'?: SnapshotId
  readonly 'sequence-number': number
  readonly 'timestamp-ms': number
  readonly 'manifest-list'?: string
  /** v1 only: manifests inlined instead of a manifest list. */
  readonly manifests?: readonly string[]
  readonly summary?: SnapshotSummary
  readonly 'schema-id'?: number
  /** v3: where the ids of the rows it adds start, and how many they are. */
  readonly 'first-row-id'?: number | bigint
  readonly 'added-rows'?: number | bigint
}

/** Iceberg spec, "Snapshot References". */
export interface SnapshotRef {
  readonly 'snapshot-id': SnapshotId
  readonly type: 'tag' | 'branch'
  /** A bigint where it is beyond 2^53, e.g. `NEVER_EXPIRES_MS`. */
  readonly 'max-ref-age-ms'?: number | bigint
  readonly 'max-snapshot-age-ms'?: number | bigint
  readonly 'min-snapshots-to-keep'?: number
}

/** The largest Long of the JVM: a ref that never expires sets it explicitly, since unset takes the table's default. */
export const NEVER_EXPIRES_MS = 9223372036854775807n

/** A snapshot id from a bigint, a decimal text or a safe integer. */
export function toSnapshotId(value: bigint | string | number): SnapshotId {
  return BigInt(value) as SnapshotId
}
