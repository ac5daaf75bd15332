import type { TableIdentifier } from './catalog.js'

export interface Swap {
  readonly identifier: TableIdentifier
  /** null: the table must not exist yet. */
  readonly from: string | null
  readonly to: string
}

export type Properties = Readonly<Record<string, string>>

/** A table's row: where its metadata lies. */
export interface Pointer {
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
}

/**
 * What a catalog of metadata files stands on: names that point to metadata locations. Each call is one transaction.
 * Errors: IcebergError `io` (nothing was changed), `commit-unknown` (the answer was lost).
 */
export interface PointerStore {
  /** All at one moment; undefined where there is no such table. */
  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]>
  /** All swaps or none. False where any pointer is not what `from` says. */
  swap(swaps: readonly Swap[]): Promise<boolean>
  tables(namespace?: string): Promise<readonly TableIdentifier[]>
  /** False where `from` does not exist or `to` does. */
  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean>
  /** Gives back the pointer that it removed. */
  remove(identifier: TableIdentifier): Promise<string | undefined>
  /** Names with properties of their own; tables may imply further ones. */
  namespaces(): Promise<readonly string[]>
  /** False where it exists. */
  addNamespace(namespace: string, properties: Properties): Promise<boolean>
  removeNamespace(namespace: string): Promise<void>
  close(): void
}
