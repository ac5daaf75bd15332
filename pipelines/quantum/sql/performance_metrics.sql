SELECT
  e._record_id AS experiment_id,
  e.molecule_id,
  e.basis_set,
  e.hamiltonian_time,
  e.mapping_time,
  e.vqe_time,
  e.total_time,
  e.vqe_result.minimization_time,
  e.hamiltonian_time + e.mapping_time + e.vqe_time AS computed_total_time,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM experiments e
CROSS JOIN batch b
