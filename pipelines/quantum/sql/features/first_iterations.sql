-- One row a run that got to iteration k, from its first k iterations only.
-- Deviations and distances span twenty orders of magnitude: models see their logarithms. What the first row lacks (it has
-- no row before it) is skipped, not counted as zero.
-- log_shot_noise: the deviation that the device itself reports of each energy; exact runs report none.
-- improvement_ratio: the share of the window's energy change that fell in its first half.
WITH steps AS (
  SELECT f.*, p.k
  FROM ml_iteration_features f
  CROSS JOIN parameters p
  WHERE f.iteration_step <= p.k
),
windows AS (
  SELECT
    experiment_id,
    min(processing_timestamp) AS processing_timestamp,
    max(energy_delta) FILTER (WHERE iteration_step = 2) AS energy_delta_2,
    max(energy_delta) FILTER (WHERE iteration_step = 3) AS energy_delta_3,
    max(energy_delta) FILTER (WHERE iteration_step = 4) AS energy_delta_4,
    max(energy_delta) FILTER (WHERE iteration_step = 5) AS energy_delta_5,
    regr_slope(energy, iteration_step ORDER BY iteration_step) AS energy_slope,
    max(energy_moving_std_5) FILTER (WHERE iteration_step = k) AS energy_std_at_k,
    max(steps_since_improvement) FILTER (WHERE iteration_step = k) AS steps_since_improvement_at_k,
    max(steps_since_improvement) AS longest_plateau,
    sum(energy_delta ORDER BY iteration_step) FILTER (WHERE 2 * iteration_step <= k) AS early_improvement,
    sum(energy_delta ORDER BY iteration_step) AS improvement,
    avg(parameter_delta_norm ORDER BY iteration_step) AS param_delta_norm_mean,
    avg(parameter_delta_norm ORDER BY iteration_step) FILTER (WHERE 2 * iteration_step > k) AS param_delta_norm_late,
    sqrt(covar_samp(parameter_delta_norm, parameter_delta_norm ORDER BY iteration_step)) AS param_delta_norm_std,
    avg(energy_std ORDER BY iteration_step) AS shot_noise
  FROM steps
  GROUP BY experiment_id
  HAVING max(iteration_step) = min(k)
)
SELECT
  experiment_id,
  processing_timestamp,
  energy_delta_2,
  energy_delta_3,
  energy_delta_4,
  energy_delta_5,
  energy_slope,
  ln(energy_std_at_k + 1e-9) AS log_energy_std_at_k,
  steps_since_improvement_at_k,
  longest_plateau,
  ln(param_delta_norm_mean + 1e-9) AS log_param_delta_norm_mean,
  ln(param_delta_norm_std + 1e-9) AS log_param_delta_norm_std,
  ln(param_delta_norm_late + 1e-9) AS log_param_delta_norm_late,
  ln(shot_noise + 1e-9) AS log_shot_noise,
  CASE
    WHEN abs(improvement) > 1e-9 THEN greatest(-1.0, least(2.0, early_improvement / improvement))
    ELSE 0.5
  END AS improvement_ratio
FROM windows
ORDER BY experiment_id
