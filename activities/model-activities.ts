import { publish } from '../lake/publish/publish.js'
import type { Registry } from '../ml/registry/registry.js'
import { registerModel, settleRegistry } from '../ml/registry/register-model.js'
import { scoreBatch } from '../ml/scoring/score-batch.js'
import { buildDataset } from '../ml/datasets/build-dataset.js'
import { resolvePin } from '../ml/training/resolve-pin.js'
import { runTraining } from '../ml/training/run-training.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type {
  DatasetInfo,
  ScoreBatchInput,
  ScoreBatchResult,
  TrainedModel,
  TrainingPin,
  TrainModelInput,
} from '../schemas/messages.js'
import type { RunInfo } from '../schemas/publish.js'
import { runCore } from './run-core.js'

export type ModelActivities = ReturnType<typeof createModelActivities>

export function createModelActivities(deps: LakeDeps, registry: Registry) {
  return {
    /**
     * Effect: none; the pipeline's models that have a READY version, by name.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    listReadyModels: (input: { readonly pipeline: string }): Promise<readonly string[]> =>
      runCore(() => {
        const models = Object.keys(findPipeline(deps.pipelines, input.pipeline).models ?? {}).sort()
        return Promise.resolve(
          models.filter((model) => registry.newestReady(input.pipeline, model) !== undefined),
        )
      }),

    /**
     * Effect: none; resolves a tag to the snapshot ids that the training reads.
     * Key: not needed: Temporal records the answer. Heartbeat: every 2 s. Kinds: not-found, invalid-input, io.
     */
    resolvePin: (input: TrainModelInput): Promise<TrainingPin> => runCore(() => resolvePin(deps, input)),

    /**
     * Effect: writes the data set under a name drawn from its content.
     * Key: the pin; the same pin gives the same bytes.
     * Heartbeat: every 2 s. Kinds: not-found, sql-invalid, training-failed (no usable rows), io.
     */
    buildDataset: (input: { readonly pin: TrainingPin }): Promise<DatasetInfo> =>
      runCore(() => buildDataset(deps, input.pin)),

    /**
     * Effect: trains in a process of its own and writes the artifact.
     * Key: pin and data set digest; seeded, so a second attempt writes the same weights.
     * Heartbeat: every 2 s with fold and epoch. Kinds: training-failed, cancelled, io.
     */
    runTraining: (input: {
      readonly pin: TrainingPin
      readonly dataset: DatasetInfo
    }): Promise<TrainedModel> => runCore((run) => runTraining(deps, input.pin, input.dataset, run)),

    /**
     * Effect: a version PENDING in the registry, tags on its inputs in one transaction, then READY.
     * Key: pin, data set and weights digests: a second attempt finishes or returns the same version.
     * Heartbeat: every 2 s. Kinds: not-found, commit-conflict, commit-unknown, io.
     */
    registerModel: (input: {
      readonly pin: TrainingPin
      readonly dataset: DatasetInfo
      readonly trained: TrainedModel
    }): Promise<number> => runCore(() => registerModel(deps, registry, input)),

    /**
     * Effect: finishes or frees the versions that a crash left between registry and lake; returns how many.
     * Key: a version's state: what is settled is left alone.
     * Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, io.
     */
    settleModels: (): Promise<number> => runCore(async () => (await settleRegistry(deps, registry)).length),

    /**
     * Effect: writes predictions and publishes them: dynamic partition overwrite, tag and audit row at once.
     * Key: model version, features tag and batch, by the audit row; a second run returns the recorded result.
     * Heartbeat: every 2 s. Kinds: not-found, rebuild-needed (again), commit-unknown, commit-conflict, io.
     */
    scoreBatch: (scoring: {
      readonly input: ScoreBatchInput & { readonly batch: string }
      readonly run: RunInfo
    }): Promise<ScoreBatchResult> =>
      runCore(() =>
        scoreBatch(deps, registry, (request) => publish(deps, request), scoring.input, scoring.run),
      ),
  }
}
