import { registerVersion } from '../../../ml/registry/register-version.js'
import type { ModelRegistry } from '../../../ml/registry/model-registry.js'
import { resolveModelUri } from '../../../ml/registry/resolve-model-uri.js'
import type { ModelVersion } from '../../../ml/registry/version-store.js'
import { compareReproduction } from '../../../ml/reproduce/compare-reproduction.js'
import { rebuildDataset, retrain } from '../../../ml/reproduce/make-again.js'
import { runTraining } from '../../../ml/training/run-training.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { ReproduceResult, TrainModelInput } from '../../../schemas/model-messages.js'
import { RUN, trainingRequest } from './toy-lake.js'

let runs = 0

/** What the workflow that trains does, without Temporal. */
export async function trainVersion(
  deps: LakeDeps,
  registry: ModelRegistry,
  input: TrainModelInput,
): Promise<ModelVersion> {
  const runId = (++runs).toString(16).padStart(32, '0')
  const request = await trainingRequest(deps, input, runId)
  const trained = await runTraining(deps, registry, request)
  const { pin, dataset } = request
  return await registerVersion(deps, registry, { pin, dataset, trained, runId, workflow: RUN })
}

/** What `firn reproduce` does, without Temporal. */
export async function reproduceVersion(
  deps: LakeDeps,
  registry: ModelRegistry,
  uri: string,
  seed?: number,
): Promise<ReproduceResult> {
  const given = { uri, ...(seed === undefined ? {} : { seed }) }
  const { model, version, pin, dataset, trained } = resolveModelUri(registry, uri)
  const recorded = { model, version, pin, dataset, trained }
  const rebuilt = await rebuildDataset(deps, pin, dataset.inputs)
  const retrained = await retrain(deps, { given, recorded, rebuilt })
  return compareReproduction({ given, recorded, rebuilt, retrained })
}

/** The parts' verdicts alone. */
export function partsOf({ data, weights, metrics }: ReproduceResult) {
  return { data: data.verdict, weights: weights.verdict, metrics: metrics.verdict }
}
