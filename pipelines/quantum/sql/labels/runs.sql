-- What became of each run that took at least k iterations.
SELECT
  r.experiment_id,
  r.processing_timestamp,
  r.processing_batch_id,
  m.molecule_name,
  r.success AS converged,
  r.minimum_energy AS final_energy
FROM vqe_results r
JOIN molecules m ON m.experiment_id = r.experiment_id
CROSS JOIN parameters p
WHERE r.total_iterations >= p.k
ORDER BY r.experiment_id
