WITH trajectories AS (
  SELECT
    experiment_id,
    max(convergence_iteration) AS convergence_iteration,
    avg(energy_delta ORDER BY iteration_step) AS mean_energy_delta,
    -- Deviations; stddev_samp itself fails where a square is beyond a double.
    sqrt(covar_samp(energy_delta, energy_delta ORDER BY iteration_step)) AS std_energy_delta,
    min(energy) AS min_energy,
    max(energy) AS max_energy,
    avg(parameter_delta_norm ORDER BY iteration_step) AS mean_param_delta_norm,
    sqrt(covar_samp(parameter_delta_norm, parameter_delta_norm ORDER BY iteration_step)) AS std_param_delta_norm,
    sum(parameter_delta_norm ORDER BY iteration_step) AS total_param_distance,
    count(*) FILTER (WHERE is_new_minimum) AS num_new_minima,
    max(steps_since_improvement) AS longest_plateau,
    avg(energy ORDER BY iteration_step) FILTER (WHERE iteration_step <= 10) AS first_10_mean_energy,
    regr_slope(energy, iteration_step ORDER BY iteration_step)
      FILTER (WHERE iteration_step <= 10) AS first_10_energy_slope,
    avg(energy ORDER BY iteration_step)
      FILTER (WHERE iteration_step > total_iterations - 10) AS last_10_mean_energy
  FROM ml_iteration_features
  GROUP BY experiment_id
)
SELECT
  r.experiment_id,
  m.molecule_name,
  CAST(len(m.atom_symbols) AS INTEGER) AS num_atoms,
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
  r.total_iterations,
  r.minimum_energy AS final_energy,
  r.success AS converged,
  t.convergence_iteration,
  t.mean_energy_delta,
  t.std_energy_delta,
  t.min_energy,
  t.max_energy,
  t.max_energy - t.min_energy AS energy_range,
  t.mean_param_delta_norm,
  t.std_param_delta_norm,
  t.total_param_distance,
  CAST(coalesce(t.num_new_minima, 0) AS INTEGER) AS num_new_minima,
  t.longest_plateau,
  coalesce(t.num_new_minima, 0) / CAST(nullif(r.total_iterations, 0) AS DOUBLE) AS improvement_ratio,
  t.first_10_mean_energy,
  CASE WHEN r.total_iterations > 1 THEN t.first_10_energy_slope END AS first_10_energy_slope,
  t.last_10_mean_energy,
  p.vqe_time / nullif(r.total_iterations, 0) AS time_per_iteration,
  p.vqe_time,
  p.total_time,
  r.processing_timestamp,
  r.processing_date,
  r.processing_batch_id,
  r.processing_name
FROM vqe_results r
JOIN molecules m ON m.experiment_id = r.experiment_id
JOIN performance_metrics p ON p.experiment_id = r.experiment_id
LEFT JOIN trajectories t ON t.experiment_id = r.experiment_id
