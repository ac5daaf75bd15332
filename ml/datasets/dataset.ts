import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { FirnError } from '../../schemas/error.js'

/** One entity's features as the model's SQL gave them; nothing is filled in or scaled yet. */
export interface FeatureRow {
  readonly entity: string
  readonly group: string
  /** By the data set's `numeric`. */
  readonly numeric: readonly (number | null)[]
  /** By the data set's `categorical`. */
  readonly categorical: readonly (string | null)[]
}

export interface LabelledRow extends FeatureRow {
  readonly label: 0 | 1
}

/** Rows ordered by entity; what is trained on. */
export interface Dataset {
  readonly numeric: readonly string[]
  readonly categorical: readonly string[]
  readonly rows: readonly LabelledRow[]
}

export interface EncodedDataset {
  readonly bytes: Uint8Array
  /** SHA-256 of the canonical text: independent of the layout of the tables that the rows came from. */
  readonly digest: string
}

/** The one text that a data set has, and its digest: columns named once, a row an array, numbers as JavaScript prints them. */
export function encodeDataset(dataset: Dataset): EncodedDataset {
  const rows = dataset.rows.toSorted((a, b) => (a.entity < b.entity ? -1 : a.entity > b.entity ? 1 : 0))
  const { numeric, categorical } = dataset
  const text = JSON.stringify({
    format: 1,
    numeric,
    categorical,
    rows: rows.map((row) => [row.entity, row.group, row.label, row.numeric, row.categorical]),
  })
  return { bytes: gzipSync(text), digest: createHash('sha256').update(text).digest('hex') }
}

/** Reads what `encodeDataset` wrote and checks it against the digest it was announced with. */
export function decodeDataset(bytes: Uint8Array, digest: string): Dataset {
  const text = gunzipSync(bytes)
  const found = createHash('sha256').update(text).digest('hex')
  if (found !== digest) {
    throw new FirnError(
      'contract-broken',
      `the stored data set has digest ${found}, but ${digest} was recorded: the file was changed. Delete it and train again.`,
      { context: { found, digest } },
    )
  }
  const { rows, numeric, categorical } = JSON.parse(text.toString()) as {
    readonly numeric: readonly string[]
    readonly categorical: readonly string[]
    readonly rows: readonly [string, string, 0 | 1, LabelledRow['numeric'], LabelledRow['categorical']][]
  }
  return {
    numeric,
    categorical,
    rows: rows.map(([entity, group, label, numbers, categories]) => ({
      entity,
      group,
      label,
      numeric: numbers,
      categorical: categories,
    })),
  }
}
