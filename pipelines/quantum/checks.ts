import type { CheckDefinition } from '../../index.js'

/** What must hold for a batch to be published besides its keys, which Firn checks, and what is only worth a warning. */
export const checks: Readonly<Record<string, CheckDefinition>> = {
  iterations_contiguous: {
    severity: 'blocking',
    description: "Every experiment's iterations are 1, 2, … up to its total_iterations.",
    sql: `
      SELECT r.experiment_id, r.total_iterations, count(i.iteration_step) AS iterations,
        min(i.iteration_step) AS first_step, max(i.iteration_step) AS last_step
      FROM vqe_results r
      LEFT JOIN vqe_iterations i ON i.experiment_id = r.experiment_id
      GROUP BY r.experiment_id, r.total_iterations
      HAVING count(DISTINCT i.iteration_step) <> r.total_iterations
        OR count(i.iteration_step) <> r.total_iterations
        OR coalesce(min(i.iteration_step), 1) <> 1
        OR coalesce(max(i.iteration_step), 0) <> r.total_iterations`,
  },
  iterations_at_least_results: {
    severity: 'blocking',
    description: 'There are at least as many iterations as experiments.',
    sql: `
      SELECT results, iterations
      FROM (SELECT count(*) AS results FROM vqe_results)
      CROSS JOIN (SELECT count(*) AS iterations FROM vqe_iterations)
      WHERE iterations < results`,
  },
  iteration_features_complete: {
    severity: 'blocking',
    description: 'Every iteration has exactly one row of features: no join lost or doubled any.',
    sql: `
      SELECT iterations, features
      FROM (SELECT count(*) AS iterations FROM vqe_iterations)
      CROSS JOIN (SELECT count(*) AS features FROM ml_iteration_features)
      WHERE features <> iterations`,
  },
  run_summary_complete: {
    severity: 'blocking',
    description: 'Every experiment has exactly one summary.',
    sql: `
      SELECT results, summaries
      FROM (SELECT count(*) AS results FROM vqe_results)
      CROSS JOIN (SELECT count(*) AS summaries FROM ml_run_summary)
      WHERE summaries <> results`,
  },
  energies_finite: {
    severity: 'blocking',
    description: 'Every energy is a finite number.',
    sql: `
      SELECT iteration_id AS id, iteration_energy AS energy FROM vqe_iterations
      WHERE isfinite(iteration_energy) IS NOT TRUE
      UNION ALL
      SELECT experiment_id AS id, minimum_energy AS energy FROM vqe_results
      WHERE isfinite(minimum_energy) IS NOT TRUE`,
  },
  minimum_is_least_energy: {
    severity: 'warning',
    description: 'The reported minimum is the least energy of the iterations, within 1e-9 Ha.',
    sql: `
      SELECT r.experiment_id, r.minimum_energy, min(i.iteration_energy) AS least_energy
      FROM vqe_results r
      JOIN vqe_iterations i ON i.experiment_id = r.experiment_id
      GROUP BY r.experiment_id, r.minimum_energy
      HAVING abs(r.minimum_energy - min(i.iteration_energy)) > 1e-9`,
  },
  converged: {
    severity: 'warning',
    description: 'The optimizer said that it converged.',
    sql: 'SELECT experiment_id, optimizer, total_iterations FROM vqe_results WHERE NOT success',
  },
}
