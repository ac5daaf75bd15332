import type { SplitName } from '../../schemas/feature-definitions.js'
import type { ColumnType } from '../../schemas/model-messages.js'

/** A data set's rows by column, in memory; order is the data set's own. */
export interface TrainingTable {
  readonly rows: number
  /** [rows]: JSON array of the join keys' values as text: one text a key, whatever the keys hold. */
  readonly entities: readonly string[]
  /** [rows]: µs since 1970. */
  readonly times: BigInt64Array
  /** [rows]; empty texts where the label view has no group. */
  readonly groups: readonly string[]
  /** [rows]; undefined: the model has no split. */
  readonly splits?: readonly SplitName[]
  /** [rows]: 0 or 1, the class's index in `classes`, or the value. NaN: no label (rows to be scored). */
  readonly labels: Float64Array
  /** Of a multiclass label, sorted. */
  readonly classes?: readonly string[]
  readonly columns: readonly FeatureColumn[]
}

export type FeatureColumn =
  /** NaN: null (and not-a-number, and infinite). Booleans are 0 and 1. */
  | { readonly kind: 'number'; readonly name: string; readonly values: Float64Array }
  | { readonly kind: 'category'; readonly name: string; readonly values: readonly (string | null)[] }
  /** Row-major [rows, size]; every row has a value. */
  | {
      readonly kind: 'tensor'
      readonly name: string
      readonly size: number
      readonly values: Float32Array
    }

export type { ColumnType }
