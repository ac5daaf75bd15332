import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import { FirnError } from '../../schemas/error.js'
import { freeTags, modelTag, type TagDeps, type TaggedVersion } from './free-tags.js'
import type {
  LegacyVersion,
  ModelVersion,
  TrainedVersion,
  VersionKey,
  VersionStore,
} from './version-store.js'

export type RegisterDeps = TagDeps

/**
 * Makes a training a version: PENDING in the registry, a tag that never expires on every input in one transaction, READY.
 * Registry and catalog are two stores, so each step can be done again: a second call for the same training finishes
 * what the first began and gives the same number. Errors: FirnError `not-found` (an input has expired),
 * `training-failed` (the version was deleted meanwhile).
 */
export async function registerVersion(
  deps: RegisterDeps,
  registry: VersionStore,
  training: TrainedVersion,
): Promise<ModelVersion> {
  for (;;) {
    const version = registry.reserve(training, deps.now())
    if (version.state === 'READY') return version
    if (await tagInputs(deps, registry, version)) {
      if (await makeReady(deps, registry, version)) return { ...version, state: 'READY' }
      throw new FirnError(
        'training-failed',
        `version ${version.version} of model "${version.model}" was deleted while it was registered. Train it again.`,
      )
    }
  }
}

/**
 * Frees a version's inputs: DELETING, its tags go in one transaction, DELETED. What it was and which aliases it had stays
 * known. Resolves also where it is deleted already. Errors: FirnError `invalid-input` where an alias names it.
 */
export async function deleteVersion(
  deps: RegisterDeps,
  registry: VersionStore,
  key: VersionKey,
): Promise<void> {
  const version = registry.findVersion(key)
  if (version === undefined) {
    await deleteLegacy(deps, registry, key)
    return
  }
  registry.move(key, ['PENDING', 'READY'], 'DELETING')
  await freeTags(deps, [tagged(version)])
  registry.move(key, ['DELETING'], 'DELETED')
}

/**
 * Finishes what a crash left halfway: tags the inputs of PENDING versions or frees those whose inputs are gone, ends
 * deletions, and frees what was tagged for a version that had been deleted by then. Returns the versions that it settled.
 */
export async function settleVersions(
  deps: RegisterDeps,
  registry: VersionStore,
): Promise<readonly VersionKey[]> {
  const unsettled = registry.list().filter(isUnsettled)
  for (const version of unsettled) {
    if (version.state === 'DELETING') await deleteVersion(deps, registry, version)
    else if (await tagInputs(deps, registry, version).catch(isGone)) await makeReady(deps, registry, version)
  }
  const legacy = registry.listLegacy().filter(isUnsettled)
  for (const version of legacy) await deleteLegacy(deps, registry, version)
  const freed = await freeTags(deps, registry.listDeleted().map(tagged))
  const settled = [...unsettled, ...legacy].map(({ model, version }) => ({ model, version }))
  const isNew = (key: VersionKey): boolean =>
    !settled.some(({ model, version }) => model === key.model && version === key.version)
  return [...settled, ...freed.filter(isNew)]
}

function isUnsettled({ state }: Pick<ModelVersion | LegacyVersion, 'state'>): boolean {
  return state === 'PENDING' || state === 'DELETING'
}

async function deleteLegacy(deps: RegisterDeps, registry: VersionStore, key: VersionKey): Promise<void> {
  const legacy = registry.listLegacy(key.model).find(({ version }) => version === key.version)
  if (legacy === undefined) return
  registry.moveLegacy(key, ['PENDING', 'READY'], 'DELETING')
  await freeTags(deps, [legacy])
  registry.moveLegacy(key, ['DELETING'], 'DELETED')
}

/** False where the tag's name is taken by something else: the number is given up. Throws where an input is gone. */
async function tagInputs(
  deps: RegisterDeps,
  registry: VersionStore,
  version: ModelVersion,
): Promise<boolean> {
  const change = (snapshotId: string): RefChange => ({
    kind: 'create-tag',
    name: modelTag(version),
    snapshotId: toSnapshotId(snapshotId),
  })
  try {
    await changeRefs({
      ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
      tables: Object.entries(version.pin.snapshots).map(([table, snapshotId]) => ({
        identifier: parseIdentifier(table),
        changes: [change(snapshotId)],
      })),
    })
    return true
  } catch (error) {
    if (isIcebergError(error, 'already-exists')) {
      // A registry that was lost or restored gives out numbers again which tags in the lake still name.
      registry.move(version, ['PENDING'], 'DELETED')
      return false
    }
    // A tag is refused on a snapshot that expires at the same moment.
    if (isIcebergError(error, 'not-found') || isIcebergError(error, 'commit-rejected')) {
      registry.move(version, ['PENDING'], 'DELETED')
      throw new FirnError(
        'not-found',
        `an input of version ${version.version} of model "${version.model}" is gone, so it can't be registered: ${error.message}. Train again at a newer tag.`,
        { cause: error },
      )
    }
    throw error
  }
}

/** False where the version was deleted after its inputs were tagged: then they are freed again. */
async function makeReady(
  deps: RegisterDeps,
  registry: VersionStore,
  version: ModelVersion,
): Promise<boolean> {
  if (registry.move(version, ['PENDING', 'READY'], 'READY')) return true
  await freeTags(deps, [tagged(version)])
  return false
}

function tagged({ model, version, pin }: ModelVersion): TaggedVersion {
  return { model, version, snapshots: pin.snapshots }
}

function isGone(error: unknown): boolean {
  if (error instanceof FirnError && error.kind === 'not-found') return false
  throw error
}
