-- One row a run that got to iteration 50, from its first 50 iterations only.
-- Deviations and distances span twenty orders of magnitude, so the network sees their logarithms.
-- improvement_ratio: the share of the window's energy change that fell in its first half.
WITH first_steps AS (
  SELECT
    experiment_id,
    min(molecule_name) AS molecule_name,
    min(num_qubits) AS num_qubits,
    min(optimizer) AS optimizer,
    min(init_strategy) AS init_strategy,
    min(basis_set) AS basis_set,
    max(energy_delta) FILTER (WHERE iteration_step = 2) AS energy_delta_2,
    max(energy_delta) FILTER (WHERE iteration_step = 3) AS energy_delta_3,
    max(energy_delta) FILTER (WHERE iteration_step = 4) AS energy_delta_4,
    max(energy_delta) FILTER (WHERE iteration_step = 5) AS energy_delta_5,
    regr_slope(energy, iteration_step ORDER BY iteration_step) AS energy_slope,
    max(energy_moving_std_5) FILTER (WHERE iteration_step = 50) AS energy_std_at_k,
    max(steps_since_improvement) FILTER (WHERE iteration_step = 50) AS steps_since_improvement_at_k,
    max(steps_since_improvement) AS longest_plateau,
    sum(energy_delta ORDER BY iteration_step) FILTER (WHERE iteration_step <= 25) AS early_improvement,
    sum(energy_delta ORDER BY iteration_step) AS improvement,
    avg(parameter_delta_norm ORDER BY iteration_step) AS param_delta_norm_mean,
    sqrt(covar_samp(parameter_delta_norm, parameter_delta_norm ORDER BY iteration_step)) AS param_delta_norm_std
  FROM ml_iteration_features
  WHERE iteration_step <= 50
  GROUP BY experiment_id
  HAVING max(iteration_step) = 50
)
SELECT
  s.experiment_id AS entity,
  s.molecule_name AS "group",
  CAST(r.success AS INTEGER) AS label,
  r.processing_batch_id AS batch,
  s.num_qubits,
  s.optimizer,
  s.init_strategy,
  s.basis_set,
  s.energy_delta_2,
  s.energy_delta_3,
  s.energy_delta_4,
  s.energy_delta_5,
  s.energy_slope,
  ln(s.energy_std_at_k + 1e-9) AS log_energy_std_at_k,
  s.steps_since_improvement_at_k,
  s.longest_plateau,
  ln(s.param_delta_norm_mean + 1e-9) AS log_param_delta_norm_mean,
  ln(s.param_delta_norm_std + 1e-9) AS log_param_delta_norm_std,
  CASE
    WHEN abs(s.improvement) > 1e-9 THEN greatest(-1.0, least(2.0, s.early_improvement / s.improvement))
    ELSE 0.5
  END AS improvement_ratio
FROM first_steps s
JOIN vqe_results r ON r.experiment_id = s.experiment_id
ORDER BY entity
