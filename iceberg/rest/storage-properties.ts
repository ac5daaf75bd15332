import type { TableResult } from './table-documents.js'

/** Settings of storage that a server gave, for the locations that start with `prefix`. */
export interface StorageProperties {
  readonly prefix: string
  readonly properties: Readonly<Record<string, string>>
  /** In ms since 1970. */
  readonly expiresAtMs?: number
}

const OF_STORAGE = /^(s3|client|gcs|adls|io)[.-]/

/**
 * What a table's answer says of its storage: one entry for each storage credential and one for the table's own folder where
 * `config` names settings of storage. Credentials come before `config`, as the specification wants. Nothing where the
 * catalog's own settings hold.
 */
export function storageProperties(
  result: TableResult,
  catalog: Readonly<Record<string, string>>,
): readonly StorageProperties[] {
  const { config, credentials, metadata } = result
  const own = Object.keys(config).some((key) => OF_STORAGE.test(key))
  const entry = (prefix: string, given: Readonly<Record<string, string>>): StorageProperties => {
    const properties = { ...catalog, ...config, ...given }
    const expiry = Number(properties['s3.session-token-expires-at-ms'] ?? Number.NaN)
    return { prefix, properties, ...(Number.isFinite(expiry) ? { expiresAtMs: expiry } : {}) }
  }
  const folder = `${metadata.location.replace(/\/+$/, '')}/`
  const covered = credentials.some(({ prefix }) => folder.startsWith(prefix))
  return [
    ...credentials.map((credential) => entry(credential.prefix, credential.config)),
    ...(own && !covered ? foldersOf(result, folder).map((prefix) => entry(prefix, {})) : []),
  ]
}

/** A table may keep its data and metadata outside its own folder. */
function foldersOf({ metadata }: TableResult, folder: string): readonly string[] {
  const others = [metadata.properties['write.data.path'], metadata.properties['write.metadata.path']]
  const named = others.flatMap((path) => (path === undefined ? [] : [`${path.replace(/\/+$/, '')}/`]))
  return [...new Set([folder, ...named])]
}
