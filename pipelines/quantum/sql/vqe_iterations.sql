WITH iterations AS (
  SELECT
    e._record_id AS experiment_id,
    e.molecule_id,
    e.basis_set,
    e.vqe_result.initial_data.backend AS backend,
    e.vqe_result.initial_data.num_qubits AS num_qubits,
    unnest(e.vqe_result.iteration_list) AS step
  FROM experiments e
)
SELECT
  i.experiment_id || '_iter_' || i.step.iteration AS iteration_id,
  i.experiment_id,
  i.molecule_id,
  i.basis_set,
  i.backend,
  i.num_qubits,
  i.step.iteration AS iteration_step,
  i.step.result AS iteration_energy,
  i.step.std AS energy_std_dev,
  i.step.energy_delta,
  i.step.parameter_delta_norm,
  i.step.cumulative_min_energy,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM iterations i
CROSS JOIN batch b
