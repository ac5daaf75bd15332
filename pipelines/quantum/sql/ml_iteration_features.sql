WITH steps AS (
  SELECT
    i.experiment_id,
    i.iteration_step,
    m.molecule_name,
    len(m.atom_symbols) AS num_atoms,
    r.num_qubits,
    m.charge,
    m.multiplicity,
    r.basis_set,
    r.optimizer,
    r.ansatz_name AS ansatz_type,
    r.ansatz_reps,
    r.init_strategy,
    r.seed,
    r.default_shots,
    i.iteration_energy AS energy,
    i.energy_std_dev AS energy_std,
    i.energy_delta,
    i.parameter_delta_norm,
    i.cumulative_min_energy,
    row_number() OVER run AS position,
    coalesce(
      i.cumulative_min_energy < lag(i.cumulative_min_energy) OVER run,
      row_number() OVER run = 1
    ) AS is_new_minimum,
    r.total_iterations,
    r.minimum_energy AS final_energy,
    r.success AS converged,
    p.vqe_time,
    p.total_time,
    i.processing_timestamp,
    i.processing_date,
    i.processing_batch_id,
    i.processing_name
  FROM vqe_iterations i
  JOIN vqe_results r ON r.experiment_id = i.experiment_id
  JOIN molecules m ON m.experiment_id = i.experiment_id
  JOIN performance_metrics p ON p.experiment_id = i.experiment_id
  WINDOW run AS (PARTITION BY i.experiment_id ORDER BY i.iteration_step)
)
SELECT
  experiment_id,
  iteration_step,
  molecule_name,
  CAST(num_atoms AS INTEGER) AS num_atoms,
  num_qubits,
  charge,
  multiplicity,
  basis_set,
  optimizer,
  ansatz_type,
  ansatz_reps,
  init_strategy,
  seed,
  default_shots,
  energy,
  energy_std,
  energy_delta,
  parameter_delta_norm,
  cumulative_min_energy,
  is_new_minimum,
  CAST(position - max(CASE WHEN is_new_minimum THEN position END) OVER so_far AS INTEGER) AS steps_since_improvement,
  max(CASE WHEN is_new_minimum THEN iteration_step END) OVER whole_run AS convergence_iteration,
  avg(energy) OVER last_5 AS energy_moving_avg_5,
  -- The deviation; stddev_samp itself fails where a square is beyond a double.
  sqrt(covar_samp(energy, energy) OVER last_5) AS energy_moving_std_5,
  iteration_step / CAST(total_iterations AS DOUBLE) AS relative_iteration,
  (first_value(energy) OVER so_far - cumulative_min_energy) / iteration_step AS energy_improvement_rate,
  CASE
    WHEN cumulative_min_energy = 0 THEN 0.0
    ELSE (energy - cumulative_min_energy) / abs(cumulative_min_energy)
  END AS normalized_energy,
  sum(parameter_delta_norm) OVER so_far / iteration_step AS mean_param_change,
  total_iterations,
  final_energy,
  converged,
  vqe_time,
  total_time,
  processing_timestamp,
  processing_date,
  processing_batch_id,
  processing_name
FROM steps
WINDOW
  whole_run AS (PARTITION BY experiment_id),
  so_far AS (PARTITION BY experiment_id ORDER BY iteration_step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
  last_5 AS (PARTITION BY experiment_id ORDER BY iteration_step ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)
