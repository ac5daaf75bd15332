import type { FeatureViewDefinition, LabelViewDefinition, PipelineDefinition } from '../../index.js'

type Features = Required<
  Pick<PipelineDefinition, 'entities' | 'featureViews' | 'labelViews' | 'featureServices' | 'splits'>
>

/** What is known of a run when it starts. */
const SETUP = [
  'run_setup:num_qubits',
  'run_setup:optimizer',
  'run_setup:init_strategy',
  'run_setup:basis_set',
  'run_setup:ansatz_reps',
] as const

/** What the first iterations of a run tell; what is only known at its end (length, energy, times) is never among it. */
const FIRST_ITERATIONS = {
  energy_delta_2: 'double',
  energy_delta_3: 'double',
  energy_delta_4: 'double',
  energy_delta_5: 'double',
  energy_slope: 'double',
  log_energy_std_at_k: 'double',
  steps_since_improvement_at_k: 'int',
  longest_plateau: 'int',
  log_param_delta_norm_mean: 'double',
  log_param_delta_norm_std: 'double',
  log_param_delta_norm_late: 'double',
  log_shot_noise: 'double',
  improvement_ratio: 'double',
} as const

const FIRST_SHARE = {
  best_so_far: 'double',
  drop_so_far: 'double',
  drop_in_second_half: 'double',
  drop_in_last_quarter: 'double',
  drop_at_end: 'double',
  distance_to_best: 'double',
  log_energy_std_at_end: 'double',
  plateau_share: 'double',
  share_uphill: 'double',
  log_energy_step: 'double',
  log_param_delta_norm_mean: 'double',
  log_param_delta_norm_late: 'double',
} as const

export const features: Features = {
  entities: {
    experiment: { joinKeys: ['experiment_id'], description: 'One run of the eigensolver.' },
    iteration: { joinKeys: ['experiment_id', 'iteration_step'], description: 'One iteration of a run.' },
  },
  featureViews: {
    iteration_features: {
      table: 'ml_iteration_features',
      entities: ['iteration'],
      timestampField: 'processing_timestamp',
      schema: {
        energy: 'double',
        energy_delta: 'double',
        parameter_delta_norm: 'double',
        cumulative_min_energy: 'double',
        energy_moving_avg_5: 'double',
        energy_moving_std_5: 'double',
        steps_since_improvement: 'int',
      },
    },
    run_setup: {
      description: 'What is known of a run before its first iteration.',
      table: 'ml_run_summary',
      entities: ['experiment'],
      timestampField: 'processing_timestamp',
      schema: {
        molecule_name: 'string',
        num_qubits: 'int',
        optimizer: 'string',
        init_strategy: 'string',
        basis_set: 'string',
        ansatz_reps: 'int',
      },
    },
    run_summary: {
      description: 'What is known of a run when it has ended: to look at, not to predict its end from.',
      table: 'ml_run_summary',
      entities: ['experiment'],
      timestampField: 'processing_timestamp',
      schema: {
        total_iterations: 'int',
        min_energy: 'double',
        energy_range: 'double',
        num_new_minima: 'int',
        longest_plateau: 'int',
        time_per_iteration: 'double',
      },
    },
    first_10: firstIterations(10),
    first_20: firstIterations(20),
    first_50: firstIterations(50),
    share_25: firstShare(0.25),
    share_50: firstShare(0.5),
    share_75: firstShare(0.75),
  },
  labelViews: {
    converged: runs({ label: 'converged', type: 'boolean', least: 1 }),
    converged_k10: runs({ label: 'converged', type: 'boolean', least: 10 }),
    converged_k20: runs({ label: 'converged', type: 'boolean', least: 20 }),
    converged_k50: runs({ label: 'converged', type: 'boolean', least: 50 }),
    final_energy: runs({ label: 'final_energy', type: 'double', least: 1 }),
  },
  featureServices: {
    convergence_k10: {
      // The ratio of two sums of five steps says little more than noise.
      features: [
        ...SETUP,
        ...Object.keys(FIRST_ITERATIONS)
          .filter((name) => name !== 'improvement_ratio')
          .map((name) => `first_10:${name}`),
      ],
    },
    convergence_k20: { features: [...SETUP, 'first_20:*'] },
    convergence_k50: { features: [...SETUP, 'first_50:*'] },
    energy_25: { features: [...SETUP, 'share_25:*'] },
    energy_50: { features: [...SETUP, 'share_50:*'] },
    energy_75: { features: [...SETUP, 'share_75:*'] },
  },
  splits: {
    v1_stratified_80_10_10: {
      labels: 'converged',
      method: { kind: 'stratified', fractions: { train: 0.8, val: 0.1, test: 0.1 } },
      seed: 1,
    },
  },
}

function firstIterations(k: number): FeatureViewDefinition {
  return {
    description: `The first ${k} iterations of a run that took so many.`,
    sql: 'sql/features/first_iterations.sql',
    reads: ['ml_iteration_features'],
    parameters: { k },
    entities: ['experiment'],
    timestampField: 'processing_timestamp',
    schema: FIRST_ITERATIONS,
  }
}

function firstShare(share: number): FeatureViewDefinition {
  return {
    description: `The first ${share * 100} % of a run's iterations.`,
    sql: 'sql/features/first_share.sql',
    reads: ['ml_iteration_features'],
    parameters: { share },
    entities: ['experiment'],
    timestampField: 'processing_timestamp',
    schema: FIRST_SHARE,
  }
}

function runs(of: {
  readonly label: string
  readonly type: LabelViewDefinition['type']
  /** A run that was over before so many iterations has no row. */
  readonly least: number
}): LabelViewDefinition {
  return {
    sql: 'sql/labels/runs.sql',
    reads: ['vqe_results', 'molecules'],
    parameters: { k: of.least },
    entities: ['experiment'],
    timestampField: 'processing_timestamp',
    label: of.label,
    type: of.type,
    group: 'molecule_name',
    batch: 'processing_batch_id',
  }
}
