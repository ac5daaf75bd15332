import type { DatasetInfo, TrainedModel, TrainingPin } from '../../../schemas/model-messages.js'
import type { TrainedVersion } from '../../../ml/registry/version-store.js'

export interface TrainedVersionChanges {
  readonly pin?: Partial<TrainingPin>
  readonly dataset?: Partial<DatasetInfo>
  readonly trained?: Partial<TrainedModel>
  readonly runId?: string
}

/** What a training hands to the registry; equal arguments are the same training. */
export function trainedVersion({
  pin = {},
  dataset = {},
  trained = {},
  runId,
}: TrainedVersionChanges = {}): TrainedVersion {
  const seed = pin.seed ?? 0
  return {
    pin: {
      ...{ pipeline: 'p', model: 'm', tag: 'v_20260701T000000Z', seed },
      snapshots: { 'f.left': '101', 'f.right': '102' },
      ...{ service: 'm_v1', labels: 'm_label', split: 'v1_80_10_10', estimator: 'logistic' },
      definition: { kind: 'logistic', l2: 0.5 },
      settings: { task: 'binary-classification', classWeights: 'balanced' },
      asOf: '2026-07-01T00:00:00.000Z',
      ...pin,
    },
    dataset: {
      ...{ location: 'file:///scratch/d.arrow', rows: 30, features: 2 },
      ...{ digest: 'd0'.repeat(32), orderedDigest: 'd1'.repeat(32) },
      ...{ rowsDigest: 'd2'.repeat(32), testDigest: 'd3'.repeat(32) },
      splits: {
        train: { rows: 24, classes: { '0': 12, '1': 12 } },
        test: { rows: 6, classes: { '0': 4, '1': 2 } },
      },
      definitionFingerprint: 'f0'.repeat(32),
      fingerprints: { runs: 'f1'.repeat(32), 'label view m_label': 'f2'.repeat(32) },
      signature: {
        inputs: [
          { name: 'signal', type: 'double', nullable: true },
          { name: 'method', type: 'string', nullable: true },
        ],
        output: { name: 'probability', type: 'double', nullable: false },
      },
      ...dataset,
    },
    trained: {
      artifactLocation: `file:///artifacts/${seed}`,
      weightsDigest: `w${seed}`,
      metrics: { 'train/roc_auc': 0.9, 'test/roc_auc': 0.8 },
      baseline: { 'test/roc_auc': 0.5 },
      baselineName: 'overall rate',
      baselines: { 'overall rate': { 'test/roc_auc': 0.5 } },
      folds: [],
      environment: {
        ...{ backend: 'firn', libraries: { firn: '0.2.0' }, platform: 'linux-x64', cpu: 'one', threads: {} },
        codeVersion: '0123abc',
      },
      curve: [{ epoch: 1, loss: 0.5 }],
      ...trained,
    },
    runId: runId ?? `run-${seed}`,
    workflow: { workflowId: 'train/p/m', runId: 'w-1' },
  }
}
