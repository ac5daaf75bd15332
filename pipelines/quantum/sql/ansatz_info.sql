SELECT
  e._record_id AS experiment_id,
  e.molecule_id,
  e.basis_set,
  e.vqe_result.initial_data.ansatz,
  e.vqe_result.initial_data.ansatz_reps,
  coalesce(e.vqe_result.initial_data.ansatz_name, 'EfficientSU2') AS ansatz_name,
  coalesce(e.vqe_result.initial_data.init_strategy, 'random') AS init_strategy,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM experiments e
CROSS JOIN batch b
