import { assertNever, IcebergError } from '../error.js'
import { stringifyJson } from '../spec/json.js'
import type { Schema } from '../spec/type.js'
import {
  currentViewVersion,
  type ViewMetadata,
  type ViewRequirement,
  type ViewUpdate,
  type ViewVersion,
} from './view-metadata.js'

const VERSIONS_KEPT = 'version.history.num-entries'
const DROP_DIALECT_ALLOWED = 'replace.drop-dialect.allowed'

/** Throws `commit-conflict` where the view is not the one that a requirement names. */
export function checkViewRequirements(
  metadata: ViewMetadata,
  requirements: readonly ViewRequirement[],
): void {
  for (const { uuid } of requirements) {
    const got = metadata['view-uuid']
    if (got.toLowerCase() === uuid.toLowerCase()) continue
    throw new IcebergError(
      'commit-conflict',
      `Requirement failed: view UUID does not match: expected ${got} != ${uuid}; load the view again and retry`,
      { context: { requirement: 'assert-view-uuid', expected: uuid, got } },
    )
  }
}

/**
 * The view's next metadata; `metadata` itself where the updates change nothing. Throws `commit-rejected` for an update that
 * is not valid. `now` in ms since 1970 dates a return to an older version.
 */
export function applyViewUpdates(
  metadata: ViewMetadata,
  updates: readonly ViewUpdate[],
  options: { readonly now: number },
): ViewMetadata {
  const draft: Draft = { metadata, now: options.now, added: new Set() }
  for (const update of updates) applyUpdate(draft, update)
  if (draft.metadata === metadata) return metadata
  requireDialects(metadata, draft.metadata)
  return expireVersions(draft.metadata, draft.added)
}

/** The last added ids resolve the wire's -1. */
interface Draft {
  metadata: ViewMetadata
  readonly now: number
  readonly added: Set<number>
  lastSchemaId?: number
  lastVersionId?: number
}

function applyUpdate(draft: Draft, update: ViewUpdate): void {
  switch (update.action) {
    case 'assign-uuid': {
      assignUuid(draft, update.uuid)
      return
    }
    case 'upgrade-format-version':
      if (update['format-version'] !== 1)
        reject(`views have format version 1, not ${update['format-version']}`)
      return
    case 'add-schema': {
      addSchema(draft, update.schema)
      return
    }
    case 'set-location': {
      change(draft, { location: update.location.replace(/\/+$/, '') })
      return
    }
    case 'set-properties': {
      change(draft, { properties: { ...draft.metadata.properties, ...update.updates } })
      return
    }
    case 'remove-properties': {
      removeProperties(draft, new Set(update.removals))
      return
    }
    case 'add-view-version': {
      addVersion(draft, update['view-version'])
      return
    }
    case 'set-current-view-version': {
      setCurrentVersion(draft, update['view-version-id'])
      return
    }
    default:
      return assertNever(update)
  }
}

function change(draft: Draft, changes: Partial<ViewMetadata>): void {
  draft.metadata = { ...draft.metadata, ...changes }
}

function assignUuid(draft: Draft, uuid: string): void {
  const known = draft.metadata['view-uuid']
  if (known !== '' && known.toLowerCase() !== uuid.toLowerCase()) reject('the uuid of a view cannot change')
  if (known === '') change(draft, { 'view-uuid': uuid.toLowerCase() })
}

function removeProperties(draft: Draft, removals: ReadonlySet<string>): void {
  const kept = Object.entries(draft.metadata.properties).filter(([key]) => !removals.has(key))
  if (kept.length < Object.keys(draft.metadata.properties).length)
    change(draft, { properties: Object.fromEntries(kept) })
}

function addSchema(draft: Draft, schema: Schema): void {
  const { schemas } = draft.metadata
  const text = (one: Schema) => stringifyJson([one.fields, one['identifier-field-ids'] ?? []])
  const same = schemas.find((known) => text(known) === text(schema))
  const id = same?.['schema-id'] ?? 1 + Math.max(-1, ...schemas.map((known) => known['schema-id']))
  draft.lastSchemaId = id
  if (same === undefined) change(draft, { schemas: [...schemas, { ...schema, 'schema-id': id }] })
}

/** A version equal to a known one is that one; a taken id is replaced by the next free one. */
function addVersion(draft: Draft, given: ViewVersion): void {
  const { versions, schemas } = draft.metadata
  const schemaId =
    given['schema-id'] === -1
      ? (draft.lastSchemaId ?? reject('-1 means the schema added last, but this commit adds none'))
      : given['schema-id']
  if (!schemas.some((schema) => schema['schema-id'] === schemaId)) reject(`there is no schema ${schemaId}`)
  const version = { ...given, 'schema-id': schemaId }
  requireOneQueryEach(version)
  const same = versions.find((known) => definitionOf(known) === definitionOf(version))
  const free = Math.max(version['version-id'], 1, ...versions.map((known) => known['version-id'] + 1))
  const id = same?.['version-id'] ?? free
  draft.lastVersionId = id
  if (same !== undefined) return
  draft.added.add(id)
  change(draft, { versions: [...versions, { ...version, 'version-id': id }] })
}

function definitionOf(version: ViewVersion): string {
  const summary = Object.entries(version.summary).sort(([left], [right]) => (left < right ? -1 : 1))
  const queries = version.representations.map(({ type, sql, dialect }) => [type, sql, dialect])
  return JSON.stringify([
    summary,
    queries,
    version['default-catalog'] ?? null,
    version['default-namespace'],
    version['schema-id'],
  ])
}

function requireOneQueryEach(version: ViewVersion): void {
  const seen = new Set<string>()
  for (const dialect of dialectsOf(version)) {
    if (seen.has(dialect)) reject(`Invalid view version: Cannot add multiple queries for dialect ${dialect}`)
    seen.add(dialect)
  }
}

function setCurrentVersion(draft: Draft, wanted: number): void {
  const id =
    wanted === -1
      ? (draft.lastVersionId ?? reject('-1 means the version added last, but this commit adds none'))
      : wanted
  const version = draft.metadata.versions.find((known) => known['version-id'] === id)
  if (version === undefined) return reject(`Cannot set current version to unknown version: ${id}`)
  if (id === draft.metadata['current-version-id']) return
  const timestampMs = draft.added.has(id) ? version['timestamp-ms'] : draft.now
  change(draft, {
    'current-version-id': id,
    'version-log': [...draft.metadata['version-log'], { 'version-id': id, 'timestamp-ms': timestampMs }],
  })
}

/** Programs of a dialect would lose the view without a word. */
function requireDialects(before: ViewMetadata, after: ViewMetadata): void {
  if (after.properties[DROP_DIALECT_ALLOWED]?.toLowerCase() === 'true') return
  const [old, fresh] = [currentViewVersion(before), currentViewVersion(after)]
  if (old === undefined || fresh === undefined) return
  const kept = new Set(dialectsOf(fresh))
  const gone = dialectsOf(old).filter((dialect) => !kept.has(dialect))
  if (gone.length === 0) return
  reject(
    `Cannot replace view due to loss of view dialects (${DROP_DIALECT_ALLOWED}=false):\n` +
      `Previous dialects: [${dialectsOf(old).join(', ')}]\nNew dialects: [${[...kept].join(', ')}]`,
  )
}

function dialectsOf(version: ViewVersion): readonly string[] {
  return version.representations.map((representation) => representation.dialect.toLowerCase())
}

/** Keeps the newest versions, always those of this commit and the current one; the log starts after the last gap. */
function expireVersions(metadata: ViewMetadata, added: ReadonlySet<number>): ViewMetadata {
  const current = metadata['current-version-id']
  const text = metadata.properties[VERSIONS_KEPT] ?? '10'
  const wanted = Number(text)
  if (!Number.isInteger(wanted) || wanted < 1) reject(`${VERSIONS_KEPT} must be positive but was ${text}`)
  const limit = Math.max(wanted, new Set([...added, current]).size)
  if (metadata.versions.length <= limit) return metadata
  const newest = metadata.versions
    .map((version) => version['version-id'])
    .filter((id) => id !== current)
    .sort((left, right) => right - left)
  const kept = new Set([current, ...newest.slice(0, limit - 1)])
  const log = metadata['version-log']
  const gap = log.findLastIndex((entry) => !kept.has(entry['version-id']))
  return {
    ...metadata,
    versions: metadata.versions.filter((version) => kept.has(version['version-id'])),
    'version-log': log.slice(gap + 1),
  }
}

function reject(reason: string): never {
  throw new IcebergError('commit-rejected', `the commit is not valid: ${reason}`)
}
