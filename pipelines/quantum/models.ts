import type { ModelDefinition } from '../../index.js'

/** First of every model's: over the folds none is clearly better, and its probabilities are the least sure of themselves. */
const FOREST = { kind: 'random-forest', trees: 300, maxDepth: 6, minSamplesLeaf: 2 } as const

/** Settings of the trees that the field uses for these runs. */
const BOOSTED = {
  kind: 'gbdt',
  trees: 300,
  maxDepth: 4,
  learningRate: 0.05,
  subsample: 0.8,
  columnSample: 0.8,
  l1: 0.1,
  l2: 1,
} as const

const NETWORK = {
  kind: 'dense',
  hidden: [16],
  epochs: 30,
  batchSize: 32,
  learningRate: 0.01,
  l2: 0.01,
} as const

/** Will a run converge, judged by its first K iterations? */
export function convergence(firstK: 10 | 20 | 50): ModelDefinition {
  return {
    task: 'binary-classification',
    service: `convergence_k${firstK}`,
    labels: `converged_k${firstK}`,
    split: 'v1_stratified_80_10_10',
    validation: { kind: 'leave-one-group-out' },
    estimators: {
      forest: FOREST,
      gbdt: BOOSTED,
      logistic: { kind: 'logistic', l2: 10 },
      dense: NETWORK,
    },
    search: {
      estimator: 'gbdt',
      space: { maxDepth: [2, 3, 4], learningRate: [0.03, 0.1], trees: [100, 300] },
      trials: 6,
    },
    predictions: 'predictions',
    constants: { first_k: firstK },
  }
}

/**
 * How low will a run's energy get, judged by the first share of its iterations? The lowest energy so far is hard to beat,
 * so what is learnt is the drop that remains.
 */
export function energy(percent: 25 | 50 | 75): ModelDefinition {
  return {
    task: 'regression',
    service: `energy_${percent}`,
    labels: 'final_energy',
    split: 'v1_stratified_80_10_10',
    validation: { kind: 'leave-one-group-out' },
    offset: 'best_so_far',
    estimators: {
      forest: FOREST,
      gbdt: { ...BOOSTED, maxDepth: 3 },
      ridge: { kind: 'ridge', l2: 30 },
      dense: NETWORK,
    },
    predictions: 'predictions',
  }
}
