import type { NamespaceChange, NamespaceUpdate, Properties, TableIdentifier } from './catalog.js'

export interface Swap {
  readonly identifier: TableIdentifier
  /** null: no table and no view may have the name yet. */
  readonly from: string | null
  readonly to: string
}

/**
 * Names that point to metadata locations, of tables or of views. Each call is one transaction.
 * Errors: IcebergError `io` (nothing was changed), `commit-unknown` (the answer was lost).
 */
export interface Pointers {
  /** All at one moment; undefined where there is no such table. */
  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]>
  /** All swaps or none. False where any pointer is not what `from` says. */
  swap(swaps: readonly Swap[]): Promise<boolean>
  /** By namespace and name. */
  list(namespace?: string): Promise<readonly TableIdentifier[]>
  /** False where `from` does not exist or `to` does, as a table or a view. */
  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean>
  /** Gives back the pointer that it removed. */
  remove(identifier: TableIdentifier): Promise<string | undefined>
}

/** What a catalog of metadata files stands on: the pointers of its tables, those of its views, and its namespaces. */
export interface PointerStore extends Pointers {
  /** Absent in stores of an older layout. */
  readonly views?: Pointers
  /** Names with properties of their own; tables may imply further ones. */
  namespaces(): Promise<readonly string[]>
  /** Undefined where it has none of its own. */
  namespaceProperties(namespace: string): Promise<Properties | undefined>
  /** False where it exists. */
  addNamespace(namespace: string, properties: Properties): Promise<boolean>
  /** Gives the namespace a row of its own where it had none. */
  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate>
  removeNamespace(namespace: string): Promise<void>
  close(): void
}
