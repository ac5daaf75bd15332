import type { ModelDefinition } from '../../../index.js'

/**
 * Will a run converge, judged by its first K iterations? The features are those of the run's set-up and of its first K
 * rows; what is only known at the end (its length, its energy, its times) is never among them.
 */
export function convergence(firstK: 10 | 20 | 50): ModelDefinition {
  return {
    task: 'binary-classification',
    features: `sql/models/convergence_k${firstK}.sql`,
    numeric: [...NUMERIC, ...(firstK >= 20 ? ['improvement_ratio'] : [])],
    categorical: ['optimizer', 'init_strategy', 'basis_set'],
    reads: ['ml_iteration_features', 'vqe_results'],
    firstK,
    network: { hidden: [16], epochs: 60, batchSize: 32, learningRate: 0.01, l2: 0.001 },
    predictions: 'predictions',
  }
}

const NUMERIC: readonly string[] = [
  'num_qubits',
  'energy_delta_2',
  'energy_delta_3',
  'energy_delta_4',
  'energy_delta_5',
  'energy_slope',
  'log_energy_std_at_k',
  'steps_since_improvement_at_k',
  'longest_plateau',
  'log_param_delta_norm_mean',
  'log_param_delta_norm_std',
]
