import type { FileIO } from '../io/file-io.js'
import type { PartitionSpec, SortOrder } from '../spec/partition-spec.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'
import type { ViewMetadata, ViewRequirement, ViewUpdate, ViewVersion } from '../view/view-metadata.js'

/** Properties of a table, a view or a namespace, as the catalog keeps them: text by key. */
export type Properties = Readonly<Record<string, string>>

/** A namespace and a table name. Levels of a namespace are joined by dots, as the JDBC layout does. */
export interface TableIdentifier {
  readonly namespace: string
  readonly name: string
}

/** A table as it stood when it was loaded, and the metadata file that says so. */
export interface LoadedTable {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
  readonly metadata: TableMetadata
}

/** A table to create, empty. It is of format v2 unless its properties name a `format-version`. */
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

/**
 * A change of one table's metadata: `updates` in their order, if all `requirements` hold (Iceberg REST
 * specification).
 */
export interface TableCommit {
  readonly identifier: TableIdentifier
  /** With `assert-create` the table is made of the updates alone, where there is none. */
  readonly requirements: readonly TableRequirement[]
  readonly updates: readonly TableUpdate[]
}

/** Properties of a namespace to set, and keys to remove. */
export interface NamespaceChange {
  readonly set?: Properties
  readonly remove?: readonly string[]
}

/** Which keys a change of a namespace's properties set, removed, and did not find. */
export interface NamespaceUpdate {
  readonly updated: readonly string[]
  readonly removed: readonly string[]
  readonly missing: readonly string[]
}

/**
 * Where a table's current metadata is named. Errors are IcebergErrors: `not-found`, `already-exists`,
 * and for commits `commit-conflict` (definite), `commit-unknown` (maybe), `commit-rejected` (final).
 */
export interface Catalog {
  readonly name: string
  /** Where the files of its tables are read and written. */
  readonly io: FileIO
  /** Throws `already-exists`. Levels are joined by dots; those above it need not be there. */
  createNamespace(namespace: string, properties?: Readonly<Record<string, string>>): Promise<void>
  /** Its properties. Throws `not-found`. */
  loadNamespace(namespace: string): Promise<Properties>
  /** Throws `not-found`. */
  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate>
  /** All of them; with `parent` only those one level below it (`''`: the topmost), also where only deeper ones were made. */
  listNamespaces(parent?: string): Promise<readonly string[]>
  /** Throws `not-empty` where it holds tables, views or other namespaces. */
  dropNamespace(namespace: string): Promise<void>
  /** Views are not among them. Throws `not-found` for the namespace. */
  listTables(namespace: string): Promise<readonly TableIdentifier[]>
  /** Throws `already-exists`, and `not-found` for the namespace. */
  createTable(table: CreateTable): Promise<LoadedTable>
  /** Takes over a table by its metadata file, which stays where it is. */
  registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<LoadedTable>
  /** As it stands now. Throws `not-found`. */
  loadTable(identifier: TableIdentifier): Promise<LoadedTable>
  /** All of them as they stand at one moment: one catalog read. */
  loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]>
  /** All commits or none. Requirements are checked against the newest metadata of each table. */
  commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]>
  /** Its files stay where they are. Throws `not-found` and `already-exists`. */
  renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void>
  /** Forgets the table; with `purge` its files go too. */
  dropTable(identifier: TableIdentifier, options?: { readonly purge?: boolean }): Promise<void>
  /** Absent where the catalog keeps tables only. */
  readonly views?: ViewCatalog
  /** Lets go of connections; no call may follow. */
  close(): void
}

/** A view as it stood when it was loaded, and the metadata file that says so. */
export interface LoadedView {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
  readonly metadata: ViewMetadata
}

/** A view to create, with its first version. */
export interface CreateView {
  readonly identifier: TableIdentifier
  /** Field ids stay as they are. */
  readonly schema: Schema
  readonly version: Omit<ViewVersion, 'version-id' | 'schema-id'>
  /** Default `<warehouse>/<namespace>/<name>`. */
  readonly location?: string
  readonly properties?: Properties
}

/** A change of one view's metadata: `updates` in their order, if all `requirements` hold. */
export interface ViewCommit {
  readonly identifier: TableIdentifier
  readonly requirements: readonly ViewRequirement[]
  readonly updates: readonly ViewUpdate[]
}

/** Views share their names with tables: a name holds one of the two. Errors as those of tables. */
export interface ViewCatalog {
  createView(view: CreateView): Promise<LoadedView>
  loadView(identifier: TableIdentifier): Promise<LoadedView>
  listViews(namespace: string): Promise<readonly TableIdentifier[]>
  commitView(commit: ViewCommit): Promise<LoadedView>
  renameView(from: TableIdentifier, to: TableIdentifier): Promise<void>
  dropView(identifier: TableIdentifier): Promise<void>
}

/** `quantum_features.vqe_results` → its identifier: the last dot parts namespace from name. */
export function parseIdentifier(text: string): TableIdentifier {
  const dot = text.lastIndexOf('.')
  return { namespace: text.slice(0, Math.max(dot, 0)), name: text.slice(dot + 1) }
}

/** `namespace.name`, as `parseIdentifier` takes it. */
export function formatIdentifier(identifier: TableIdentifier): string {
  return `${identifier.namespace}.${identifier.name}`
}
