import type { TableSchema } from './pipeline.js'

/**
 * What features mean, said once for training, batch scoring and serving; the words are Feast's. Plain data, safe in the
 * workflow sandbox.
 */

/** What features are about, e.g. a user; its join keys are columns of every view and label view of it. */
export interface EntityDefinition {
  readonly joinKeys: readonly [string, ...string[]]
  readonly description?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly owner?: string
}

interface Described {
  readonly description?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly owner?: string
}

/** Rows come from a table of the pipeline, or from a SELECT over some of them. */
export type RowsFrom =
  | { readonly table: string }
  | {
      /** SQL file; its relations are the tables of `reads` and, where given, `parameters`: one row, a column each. */
      readonly sql: string
      readonly reads: readonly string[]
      readonly parameters?: Readonly<Record<string, number | string>>
    }

/** Features of one or more entities over time: rows of (join keys, timestamp, features). */
export type FeatureViewDefinition = RowsFrom &
  Described & {
    readonly entities: readonly [string, ...string[]]
    /** Column of the event time: what a feature row says was true from then on. */
    readonly timestampField: string
    /** Column that says when the row was known; rows known only after an entity row's time are not joined to it. */
    readonly createdTimestampField?: string
    /** How long a row stays valid, e.g. `30d`; both ends belong to it. Absent: without end. */
    readonly ttl?: string
    /** Feature columns and their types. */
    readonly schema: TableSchema
  }

/** What is to be predicted: rows of (join keys, observation time, label). Also the entity rows of a data set. */
export type LabelViewDefinition = RowsFrom &
  Described & {
    readonly entities: readonly [string, ...string[]]
    readonly timestampField: string
    /** Column of the label: boolean or 0/1, a class's name, or a number. */
    readonly label: string
    readonly type: 'boolean' | 'string' | 'double'
    /** How long after the observation a label can still change, e.g. `30d`; younger ones don't train. */
    readonly maturity?: string
    /** Column of the group that must not lie in two splits and that leave-one-group-out holds out. */
    readonly group?: string
    /** Column of the batch id that an entity came with: batch scoring takes the newest day's. Absent: all are scored. */
    readonly batch?: string
  }

/** A named set of features for one kind of model. */
export interface FeatureServiceDefinition extends Described {
  /** `view:feature` or `view:*`, in the order a model sees them. */
  readonly features: readonly [string, ...string[]]
  /** Columns are named `view__feature`. Default false; names must then be unique. */
  readonly fullFeatureNames?: boolean
}

export type SplitName = 'train' | 'val' | 'test'

/** How entity rows of a label view are assigned to splits; stored as rows of `ml_datasets.splits` under its name. */
export interface SplitDefinition extends Described {
  readonly labels: string
  readonly method:
    /** By salted hash of the entity's keys (or of the group's column): stable when rows are added. */
    | { readonly kind: 'hash'; readonly by: 'entity' | 'group'; readonly fractions: Fractions }
    /** By salted hash within each class of the label: shares of classes are alike. Rows assigned once keep their split. */
    | { readonly kind: 'stratified'; readonly fractions: Fractions }
    /** By observation time: before `valFrom` train, before `testFrom` val, after it test. ISO-8601 instants in UTC. */
    | { readonly kind: 'time'; readonly valFrom: string; readonly testFrom: string }
  /** Salt of the hash. */
  readonly seed: number
}

/** Of all rows; they add up to 1. */
export interface Fractions {
  readonly train: number
  readonly val: number
  readonly test: number
}

/** The parts of a pipeline's definition that say what its features are. */
export interface FeatureDefinitions {
  readonly entities?: Readonly<Record<string, EntityDefinition>>
  readonly featureViews?: Readonly<Record<string, FeatureViewDefinition>>
  readonly labelViews?: Readonly<Record<string, LabelViewDefinition>>
  readonly featureServices?: Readonly<Record<string, FeatureServiceDefinition>>
  /** By split version, e.g. `v1_stratified_80_10_10`. */
  readonly splits?: Readonly<Record<string, SplitDefinition>>
}
