import type { ExternalActivities } from '../../../activities/external-activities.js'
import type { ModelActivities } from '../../../activities/model-activities.js'
import type { FeatureActivities } from '../../../activities/feature-activities.js'
import type {
  DatasetInfo,
  RecordedVersion,
  TrainedModel,
  TrainingPin,
  TrainModelInput,
} from '../../../schemas/model-messages.js'

/** What a trainer of another language does on a queue of its own. */
export interface External {
  trainExternal: ModelActivities['runTraining']
}

type TrainingActivities = Omit<ModelActivities, 'scoreBatch'> &
  Pick<FeatureActivities, 'extendSplit'> &
  ExternalActivities &
  External

export function pinned(input: TrainModelInput): TrainingPin {
  return {
    pipeline: input.pipeline,
    model: input.model,
    tag: input.at ?? 'v_1',
    seed: input.seed ?? 0,
    snapshots: { 't.rows': '9007199254740993' },
    service: input.service ?? 'base',
    labels: 'converged',
    split: 'v1_stratified_80_10_10',
    estimator: input.estimator ?? 'trees',
    definition: { kind: 'gbdt', trees: 10, maxDepth: 3, learningRate: 0.3, ...input.parameters },
    settings: { task: 'binary-classification' },
    asOf: '2026-07-01T02:00:00.000Z',
  }
}

export const dataset: DatasetInfo = {
  location: 'file:///d',
  rows: 5,
  features: 2,
  digest: 'd',
  orderedDigest: 'o',
  rowsDigest: 'r',
  testDigest: 't',
  splits: { train: { rows: 3, classes: { '0': 1, '1': 2 } }, test: { rows: 2 } },
  definitionFingerprint: 'f',
  fingerprints: { runs: 'f1' },
  signature: { inputs: [], output: { name: 'converged', type: 'double', nullable: false } },
}

export const trained: TrainedModel = {
  artifactLocation: 'file:///m',
  weightsDigest: 'w',
  metrics: { 'test/roc_auc': 0.9, 'test/log_loss': 0.3, cv_auc_mean: 0.8 },
  baseline: { 'test/roc_auc': 0.5, 'test/log_loss': 0.7, cv_auc_mean: 0.5 },
  baselineName: 'rate',
  baselines: { rate: { 'test/roc_auc': 0.5 } },
  folds: [],
  environment: { backend: 'firn', libraries: {}, platform: 'linux', cpu: 'c', threads: {} },
  curve: [{ epoch: 1, loss: 0.5 }],
}

export const recorded: RecordedVersion = {
  model: 'convergence',
  version: 3,
  pin: pinned({ pipeline: 'quantum', model: 'convergence', seed: 7 }),
  dataset,
  trained,
}

/** A registry and trainings where everything goes well. */
export function goodTraining(): TrainingActivities {
  const ok = <T>(value: T) => Promise.resolve(value)
  return {
    listReadyModels: () => ok(['convergence']),
    listDueTrainings: () => ok([]),
    requestTraining: () => ok(undefined),
    pinTraining: (input) => ok(pinned(input)),
    extendSplit: ({ input: { pipeline, split } }) =>
      ok({
        ...{ pipeline, split, tag: 'v_1', status: 'no_changes', added: 0, snapshotId: '9' },
        ...{ rows: 5, unassigned: 0, splits: {}, leaks: { entities: 0, groups: 0, examples: [] } },
      }),
    buildDataset: () => ok(dataset),
    startRun: () => ok(undefined),
    runTraining: () => ok(trained),
    trainExternal: () => ok(trained),
    checkExternal: ({ answer }) => ok(answer),
    finishRun: () => ok(undefined),
    registerVersion: () => ok(1),
    mirrorRegistry: () => ok({ note: 'no tracking server is configured' }),
    settleVersions: () => ok(0),
    sweepScratch: () => ok(0),
    promoteVersion: ({ model, request }) =>
      ok({
        ...{ model, version: request.version, alias: request.alias ?? 'champion' },
        ...{ promoted: true, forced: false, metric: 'roc_auc', challenger: 0.9, champion: null },
        ...{ baseline: { name: 'rate', value: 0.5 }, problems: [] },
      }),
    startSearch: () =>
      ok({
        ...{ at: 'v_1', estimator: 'trees', metric: 'cv_auc_mean', lowerIsBetter: false },
        trials: [{ maxDepth: 2 }, { maxDepth: 3 }, { maxDepth: 4 }],
      }),
    finishSearch: () => ok(undefined),
    findVersion: () => ok(recorded),
    rebuildDataset: () => ok({ kind: 'built', dataset }),
    retrain: () => ok({ kind: 'trained', trained }),
    compareReproduction: ({ recorded: { model, version } }) =>
      ok({
        ...{ verdict: 'identical', model, version },
        data: { verdict: 'identical', reasons: [], digest: 'd', recorded: 'd' },
        weights: { verdict: 'identical', reasons: [], digest: 'w', recorded: 'w' },
        metrics: { verdict: 'identical', reasons: [], differences: {} },
      }),
  }
}
