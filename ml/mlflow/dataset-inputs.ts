import { createHash } from 'node:crypto'
import type { ColumnType } from '../../schemas/model-messages.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { RunInputs } from '../registry/run-store.js'

/** A data-set input as `runs/log-inputs` takes it. */
export interface DatasetInput {
  readonly tags: readonly { readonly key: string; readonly value: string }[]
  readonly dataset: {
    readonly name: string
    readonly digest: string
    readonly source_type: 'iceberg_table'
    readonly source: string
    readonly schema?: string
    readonly profile: string
  }
}

/** What older servers keep of a schema. */
const MAX_SCHEMA_LENGTH = 65_535

/**
 * One input a table: where it was read from is a table at a snapshot; schema and profile are those of the data set that
 * was made of all of them. MLflow keeps one data set a name and digest, so the digest is that of all that is said of it.
 */
export function datasetInputs({ pin, dataset }: RunInputs, catalog?: string): readonly DatasetInput[] {
  const colspec = JSON.stringify({ mlflow_colspec: dataset.signature.inputs.map(mlflowColumn) })
  const schema = colspec.length <= MAX_SCHEMA_LENGTH ? { schema: colspec } : {}
  const { rows, features, digest, orderedDigest, rowsDigest, testDigest, splits } = dataset
  const profile = JSON.stringify({
    ...{ num_rows: rows, num_features: features, splits },
    ...{ digest, ordered_digest: orderedDigest, rows_digest: rowsDigest, test_digest: testDigest },
  })
  return Object.entries(pin.snapshots)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([table, snapshotId]) => {
      const source = JSON.stringify({
        ...{ table, snapshot_id: snapshotId, tag: pin.tag },
        ...(catalog === undefined ? {} : { catalog }),
      })
      const all = canonicalJson({ source, profile, ...schema })
      return {
        tags: [
          { key: 'mlflow.data.context', value: 'training' },
          { key: 'firn.snapshot_id', value: snapshotId },
          { key: 'firn.dataset_digest', value: digest },
        ],
        dataset: {
          ...{ name: table, digest: createHash('sha256').update(all).digest('hex').slice(0, 32) },
          ...{ source_type: 'iceberg_table', source, ...schema, profile },
        },
      }
    })
}

function mlflowColumn({ name, type, nullable }: ColumnType): object {
  const spec = type === 'tensor' ? { type: 'array', items: { type: 'double' } } : { type }
  return { ...spec, name, required: !nullable }
}
