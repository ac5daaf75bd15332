import { gunzipSync } from 'node:zlib'
import { IcebergError, isIcebergError } from '../error.js'
import { parseJson, stringifyJson } from '../spec/json.js'
import { currentViewVersion, type ViewMetadata } from './view-metadata.js'

type Json = Readonly<Record<string, unknown>>

/** What packs to less than its share of this is no view. */
const MOST_BYTES = 64 * 1024 * 1024

/** A view metadata document, plain or gzip. Throws `data-invalid` where it is damaged, `unsupported` where it is newer. */
export function parseViewMetadata(bytes: Uint8Array): ViewMetadata {
  try {
    const plain =
      bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: MOST_BYTES }) : bytes
    return viewMetadataOf(parseJson(new TextDecoder().decode(plain)))
  } catch (cause) {
    if (isIcebergError(cause, 'unsupported')) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `view metadata cannot be read: ${reason}`, { cause })
  }
}

export function serializeViewMetadata(metadata: ViewMetadata): Uint8Array {
  return new TextEncoder().encode(stringifyJson(metadata))
}

/** The same for a document that `parseJson` has read already. */
export function viewMetadataOf(document: unknown): ViewMetadata {
  const view = asObject(document, 'the document')
  const version = view['format-version']
  if (version !== 1) {
    throw new IcebergError('unsupported', `view metadata is of version ${String(version)}; version 1 is read`)
  }
  for (const key of ['view-uuid', 'location']) {
    if (typeof view[key] !== 'string') invalid(`${key} is missing or not a string`)
  }
  asList(view['schemas'], 'schemas')
  asList(view['version-log'], 'version-log')
  for (const one of asList(view['versions'], 'versions')) asList(one['representations'], 'representations')
  const metadata = { ...view, properties: view['properties'] ?? {} } as unknown as ViewMetadata
  const current = currentViewVersion(metadata)
  if (current === undefined) invalid(`there is no version ${metadata['current-version-id']}, the current one`)
  return metadata
}

function asObject(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  invalid(`${what} is missing or not an object`)
}

function asList(value: unknown, what: string): readonly Json[] {
  if (Array.isArray(value)) return value.map((item) => asObject(item, `an item of ${what}`))
  invalid(`${what} is missing or not a list`)
}

function invalid(reason: string): never {
  throw new IcebergError('data-invalid', reason)
}
