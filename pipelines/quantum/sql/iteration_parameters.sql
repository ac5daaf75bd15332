WITH iterations AS (
  SELECT
    e._record_id AS experiment_id,
    e.molecule_id,
    e.basis_set,
    e.vqe_result.initial_data.backend AS backend,
    e.vqe_result.initial_data.num_qubits AS num_qubits,
    unnest(e.vqe_result.iteration_list) AS step
  FROM experiments e
),
positions AS (
  SELECT
    i.experiment_id || '_iter_' || i.step.iteration AS iteration_id,
    i.experiment_id,
    i.step.iteration AS iteration_step,
    i.molecule_id,
    i.basis_set,
    i.backend,
    i.num_qubits,
    unnest(i.step.parameters) AS parameter_value,
    CAST(unnest(range(len(i.step.parameters))) AS INTEGER) AS parameter_index
  FROM iterations i
)
SELECT
  p.iteration_id || '_param_' || p.parameter_index AS parameter_id,
  p.experiment_id,
  p.iteration_id,
  p.iteration_step,
  p.molecule_id,
  p.basis_set,
  p.backend,
  p.num_qubits,
  p.parameter_index,
  p.parameter_value,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM positions p
CROSS JOIN batch b
