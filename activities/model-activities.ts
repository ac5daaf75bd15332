import { Context } from '@temporalio/activity'
import { publish } from '../lake/publish/publish.js'
import { buildDataset } from '../ml/datasets/build-dataset.js'
import { writeLineageFiles, writeMissingLineage } from '../ml/lineage/write-lineage-files.js'
import type { MlflowClient } from '../ml/mlflow/mlflow-client.js'
import { mirrorUnmirrored } from '../ml/mlflow/mirror-unmirrored.js'
import { promoteVersion } from '../ml/promotion/promote-version.js'
import type { ModelRegistry } from '../ml/registry/model-registry.js'
import { registerVersion, settleVersions } from '../ml/registry/register-version.js'
import { resolveModelUri } from '../ml/registry/resolve-model-uri.js'
import { compareReproduction, type Reproduction } from '../ml/reproduce/compare-reproduction.js'
import { rebuildDataset, retrain } from '../ml/reproduce/make-again.js'
import { scoreBatch } from '../ml/scoring/score-batch.js'
import { finishSearch, startSearch } from '../ml/search/search-run.js'
import { listDueTrainings } from '../ml/training/list-due-trainings.js'
import { sweepScratch } from '../ml/training/sweep-scratch.js'
import { pinTraining } from '../ml/training/pin-training.js'
import { runTraining } from '../ml/training/run-training.js'
import { definitionsOf } from '../ml/views/definitions-of.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type {
  DatasetInfo,
  PromoteRequest,
  PromoteResult,
  RebuiltDataset,
  RecordedVersion,
  ReproduceInput,
  ReproduceResult,
  RetrainedModel,
  ScoreBatchInput,
  ScoreBatchResult,
  SearchModelInput,
  SearchPlan,
  SearchTrial,
  TrainedModel,
  TrainingPin,
  TrainingRequest,
  TrainModelInput,
} from '../schemas/model-messages.js'
import type { RunInfo } from '../schemas/publish.js'
import { TASK_QUEUES, TRAIN_SIGNAL, workflowIds } from '../schemas/workflow-names.js'
import { runCore } from './run-core.js'
import { tellLearning } from './tell-learning.js'

export type ModelActivities = ReturnType<typeof createModelActivities>

/** `mlflow`: absent where no tracking server is configured. */
export function createModelActivities(deps: LakeDeps, registry: ModelRegistry, mlflow?: MlflowClient) {
  return {
    ...trainingActivities(deps, registry),
    ...registryActivities(deps, registry, mlflow),
    ...reproduceActivities(deps, registry),
    ...searchActivities(deps, registry),

    /**
     * Effect: none; the pipeline's models that have a READY version, by name.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    listReadyModels: (input: { readonly pipeline: string }): Promise<readonly string[]> =>
      runCore(() => {
        const models = Object.keys(findPipeline(deps.pipelines, input.pipeline).models ?? {}).sort()
        return Promise.resolve(models.filter((model) => registry.newestReady(model) !== undefined))
      }),

    /**
     * Effect: an alias of a version, with its history, where the gate lets it or is overruled; the tracking server hears it.
     * Key: alias and version: set already, nothing is added.
     * Heartbeat: every 2 s. Kinds: not-found, config.
     */
    promoteVersion: (input: {
      readonly pipeline: string
      readonly model: string
      readonly request: PromoteRequest
    }): Promise<PromoteResult> =>
      runCore(async (run) => {
        const result = promoteVersion(deps, registry, input)
        if (result.promoted && mlflow !== undefined) await mirrorUnmirrored(mlflow, registry, run)
        return result
      }),

    /**
     * Effect: writes predictions and publishes them: dynamic partition overwrite, tag and audit row at once; a run of it.
     * Key: model version, features tag and batch, by the audit row; a second run returns the recorded result.
     * Heartbeat: every 2 s. Kinds: not-found, definition-changed, rebuild-needed (again), commit-unknown, commit-conflict, io.
     */
    scoreBatch: (scoring: {
      readonly input: ScoreBatchInput & { readonly batch: string }
      readonly run: RunInfo
    }): Promise<ScoreBatchResult> =>
      runCore((run) => scoreBatch(deps, registry, (request) => publish(deps, request), scoring, run)),
  }
}

function trainingActivities(deps: LakeDeps, registry: ModelRegistry) {
  return {
    /**
     * Effect: none; resolves a tag to the snapshot ids and definition that the training reads.
     * Key: not needed: Temporal records the answer. Heartbeat: every 2 s. Kinds: not-found, invalid-input, config, io.
     */
    pinTraining: (input: TrainModelInput): Promise<TrainingPin> => runCore(() => pinTraining(deps, input)),

    /**
     * Effect: writes the data set under a name drawn from its content; definitions that changed are kept in their history.
     * Key: the pin; the same pin gives the same bytes.
     * Heartbeat: every 2 s. Kinds: not-found, sql-invalid, training-failed (no usable rows), io.
     */
    buildDataset: (input: { readonly pin: TrainingPin }): Promise<DatasetInfo> =>
      runCore(async () => {
        const dataset = await buildDataset(deps, input.pin)
        const pipeline = findPipeline(deps.pipelines, input.pin.pipeline)
        registry.recordDefinitions(definitionsOf(pipeline), {
          atMs: deps.now(),
          by: `dataset ${dataset.digest}`,
        })
        return dataset
      }),

    /**
     * Effect: trains in a process of its own; the artifact, a run with its metrics, checkpoints while it lasts.
     * Key: pin and data set digest; a second attempt goes on from the last checkpoint to the same weights.
     * Heartbeat: every 2 s with fold and epoch. Kinds: training-failed, cancelled, io.
     */
    runTraining: (input: TrainingRequest): Promise<TrainedModel> =>
      runCore((run) => runTraining(deps, registry, input, { ...run, onTraining: tellLearning(input.tell) })),

    /**
     * Effect: none; models of which so many batches were published since their newest version that a training is due.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    listDueTrainings: (input: { readonly pipeline: string }): Promise<readonly string[]> =>
      runCore(() => listDueTrainings(deps, registry, input.pipeline)),

    /**
     * Effect: the signal `train` to the model's trainer, which is started where it does not run.
     * Key: none: signals that wait together are trained once. Heartbeat: every 2 s. Kinds: io.
     */
    requestTraining: (input: { readonly pipeline: string; readonly model: string }): Promise<void> =>
      runCore(async () => {
        const { pipeline, model } = input
        await Context.current().client.workflow.signalWithStart('trainer', {
          workflowId: workflowIds.trainer(pipeline, model),
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline, model }],
          signal: TRAIN_SIGNAL,
          signalArgs: [{}],
        })
      }),
  }
}

function registryActivities(deps: LakeDeps, registry: ModelRegistry, mlflow: MlflowClient | undefined) {
  return {
    /**
     * Effect: a version PENDING in the registry, tags on its inputs in one transaction, then READY; its lineage files.
     * Key: pin, data set and weights digests: a second attempt finishes or returns the same version.
     * Heartbeat: every 2 s. Kinds: not-found, commit-conflict, commit-unknown, io.
     */
    registerVersion: (input: {
      readonly pin: TrainingPin
      readonly dataset: DatasetInfo
      readonly trained: TrainedModel
      readonly runId: string
      readonly run: RunInfo
    }): Promise<number> =>
      runCore(async () => {
        const { run, ...training } = input
        const workflow = { workflowId: run.workflowId, runId: run.runId }
        const version = await registerVersion(deps, registry, { ...training, workflow })
        await writeLineageFiles(deps, registry, version)
        return version.version
      }),

    /**
     * Effect: the tracking server is told what it does not know yet; none where no server is configured.
     * Key: what was told is marked; a second attempt goes on after it. Never fails a training: what could not be told is
     * told the next time.
     * Heartbeat: every 2 s. Kinds: none.
     */
    mirrorRegistry: (): Promise<{ readonly note: string }> =>
      runCore(async (run) => {
        if (mlflow === undefined) return { note: 'no tracking server is configured' }
        const { mirrored, failed } = await mirrorUnmirrored(mlflow, registry, run)
        const later = failed.map(({ subject, message }) => `${subject} later: ${message}`)
        return { note: [`${mirrored} told to ${mlflow.target}`, ...later.slice(0, 3)].join('; ') }
      }),

    /**
     * Effect: finishes or frees the versions that a crash left between registry and lake; returns how many. Lineage files
     * that are missing are written.
     * Key: a version's state, and its run's artifacts: what is settled is left alone.
     * Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, io.
     */
    settleVersions: (): Promise<number> =>
      runCore(async () => {
        const settled = await settleVersions(deps, registry)
        await writeMissingLineage(deps, registry)
        return settled.length
      }),

    /**
     * Effect: removes files of data sets and checkpoints that no training has touched for a week; returns how many.
     * Key: not needed: what is gone is gone. Heartbeat: every 2 s. Kinds: io.
     */
    sweepScratch: (): Promise<number> => runCore(() => sweepScratch(deps)),
  }
}

function reproduceActivities(deps: LakeDeps, registry: ModelRegistry) {
  return {
    /**
     * Effect: none; a version as it was registered.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, invalid-input.
     */
    findVersion: (input: ReproduceInput): Promise<RecordedVersion> =>
      runCore(() => {
        const { model, version, pin, dataset, trained } = resolveModelUri(registry, input.uri)
        return Promise.resolve({ model, version, pin, dataset, trained })
      }),

    /**
     * Effect: writes the data set of a pin by the definitions of today, as scratch; or says why there is none.
     * Key: the pin. Heartbeat: every 2 s. Kinds: io.
     */
    rebuildDataset: (input: {
      readonly pin: TrainingPin
      readonly inputs?: NonNullable<DatasetInfo['inputs']>
    }): Promise<RebuiltDataset> => runCore(() => rebuildDataset(deps, input.pin, input.inputs)),

    /**
     * Effect: trains again by the recorded settings; only checkpoints, which go when it is done.
     * Key: pin and data set digest. Heartbeat: every 2 s with fold and epoch. Kinds: cancelled, io.
     */
    retrain: (input: {
      readonly given: ReproduceInput
      readonly recorded: RecordedVersion
      readonly rebuilt: RebuiltDataset
    }): Promise<RetrainedModel> => runCore((run) => retrain(deps, input, run)),

    /**
     * Effect: none; a verdict a part.
     * Key: not needed. Heartbeat: every 2 s. Kinds: none.
     */
    compareReproduction: (input: Reproduction): Promise<ReproduceResult> =>
      runCore(() => Promise.resolve(compareReproduction(input))),
  }
}

function searchActivities(deps: LakeDeps, registry: ModelRegistry) {
  return {
    /**
     * Effect: a run that the trials are parts of; the trials themselves and the tag they read follow from model and seed.
     * Key: the run's id. Heartbeat: every 2 s. Kinds: not-found, invalid-input, config, io.
     */
    startSearch: (input: {
      readonly input: SearchModelInput
      readonly runId: string
      readonly run: RunInfo
    }): Promise<SearchPlan> => runCore(() => startSearch(deps, registry, input)),

    /**
     * Effect: the search's run ends with the best trial.
     * Key: the run's id. Heartbeat: every 2 s. Kinds: io.
     */
    finishSearch: (input: {
      readonly runId: string
      readonly metric: string
      readonly best: SearchTrial
      readonly version?: number
    }): Promise<void> =>
      runCore(() => {
        finishSearch(deps, registry, input)
        return Promise.resolve()
      }),
  }
}
