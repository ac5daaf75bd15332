import { FirnError } from '../../schemas/error.js'
import type { MirrorStore, MirrorSubject } from '../registry/mirror-store.js'
import type { RunStore } from '../registry/run-store.js'
import type { ModelVersion, VersionKey, VersionStore } from '../registry/version-store.js'
import { mirrorRun } from './mirror-run.js'
import type { JsonObject, MlflowClient } from './mlflow-client.js'
import { quoted, unlessMissing } from './remote-run.js'
import { withLease } from './with-lease.js'

type Versions = Pick<VersionStore, 'findVersion' | 'list'> &
  Pick<RunStore, 'getRun' | 'metricHistory'> &
  MirrorStore

/** Tag that a version is found again by: MLflow counts its versions itself. */
const VERSION_TAG = 'firn.version'

/**
 * Tells MLflow of a version that is READY, or of one it knows that was deleted since: its run, the registered model, the
 * version with what it was trained on as tags. Earlier versions that it doesn't know come first, so that its numbers are
 * ours where they can be. Resolves to the version's number at MLflow. Errors: as `mirrorRun`.
 */
export async function mirrorVersion(
  client: MlflowClient,
  registry: Versions,
  key: VersionKey,
): Promise<string> {
  const isKnown = (version: VersionKey): boolean =>
    registry.mirrored(client.target, subjectOf(version)) !== undefined
  const earlier = registry
    .list(key.model)
    .filter(({ state, version }) => state === 'READY' && version < key.version)
    .reverse()
  for (const version of earlier) if (!isKnown(version)) await mirrorOne(client, registry, version)
  return await mirrorOne(client, registry, key)
}

async function mirrorOne(client: MlflowClient, registry: Versions, key: VersionKey): Promise<string> {
  const version = registry.findVersion(key)
  if (version === undefined || version.state === 'PENDING') {
    throw new FirnError('not-found', `model "${key.model}" has no version ${key.version} that is READY`)
  }
  const known = registry.mirrored(client.target, subjectOf(key))
  if (known !== undefined && known.revision >= version.revision) return known.remoteId
  const run = registry.getRun(version.runId)
  const runId = run === undefined ? undefined : await mirrorRun(client, registry, run.runId)
  return await client.insist(() =>
    withLease(client, registry, `model ${key.model}`, async (leased) => {
      const remoteId = await ensureRemoteVersion(leased, version, runId)
      registry.markMirrored(client.target, subjectOf(key), { revision: version.revision, remoteId })
      return remoteId
    }),
  )
}

function subjectOf({ model, version }: VersionKey): MirrorSubject {
  return { kind: 'version', model, version }
}

interface RemoteVersion {
  readonly number: string
  readonly tags: ReadonlyMap<string, string>
}

async function ensureRemoteVersion(
  client: MlflowClient,
  version: ModelVersion,
  runId: string | undefined,
): Promise<string> {
  const { model } = version
  await ensureModel(client, model)
  const tags = versionTags(version)
  if ((await findVersions(client, version)).length === 0) {
    await client.send('POST', 'model-versions/create', {
      ...{ name: model, source: sourceOf(version), tags: tags.map(([key, value]) => ({ key, value })) },
      ...(runId === undefined ? {} : { run_id: runId }),
    })
  }
  const [first, ...doubles] = await findVersions(client, version)
  for (const { number } of doubles)
    await client.send('DELETE', 'model-versions/delete', { name: model, version: number })
  if (first === undefined) {
    throw new FirnError(
      'io',
      `MLflow at ${client.target} doesn't show version ${version.version} of model "${model}" that was created there. It is tried again later.`,
    )
  }
  const changed = tags.filter(([key, value]) => first.tags.get(key) !== value)
  for (const [key, value] of changed)
    await client.send('POST', 'model-versions/set-tag', { name: model, version: first.number, key, value })
  return first.number
}

async function ensureModel(client: MlflowClient, name: string): Promise<void> {
  if ((await unlessMissing(client.send('GET', 'registered-models/get', { name }))) !== undefined) return
  try {
    await client.send('POST', 'registered-models/create', { name })
  } catch (error) {
    const isThere = error instanceof FirnError && error.context['errorCode'] === 'RESOURCE_ALREADY_EXISTS'
    if (!isThere) throw error
  }
}

/** Lowest number first. */
async function findVersions(
  client: MlflowClient,
  { model, version }: VersionKey,
): Promise<readonly RemoteVersion[]> {
  const { model_versions: found } = await client.send('GET', 'model-versions/search', {
    filter: `name = ${quoted(model)} AND tags.\`${VERSION_TAG}\` = '${version}'`,
  })
  return ((found ?? []) as readonly JsonObject[])
    .map((remote) => ({
      number: String(remote['version']),
      tags: new Map(
        ((remote['tags'] ?? []) as readonly { key: string; value: string }[]).map(({ key, value }) => [
          key,
          value,
        ]),
      ),
    }))
    .sort((a, b) => Number(a.number) - Number(b.number))
}

function versionTags(version: ModelVersion): readonly (readonly [string, string])[] {
  const { pin, dataset, trained } = version
  const { codeVersion, backend } = trained.environment
  return Object.entries({
    [VERSION_TAG]: String(version.version),
    'firn.state': version.state,
    'firn.run_id': version.runId,
    'firn.workflow_id': version.workflow.workflowId,
    'firn.pipeline': pin.pipeline,
    'firn.tag': pin.tag,
    'firn.data_tag': `model-${version.model}-${version.version}-data`,
    'firn.service': pin.service,
    'firn.labels': pin.labels,
    ...(pin.split === undefined ? {} : { 'firn.split': pin.split }),
    'firn.estimator': pin.estimator,
    'firn.seed': String(pin.seed),
    'firn.dataset_digest': dataset.digest,
    'firn.test_digest': dataset.testDigest,
    'firn.weights_digest': trained.weightsDigest,
    'firn.backend': backend,
    ...(codeVersion === undefined ? {} : { 'firn.code_version': codeVersion }),
    'firn.artifact_location': trained.artifactLocation,
  })
}

/**
 * A server takes no `file:` source but of its own disk, and no path that leads elsewhere there: where the artifact lies on
 * our disk is said in a query.
 */
function sourceOf({ model, version, trained }: ModelVersion): string {
  const { artifactLocation } = trained
  return artifactLocation.startsWith('file:')
    ? `firn:/models/${model}/${version}?location=${artifactLocation}`
    : artifactLocation
}
