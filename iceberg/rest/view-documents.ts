import { IcebergError } from '../error.js'
import {
  asNumber,
  asObject,
  asObjects,
  asString,
  asStringMap,
  asStrings,
  type Json,
} from '../spec/json-value.js'
import { stringifyJson } from '../spec/json.js'
import { parseSchema } from '../spec/schema-json.js'
import type { Schema } from '../spec/type.js'
import { viewMetadataOf } from '../view/view-json.js'
import type { ViewMetadata, ViewRequirement, ViewUpdate, ViewVersion } from '../view/view-metadata.js'

/** `CreateViewRequest` */
interface CreateViewRequest {
  readonly name: string
  readonly location?: string
  readonly schema: Schema
  readonly version: ViewVersion
  readonly properties: Readonly<Record<string, string>>
}

export function parseCreateView(document: unknown): CreateViewRequest {
  const request = asObject(document, 'the request')
  const location = request['location']
  return {
    name: asString(request['name'], 'the name of the view'),
    ...(typeof location === 'string' ? { location } : {}),
    schema: parseSchema(request['schema']),
    version: parseViewVersion(request['view-version']),
    properties: asStringMap(request['properties'], 'properties'),
  }
}

/** `LoadViewResult` */
interface ViewResult {
  readonly metadataLocation: string
  readonly metadata: ViewMetadata
}

export function parseViewResult(document: unknown): ViewResult {
  const result = asObject(document, 'the answer')
  return {
    metadataLocation: asString(result['metadata-location'], 'metadata-location'),
    metadata: viewMetadataOf(result['metadata']),
  }
}

/** `CommitViewRequest` */
interface ViewCommitRequest {
  readonly requirements: readonly ViewRequirement[]
  readonly updates: readonly ViewUpdate[]
}

export function parseViewCommit(document: unknown): ViewCommitRequest {
  const commit = asObject(document, 'a commit')
  return {
    requirements: asObjects(commit['requirements'] ?? [], 'requirements').map(parseViewRequirement),
    updates: asObjects(commit['updates'] ?? [], 'updates').map(parseViewUpdate),
  }
}

function parseViewVersion(document: unknown): ViewVersion {
  const version = asObject(document, 'a view version')
  return {
    ...version,
    'version-id': asNumber(version['version-id'], 'version-id'),
    'schema-id': asNumber(version['schema-id'], 'schema-id'),
    'timestamp-ms': asNumber(version['timestamp-ms'], 'timestamp-ms'),
    summary: asStringMap(version['summary'], 'summary'),
    representations: asObjects(version['representations'], 'representations').map((one) => {
      if (one['type'] !== 'sql') {
        throw new IcebergError(
          'unsupported',
          `views are written in SQL, not as ${stringifyJson(one['type'])}`,
        )
      }
      return {
        ...one,
        type: 'sql',
        sql: asString(one['sql'], 'sql'),
        dialect: asString(one['dialect'], 'dialect'),
      }
    }),
    'default-namespace': asStrings(version['default-namespace'], 'default-namespace'),
  }
}

function parseViewRequirement(requirement: Json): ViewRequirement {
  const type = requirement['type']
  if (type === 'assert-view-uuid') return { type, uuid: asString(requirement['uuid'], 'uuid') }
  throw new IcebergError('unsupported', `there is no view requirement ${stringifyJson(type)} here`)
}

function parseViewUpdate(update: Json): ViewUpdate {
  const action = asString(update['action'], 'the action of an update')
  switch (action) {
    case 'assign-uuid':
      return { action, uuid: asString(update['uuid'], 'uuid') }
    case 'upgrade-format-version':
      return { action, 'format-version': asNumber(update['format-version'], 'format-version') }
    case 'add-schema':
      return { action, schema: parseSchema(update['schema']) }
    case 'set-location':
      return { action, location: asString(update['location'], 'location') }
    case 'set-properties':
      return { action, updates: asStringMap(update['updates'] ?? update['updated'], 'updates') }
    case 'remove-properties':
      return { action, removals: asStrings(update['removals'] ?? update['removed'], 'removals') }
    case 'add-view-version':
      return { action, 'view-version': parseViewVersion(update['view-version']) }
    case 'set-current-view-version':
      return { action, 'view-version-id': asNumber(update['view-version-id'], 'view-version-id') }
    default:
      throw new IcebergError('unsupported', `there is no view update ${stringifyJson(action)} here`, {
        context: { action },
      })
  }
}
