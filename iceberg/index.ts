/** `firnlake/iceberg`: the Apache Iceberg table format, usable without the rest of Firn. */
export { formatIdentifier, parseIdentifier } from './catalog/catalog.js'
export type {
  Catalog,
  CreateTable,
  CreateView,
  LoadedTable,
  LoadedView,
  NamespaceChange,
  NamespaceUpdate,
  Properties,
  TableCommit,
  TableIdentifier,
  ViewCatalog,
  ViewCommit,
} from './catalog/catalog.js'
export { HadoopCatalog, type HadoopCatalogOptions } from './catalog/hadoop.js'
export { MemoryCatalog } from './catalog/memory.js'
export { openCatalog, type CatalogSettings, type CatalogSurroundings } from './catalog/open-catalog.js'
export type { CatalogOptions } from './catalog/pointer-catalog.js'
export { openRestCatalog, type RestCatalogOptions } from './catalog/rest.js'
export { openSqliteCatalog, type SqliteCatalogOptions } from './catalog/sqlite.js'
export { IcebergError, isIcebergError, type IcebergErrorKind, type IcebergErrorOptions } from './error.js'
export {
  updateLocation,
  updateProperties,
  updateSchema,
  updateSortOrder,
  updateSpec,
  updateStatistics,
  upgradeFormat,
  type EvolveOptions,
} from './evolve/evolve-table.js'
export type { PropertyChanges, StatisticsChanges } from './evolve/plan-properties.js'
export type { SortBy } from './evolve/plan-sort-order.js'
export type { SpecChange } from './evolve/plan-spec.js'
export type { AddColumn, SchemaChange, SchemaRules } from './evolve/schema-change.js'
export {
  alwaysFalse,
  alwaysTrue,
  and,
  eq,
  gt,
  gtEq,
  isIn,
  isNaN,
  isNull,
  lt,
  ltEq,
  not,
  notEq,
  notIn,
  notNaN,
  notNull,
  notStartsWith,
  or,
  startsWith,
  type ComparisonOperator,
  type Expression,
} from './expr/expression.js'
export type { InspectRequest, InspectRow, InspectValue } from './inspect/inspect-row.js'
export {
  METADATA_TABLES,
  metadataTable,
  type MetadataTable,
  type MetadataTableName,
} from './inspect/metadata-table.js'
export { decodeDeletionVector } from './format/puffin/deletion-vector.js'
export { parsePuffinFooter, type PuffinBlob, type PuffinFooter } from './format/puffin/puffin-footer.js'
export type { FileIO, FileStatus, ReadRange } from './io/file-io.js'
export { LocalFileIO, type LocalFileIOOptions } from './io/local.js'
export { joinLocation, toLocalPath } from './io/location.js'
export { MemoryFileIO } from './io/memory.js'
export { openFileIO, type FileIOOptions } from './io/open-file-io.js'
export {
  mergeRanges,
  readRanges,
  type ByteRange,
  type MergedRange,
  type MergeOptions,
} from './io/read-ranges.js'
export type { S3ConnectionOptions, S3Credentials } from './io/s3-client.js'
export type { S3FileIOOptions } from './io/s3.js'
export type { FailedDelete } from './maintain/delete-files.js'
export type { RewriteTarget } from './maintain/commit-rewrite.js'
export {
  compactTable,
  type CompactRequest,
  type CompactResult,
  type ReplacedFile,
} from './maintain/compact.js'
export { expireSnapshots, type ExpireRequest, type ExpireResult } from './maintain/expire.js'
export type { EqualPrefixes } from './maintain/location-parts.js'
export { removeOrphans, streamOrphans, type OrphanFile, type OrphanRequest } from './maintain/orphans.js'
export {
  planCompaction,
  type CompactionGroup,
  type CompactionOptions,
  type CompactionTable,
} from './maintain/plan-compaction.js'
export {
  planDeleteRewrite,
  type DeleteRewriteGroup,
  type DeleteRewriteOptions,
  type DeleteRewritePlan,
} from './maintain/plan-delete-rewrite.js'
export { planExpire, type ExpireOptions, type ExpirePlan } from './maintain/plan-expire.js'
export { planManifestRewrite, type ManifestRewritePlan } from './maintain/plan-manifest-rewrite.js'
export {
  rewriteDeleteFiles,
  type RewriteDeleteFilesRequest,
  type RewriteDeleteFilesResult,
} from './maintain/rewrite-deletes.js'
export {
  rewriteManifests,
  type RewriteManifestsRequest,
  type RewriteManifestsResult,
} from './maintain/rewrite-manifests.js'
export type { DeleteRewriter, RewriteDeletesRequest, Rewriter, RewriteRequest } from './maintain/rewriter.js'
export type { UnneededFile } from './maintain/unneeded-files.js'
export type { UnusedMetadata } from './maintain/unused-metadata.js'
export {
  diffSnapshots,
  type ColumnDiff,
  type DiffRequest,
  type PartitionDiff,
  type PropertyDiff,
  type SnapshotDiff,
} from './scan/diff-snapshots.js'
export type { ManifestCache } from './scan/manifests.js'
export { planAppends, type AppendsRequest } from './scan/plan-appends.js'
export { planFiles, planScan, type ScanRequest } from './scan/plan-scan.js'
export type { FileScanTask, ScanPlan, ScanTarget } from './scan/scan-plan.js'
export type {
  DataFile,
  EntryStatus,
  FieldSummary,
  FileContent,
  FileFormat,
  ManifestEntry,
  ManifestFile,
} from './spec/data-file.js'
export { parseTableMetadata, serializeTableMetadata } from './spec/metadata-json.js'
export {
  createNameMapping,
  NAME_MAPPING_PROPERTY,
  parseNameMapping,
  serializeNameMapping,
  type MappedField,
  type NameMapping,
} from './spec/name-mapping.js'
export type { PartitionField, PartitionSpec, SortField, SortOrder, Transform } from './spec/partition-spec.js'
export { ancestorsOf, headOf, resolveTarget, snapshotById } from './spec/refs.js'
export { currentSchema, fieldByName, schemaById } from './spec/schema.js'
export {
  toSnapshotId,
  type Operation,
  type Snapshot,
  type SnapshotId,
  type SnapshotRef,
  type SnapshotSummary,
} from './spec/snapshot.js'
export { defaultSpec, specById } from './spec/specs.js'
export { valueFromJson, valueToJson } from './spec/single-value-json.js'
export type {
  MetadataLogEntry,
  SnapshotLogEntry,
  StatisticsFile,
  TableMetadata,
} from './spec/table-metadata.js'
export { applyTransform } from './spec/transform.js'
export type {
  ListType,
  MapType,
  NestedField,
  PrimitiveType,
  Schema,
  StructType,
  Type,
  Value,
} from './spec/type.js'
export { planReplacement, type Replacement } from './update/plan-replacement.js'
export type { TableRequirement, TableUpdate } from './update/table-update.js'
export type {
  ViewMetadata,
  ViewRepresentation,
  ViewRequirement,
  ViewUpdate,
  ViewVersion,
  ViewVersionLogEntry,
} from './view/view-metadata.js'
export { cherryPick, type CherryPickOptions } from './write/cherry-pick.js'
export type { BranchRetention, RefChange, RefTarget } from './write/ref-change.js'
export { changeRefs, type RefOptions, type TableRefChanges } from './write/refs.js'
export { replaceTable } from './write/replace-table.js'
export type { RetryOptions } from './write/retry.js'
export type {
  BeforeAttempt,
  Change,
  CollidesWith,
  CommittedTable,
  IsolationLevel,
  RewriteChange,
  RowDelta,
  TableChange,
  TagChange,
  TagRename,
  TransactionResult,
} from './write/table-change.js'
export { commitTransaction, type TransactionOptions } from './write/transaction.js'
