import type { Schema } from '../spec/type.js'
import { IcebergError } from '../error.js'
import { applyViewUpdates } from './apply-view-updates.js'
import type { ViewMetadata, ViewVersion } from './view-metadata.js'

export interface NewView {
  readonly uuid: string
  readonly location: string
  readonly schema: Schema
  readonly version: Omit<ViewVersion, 'version-id' | 'schema-id'>
  readonly properties?: Readonly<Record<string, string>>
}

/** The first metadata of a view: schema 0, version 1. */
export function newViewMetadata(view: NewView): ViewMetadata {
  if (view.version.representations.length === 0) {
    throw new IcebergError(
      'invalid-argument',
      'Cannot create a view without a query: give one representation',
    )
  }
  const empty: ViewMetadata = {
    'format-version': 1,
    'view-uuid': view.uuid.toLowerCase(),
    location: view.location.replace(/\/+$/, ''),
    schemas: [],
    'current-version-id': 0,
    versions: [],
    'version-log': [],
    properties: view.properties ?? {},
  }
  const version = { ...view.version, 'version-id': 1, 'schema-id': -1 }
  return applyViewUpdates(
    empty,
    [
      { action: 'add-schema', schema: view.schema },
      { action: 'add-view-version', 'view-version': version },
      { action: 'set-current-view-version', 'view-version-id': -1 },
    ],
    { now: version['timestamp-ms'] },
  )
}
