import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import type { Type } from '../../iceberg/spec/type.js'
import type { LabelViewDefinition } from '../../schemas/feature-definitions.js'

/** Where a view's rows come from, its SQL read. */
export type ResolvedRows =
  | { readonly kind: 'table'; readonly table: TableIdentifier }
  | {
      readonly kind: 'sql'
      /** Its relations: the tables of `reads` under their plain names, and `parameters` where there are any. */
      readonly sql: string
      readonly reads: readonly TableIdentifier[]
      readonly parameters?: Readonly<Record<string, number | string>>
    }

export interface ResolvedFeature {
  readonly view: string
  readonly feature: string
  /** Its column in a data set: the feature's name, or `view__feature`. */
  readonly column: string
  readonly type: Type
}

export interface ResolvedView {
  readonly name: string
  readonly rows: ResolvedRows
  /** Of all its entities, in their order. */
  readonly joinKeys: readonly string[]
  readonly timestampField: string
  readonly createdTimestampField?: string
  /** Milliseconds; absent: without end. */
  readonly ttlMs?: number
  /** Every feature column of the view with its type, asked for or not. */
  readonly schema: readonly { readonly name: string; readonly type: Type }[]
  /** SHA-256 of all that gives its rows their meaning: SQL text or table, keys, times, ttl, schema, parameters. */
  readonly fingerprint: string
}

/** What is read for a set of feature references, in the order they were asked for. */
export interface ResolvedFeatures {
  readonly features: readonly ResolvedFeature[]
  /** Each view once. */
  readonly views: readonly ResolvedView[]
  /** All that the views read. */
  readonly tables: readonly TableIdentifier[]
  /** SHA-256 over features, their order and their views' fingerprints. */
  readonly fingerprint: string
}

export interface ResolvedLabels {
  readonly name: string
  readonly rows: ResolvedRows
  readonly joinKeys: readonly string[]
  readonly timestampField: string
  readonly label: string
  readonly type: LabelViewDefinition['type']
  readonly maturityMs?: number
  readonly group?: string
  readonly batch?: string
  readonly tables: readonly TableIdentifier[]
  readonly fingerprint: string
}
