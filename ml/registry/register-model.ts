import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelVersion, Registry, TrainedVersion, VersionKey } from './registry.js'

export type RegisterDeps = Pick<LakeDeps, 'catalog' | 'now' | 'newUuid'>

/**
 * Makes a training a version: PENDING in the registry, a tag that never expires on every input in one transaction, READY.
 * Registry and catalog are two stores, so each step can be done again: a second call for the same training finishes
 * what the first began and gives the same number.
 */
export async function registerModel(
  deps: RegisterDeps,
  registry: Registry,
  training: TrainedVersion,
): Promise<number> {
  for (;;) {
    const version = registry.reserve(training, deps.now())
    if (version.state === 'READY') return version.version
    if (await tagInputs(deps, registry, version)) {
      if (await makeReady(deps, registry, version)) return version.version
      throw new FirnError(
        'training-failed',
        `version ${version.version} of model "${version.model}" was deleted while it was registered. Train it again.`,
      )
    }
  }
}

/** Frees a version: DELETING, its tags go in one transaction, DELETED. Resolves also where it is deleted already. */
export async function deleteModel(deps: RegisterDeps, registry: Registry, key: VersionKey): Promise<void> {
  const version = registry.list(key).find((candidate) => candidate.version === key.version)
  if (version === undefined) return
  registry.move(key, ['PENDING', 'READY'], 'DELETING')
  await dropTags(deps, registry, version)
  registry.move(key, ['DELETING'], 'DELETED')
}

/**
 * Finishes what a crash left halfway: tags the inputs of PENDING versions or frees those whose inputs are gone, and ends
 * deletions. Returns the versions that it settled.
 */
export async function settleRegistry(deps: RegisterDeps, registry: Registry): Promise<readonly VersionKey[]> {
  const unsettled = registry.list().filter(({ state }) => state === 'PENDING' || state === 'DELETING')
  for (const version of unsettled) {
    if (version.state === 'DELETING') await deleteModel(deps, registry, version)
    else if (await tagInputs(deps, registry, version).catch(isGone)) await makeReady(deps, registry, version)
  }
  return unsettled.map(({ pipeline, model, version }) => ({ pipeline, model, version }))
}

/** The tag that keeps a version's inputs. */
function modelTag(model: string, version: number): string {
  return `model-${model}-${version}-data`
}

/** False where the tag's name is taken by something else: the number is given up. Throws where an input is gone. */
async function tagInputs(deps: RegisterDeps, registry: Registry, version: ModelVersion): Promise<boolean> {
  try {
    await changeInputTags(deps, version, (name, snapshotId) => ({
      kind: 'create-tag',
      name,
      snapshotId: toSnapshotId(snapshotId),
    }))
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
async function makeReady(deps: RegisterDeps, registry: Registry, version: ModelVersion): Promise<boolean> {
  if (registry.move(version, ['PENDING', 'READY'], 'READY')) return true
  await dropTags(deps, registry, version)
  return false
}

/** A version of the same name and number in another pipeline may be trained on the same snapshots: its tag stays. */
async function dropTags(deps: RegisterDeps, registry: Registry, version: ModelVersion): Promise<void> {
  const twins = registry
    .list({ model: version.model })
    .filter(({ pipeline, state }) => pipeline !== version.pipeline && state !== 'DELETING')
    .filter((other) => other.version === version.version)
  const shared = new Set(twins.flatMap((twin) => Object.keys(twin.pin.snapshots)))
  const own = Object.entries(version.pin.snapshots).filter(([table]) => !shared.has(table))
  const pin = { ...version.pin, snapshots: Object.fromEntries(own) }
  await changeInputTags(deps, { ...version, pin }, (name) => ({ kind: 'drop', name }))
}

function isGone(error: unknown): boolean {
  if (error instanceof FirnError && error.kind === 'not-found') return false
  throw error
}

async function changeInputTags(
  deps: RegisterDeps,
  { pin, model, version }: ModelVersion,
  change: (name: string, snapshotId: string) => RefChange,
): Promise<void> {
  const name = modelTag(model, version)
  const tables = Object.entries(pin.snapshots).map(([table, snapshotId]) => ({
    identifier: parseIdentifier(table),
    changes: [change(name, snapshotId)],
  }))
  await changeRefs({ catalog: deps.catalog, tables, now: deps.now, newUuid: deps.newUuid })
}
