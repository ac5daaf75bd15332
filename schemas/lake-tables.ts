import type { TableIdentifier } from '../iceberg/catalog/catalog.js'
import type { TableSchema } from './pipeline.js'

/** Columns of the envelope that every landed record travels in; in a raw relation each has an underscore before it. */
export const ENVELOPE_COLUMNS = {
  record_id: 'string!',
  topic: 'string!',
  path: 'string',
  partition: 'int!',
  offset: 'long!',
  key: 'string',
  timestamp: 'timestamptz',
} as const satisfies TableSchema

/** `batch`: the one row that says which batch is built, a relation of every table's SQL. */
export const BATCH_COLUMNS = {
  batch_id: 'string!',
  pipeline: 'string!',
  processing_timestamp: 'timestamptz!',
  processing_date: 'date!',
} as const satisfies TableSchema

/**
 * `raw.<source>`: one row an object of a topic, one row a file of an object of a folder or a prefix. Unpartitioned. A row
 * without records whose path begins with `gap:` says why offsets are missing. `last_record`: offset and digest of the last
 * record of a topic's row, by which a restored broker is noticed.
 */
export const LEDGER_COLUMNS = {
  row_number: 'long!',
  path: 'string!',
  incarnation: 'string!',
  partition: 'int!',
  first: 'long!',
  next_offset: 'long!',
  records: 'long!',
  dead_letters: 'long!',
  bytes: 'long!',
  sha256: 'string!',
  source_path: 'string',
  source_size: 'long',
  source_mtime_ms: 'long',
  min_event_time: 'timestamptz',
  max_event_time: 'timestamptz',
  batch: 'string!',
  last_record: 'string',
  source_etag: 'string',
} as const satisfies TableSchema

export function ledgerIdentifier(source: string): TableIdentifier {
  return { namespace: 'raw', name: source }
}

/** Whether a table is the ledger of a source. */
export function isLedger({ namespace, name }: TableIdentifier): boolean {
  return namespace === DEAD_LETTERS.namespace && name !== DEAD_LETTERS.name
}

/** `raw.dead_letters`: records that break their source's contract. */
export const DEAD_LETTER_COLUMNS = {
  source: 'string!',
  path: 'string',
  partition: 'int!',
  offset: 'long!',
  key: 'string',
  raw: 'binary!',
  error_kind: 'string!',
  message: 'string!',
  document_path: 'string',
  landed_at: 'timestamptz!',
  batch: 'string!',
  incarnation: 'string',
  timestamp: 'timestamptz',
} as const satisfies TableSchema

export const DEAD_LETTERS: TableIdentifier = { namespace: 'raw', name: 'dead_letters' }

/** `<namespace>.<source>_ids`: record ids that a source's batches have built; committed with each batch. */
export const SOURCE_IDS_COLUMNS = {
  record_id: 'string!',
  processing_batch_id: 'string!',
} as const satisfies TableSchema

/** Unqualified. */
export function sourceIdsName(source: string): string {
  return `${source}_ids`
}

/** `<namespace>.processing_metadata`: one row a batch, committed with its data. The durable marker. */
export const AUDIT_COLUMNS = {
  processing_batch_id: 'string!',
  processing_name: 'string!',
  processing_timestamp: 'timestamptz!',
  processing_date: 'date!',
  table_names: 'list<string>',
  table_versions: 'list<string>',
  record_counts: 'list<long>',
  source_data_info: 'string',
  snapshot_ids: 'list<long>',
  input_from: 'long',
  input_to: 'long',
  duplicates: 'long',
  definition_fingerprint: 'string',
  workflow_id: 'string',
  run_id: 'string',
  status: 'string!',
  reason: 'string',
  started_at: 'timestamptz',
  duration_ms: 'long',
} as const satisfies TableSchema

export function auditIdentifier(namespace: string): TableIdentifier {
  return { namespace, name: 'processing_metadata' }
}

/** `audit.check_results`: one row a check a batch, committed with the batch. */
export const CHECK_RESULT_COLUMNS = {
  processing_batch_id: 'string!',
  processing_name: 'string!',
  check_name: 'string!',
  severity: 'string!',
  passed: 'boolean!',
  failing_rows: 'long!',
  sample: 'string',
} as const satisfies TableSchema

export const CHECK_RESULTS: TableIdentifier = { namespace: 'audit', name: 'check_results' }

/**
 * `audit.maintenance_runs`: one row a table and run of maintenance in which it had anything to do. `steps`: those that
 * were done, `<step>: <why>` each.
 */
export const MAINTENANCE_RUN_COLUMNS = {
  run_id: 'string!',
  workflow_id: 'string!',
  table_name: 'string!',
  started_at: 'timestamptz!',
  duration_ms: 'long!',
  outcome: 'string!',
  steps: 'list<string>',
  compacted_files: 'long!',
  written_files: 'long!',
  bytes_read: 'long!',
  bytes_written: 'long!',
  rewritten_delete_files: 'long!',
  rewritten_manifests: 'long!',
  expired_snapshots: 'long!',
  dropped_refs: 'list<string>',
  deleted_files: 'long!',
  deleted_bytes: 'long!',
  orphans: 'long!',
  failed_files: 'long!',
  kept: 'list<string>',
  error: 'string',
} as const satisfies TableSchema

export const MAINTENANCE_RUNS: TableIdentifier = { namespace: 'audit', name: 'maintenance_runs' }

/** What every row of a table of predictions has beside the entity's join keys and the model's constants. */
export const PREDICTION_COLUMNS = {
  model: 'string',
  model_version: 'int',
  prediction: 'double',
  features_snapshot_id: 'long',
  scoring_run_id: 'string',
  scored_at: 'timestamptz',
  score_date: 'date',
} as const satisfies TableSchema

/** `ml_datasets`: what is the same for the models of all pipelines. */
export const DATASETS_NAMESPACE = 'ml_datasets'

/**
 * `ml_datasets.splits`: one row an observation (entity and time) and split version. `entity_key` is the JSON array of the
 * join keys' values; `method` is the version's method in words, which may not change under its name.
 */
export const SPLIT_COLUMNS = {
  pipeline: 'string!',
  split_version: 'string!',
  label_view: 'string!',
  entity_key: 'string!',
  event_timestamp: 'timestamptz!',
  split: 'string!',
  stratum: 'string',
  method: 'string!',
  split_seed: 'long!',
} as const satisfies TableSchema

export const SPLIT_KEY = ['pipeline', 'split_version', 'entity_key', 'event_timestamp'] as const
export const SPLIT_PARTITION = ['pipeline', 'split_version'] as const

export const SPLITS: TableIdentifier = { namespace: DATASETS_NAMESPACE, name: 'splits' }

/** `audit.alerts`: one row for what was told once. `webhook`: what became of the POST. */
export const ALERT_COLUMNS = {
  alert_key: 'string!',
  kind: 'string!',
  pipeline: 'string',
  processing_batch_id: 'string',
  subject: 'string',
  message: 'string!',
  webhook: 'string',
  workflow_id: 'string',
  run_id: 'string',
  raised_at: 'timestamptz!',
} as const satisfies TableSchema

export const ALERTS: TableIdentifier = { namespace: 'audit', name: 'alerts' }
