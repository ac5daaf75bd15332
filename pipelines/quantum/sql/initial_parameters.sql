WITH positions AS (
  SELECT
    e._record_id AS experiment_id,
    e.molecule_id,
    e.basis_set,
    e.vqe_result.initial_data.backend AS backend,
    e.vqe_result.initial_data.num_qubits AS num_qubits,
    unnest(e.vqe_result.initial_data.initial_parameters) AS initial_parameter_value,
    CAST(unnest(range(len(e.vqe_result.initial_data.initial_parameters))) AS INTEGER) AS parameter_index
  FROM experiments e
)
SELECT
  p.experiment_id || '_init_' || p.parameter_index AS parameter_id,
  p.experiment_id,
  p.molecule_id,
  p.basis_set,
  p.backend,
  p.num_qubits,
  p.parameter_index,
  p.initial_parameter_value,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM positions p
CROSS JOIN batch b
