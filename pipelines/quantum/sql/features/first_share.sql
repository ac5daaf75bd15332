-- One row a run, from the first share of its iterations. How many these are would tell how long the run was in the end,
-- so counts of steps are given as shares of the window, never as numbers.
WITH steps AS (
  SELECT f.*, greatest(1, floor(p.share * f.total_iterations)) AS k
  FROM ml_iteration_features f
  CROSS JOIN parameters p
  WHERE f.iteration_step <= greatest(1, floor(p.share * f.total_iterations))
),
windows AS (
  SELECT
    experiment_id,
    min(processing_timestamp) AS processing_timestamp,
    min(k) AS k,
    min(cumulative_min_energy) AS best_so_far,
    max(cumulative_min_energy) FILTER (WHERE 2 * iteration_step <= k + 1) AS worst_best_early,
    min(cumulative_min_energy) FILTER (WHERE 2 * iteration_step <= k + 1) AS best_at_half,
    min(cumulative_min_energy) FILTER (WHERE 4 * iteration_step <= 3 * k + 3) AS best_at_three_quarters,
    min(cumulative_min_energy) FILTER (WHERE 10 * iteration_step <= 9 * k + 9) AS best_before_end,
    max(energy_moving_std_5) FILTER (WHERE iteration_step = k) AS energy_std_at_end,
    max(energy) FILTER (WHERE iteration_step = k) AS energy_at_end,
    max(steps_since_improvement) FILTER (WHERE iteration_step = k) AS steps_since_improvement,
    count(*) FILTER (WHERE energy_delta > 0) / nullif(count(energy_delta), 0) AS share_uphill,
    avg(abs(energy_delta) ORDER BY iteration_step) AS energy_step,
    avg(parameter_delta_norm ORDER BY iteration_step) AS param_delta_norm_mean,
    avg(parameter_delta_norm ORDER BY iteration_step) FILTER (WHERE 2 * iteration_step > k) AS param_delta_norm_late
  FROM steps
  GROUP BY experiment_id
)
SELECT
  experiment_id,
  processing_timestamp,
  best_so_far,
  worst_best_early - best_so_far AS drop_so_far,
  best_at_half - best_so_far AS drop_in_second_half,
  best_at_three_quarters - best_so_far AS drop_in_last_quarter,
  best_before_end - best_so_far AS drop_at_end,
  energy_at_end - best_so_far AS distance_to_best,
  ln(energy_std_at_end + 1e-9) AS log_energy_std_at_end,
  steps_since_improvement / k AS plateau_share,
  share_uphill,
  ln(energy_step + 1e-9) AS log_energy_step,
  ln(param_delta_norm_mean + 1e-9) AS log_param_delta_norm_mean,
  ln(param_delta_norm_late + 1e-9) AS log_param_delta_norm_late
FROM windows
ORDER BY experiment_id
