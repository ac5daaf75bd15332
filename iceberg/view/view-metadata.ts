import type { Schema } from '../spec/type.js'

/** Iceberg view spec, version 1. Fields this library does not know survive a round trip. */
export interface ViewMetadata {
  readonly 'format-version': 1
  readonly 'view-uuid': string
  readonly location: string
  readonly schemas: readonly Schema[]
  readonly 'current-version-id': number
  readonly versions: readonly ViewVersion[]
  readonly 'version-log': readonly ViewVersionLogEntry[]
  readonly properties: Readonly<Record<string, string>>
}

/** One definition of a view: the same query in one dialect or several. */
export interface ViewVersion {
  readonly 'version-id': number
  /** -1 in an update means "the schema added last". */
  readonly 'schema-id': number
  readonly 'timestamp-ms': number
  readonly summary: Readonly<Record<string, string>>
  readonly representations: readonly ViewRepresentation[]
  /** Where unset: the catalog that the view is in. */
  readonly 'default-catalog'?: string
  /** For names in the query that say no namespace. */
  readonly 'default-namespace': readonly string[]
}

/** A view's query in one dialect of SQL. */
export interface ViewRepresentation {
  readonly type: 'sql'
  readonly sql: string
  readonly dialect: string
}

/** When a version of a view became the current one. */
export interface ViewVersionLogEntry {
  readonly 'version-id': number
  readonly 'timestamp-ms': number
}

/** The REST catalog's `ViewUpdate`, with its own wire names. */
export type ViewUpdate =
  | { readonly action: 'assign-uuid'; readonly uuid: string }
  | { readonly action: 'upgrade-format-version'; readonly 'format-version': number }
  | { readonly action: 'add-schema'; readonly schema: Schema; readonly 'last-column-id'?: number }
  | { readonly action: 'set-location'; readonly location: string }
  | { readonly action: 'set-properties'; readonly updates: Readonly<Record<string, string>> }
  | { readonly action: 'remove-properties'; readonly removals: readonly string[] }
  | { readonly action: 'add-view-version'; readonly 'view-version': ViewVersion }
  /** -1: the one added last. */
  | { readonly action: 'set-current-view-version'; readonly 'view-version-id': number }

/** What must hold of the view for a commit to be valid. */
export interface ViewRequirement {
  readonly type: 'assert-view-uuid'
  readonly uuid: string
}

export function currentViewVersion(metadata: ViewMetadata): ViewVersion | undefined {
  return metadata.versions.find((version) => version['version-id'] === metadata['current-version-id'])
}
