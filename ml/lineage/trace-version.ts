import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelVersion } from '../registry/version-store.js'
import { readArtifact } from '../training/model-artifact.js'
import { describeTraining } from './describe-training.js'
import { predictionsOf } from './predictions-of.js'
import { readBatches, type PublishedBatch } from './read-batches.js'
import { traceInputs } from './trace-inputs.js'
import type { VersionLineage, VersionOrigin } from './version-lineage.js'

export type LineageDeps = Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines'>

/** A version from its raw objects to its predictions, as the lake knows it now. What is gone is said, never guessed. */
export async function traceVersion(deps: LineageDeps, version: ModelVersion): Promise<VersionLineage> {
  const batches = await batchesAround(deps, version)
  return {
    ...(await originOf(deps, version, batches)),
    predictions: predictionsOf(batches).filter(
      (made) => made.model === version.model && made.version === version.version,
    ),
  }
}

/** A version back to its raw objects: what its lineage file keeps. */
export async function traceOrigin(deps: LineageDeps, version: ModelVersion): Promise<VersionOrigin> {
  return await originOf(deps, version, await batchesAround(deps, version))
}

async function originOf(
  deps: LineageDeps,
  version: ModelVersion,
  batches: readonly PublishedBatch[],
): Promise<VersionOrigin> {
  const inputExample = await exampleOf(deps, version)
  return {
    format: 1,
    ...describeTraining(version, inputExample),
    ...(await traceInputs(deps, version, batches)),
  }
}

/** Of all namespaces that its inputs lie in or its predictions go to. */
async function batchesAround(deps: LineageDeps, { pin }: ModelVersion): Promise<readonly PublishedBatch[]> {
  const inputs = Object.keys(pin.snapshots).map((table) => parseIdentifier(table).namespace)
  const own = deps.pipelines.get(pin.pipeline)?.namespace
  const namespaces = [...new Set([...inputs, ...(own === undefined ? [] : [own])])].sort()
  const batches: PublishedBatch[] = []
  for (const namespace of namespaces) batches.push(...(await readBatches(deps, namespace)))
  return batches
}

/** Undefined where the artifact is gone, or an external trainer wrote another one. */
async function exampleOf(
  deps: Pick<LakeDeps, 'catalog'>,
  { trained }: ModelVersion,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    return (await readArtifact(deps, trained.artifactLocation)).inputExample
  } catch (error) {
    const isRetryable = isIcebergError(error) && error.retryable
    if (isRetryable) throw error
    return undefined
  }
}
