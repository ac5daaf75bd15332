import type { FileIO } from '../io/file-io.js'
import type { PartitionSpec, SortOrder } from '../spec/partition-spec.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'

/** A namespace and a table name. Levels of a namespace are joined by dots, as the JDBC layout does. */
export interface TableIdentifier {
  readonly namespace: string
  readonly name: string
}

export interface LoadedTable {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
  readonly metadata: TableMetadata
}

export interface CreateTable {
  readonly identifier: TableIdentifier
  /** Field ids are assigned anew, in order, nested fields after their level (as Java's TypeUtil.assignFreshIds). */
  readonly schema: Schema
  readonly partitionSpec?: PartitionSpec
  readonly sortOrder?: SortOrder
  /** Default `<warehouse>/<namespace>/<name>`. */
  readonly location?: string
  readonly properties?: Readonly<Record<string, string>>
}

export interface TableCommit {
  readonly identifier: TableIdentifier
  readonly requirements: readonly TableRequirement[]
  readonly updates: readonly TableUpdate[]
}

/**
 * Where a table's current metadata is named. Errors are IcebergErrors: `not-found`, `already-exists`,
 * and for commits `commit-conflict` (definite), `commit-unknown` (maybe), `commit-rejected` (final).
 */
export interface Catalog {
  readonly name: string
  readonly io: FileIO
  createNamespace(namespace: string, properties?: Readonly<Record<string, string>>): Promise<void>
  listNamespaces(): Promise<readonly string[]>
  dropNamespace(namespace: string): Promise<void>
  listTables(namespace: string): Promise<readonly TableIdentifier[]>
  createTable(table: CreateTable): Promise<LoadedTable>
  loadTable(identifier: TableIdentifier): Promise<LoadedTable>
  /** All of them as they stand at one moment: one catalog read. */
  loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]>
  /** All commits or none. Requirements are checked against the newest metadata of each table. */
  commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]>
  renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void>
  /** Forgets the table; with `purge` its files go too. */
  dropTable(identifier: TableIdentifier, options?: { readonly purge?: boolean }): Promise<void>
  close(): void
}

/** `quantum_features.vqe_results` → its identifier: the last dot parts namespace from name. */
export function parseIdentifier(text: string): TableIdentifier {
  const dot = text.lastIndexOf('.')
  return { namespace: text.slice(0, Math.max(dot, 0)), name: text.slice(dot + 1) }
}

export function formatIdentifier(identifier: TableIdentifier): string {
  return `${identifier.namespace}.${identifier.name}`
}
