WITH positions AS (
  SELECT
    e._record_id AS experiment_id,
    e.molecule_id,
    e.basis_set,
    e.vqe_result.initial_data.backend AS backend,
    unnest(e.vqe_result.initial_data.hamiltonian) AS term,
    CAST(unnest(range(len(e.vqe_result.initial_data.hamiltonian))) AS INTEGER) AS term_index
  FROM experiments e
)
SELECT
  p.experiment_id || '_term_' || p.term_index AS term_id,
  p.experiment_id,
  p.molecule_id,
  p.basis_set,
  p.backend,
  p.term_index,
  p.term.label AS term_label,
  p.term.coefficients.real AS coeff_real,
  p.term.coefficients.imaginary AS coeff_imag,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM positions p
CROSS JOIN batch b
