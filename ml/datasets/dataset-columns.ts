import type { Type } from '../../iceberg/spec/type.js'

/**
 * Columns of a data set's file, in this order: `entity` (JSON array text of the join keys' values), `event_timestamp`
 * (timestamptz), `group` (string), `split` (string, may be null), `batch` (string, may be null), `label` (double or string,
 * may be null), then the features under their own names with a `f:` before them, so that no feature's name can clash.
 */
export const DATASET_COLUMNS = ['entity', 'event_timestamp', 'group', 'split', 'batch', 'label'] as const
export const FEATURE_PREFIX = 'f:'

/** A column as it goes into digests and files. */
export interface DatasetColumn {
  readonly name: string
  readonly type: Type
}
