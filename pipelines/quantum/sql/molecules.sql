SELECT
  e._record_id AS experiment_id,
  e.molecule_id,
  e.basis_set,
  e.molecule.molecule_data.symbols AS atom_symbols,
  array_to_string(e.molecule.molecule_data.symbols, '') AS molecule_name,
  e.molecule.molecule_data.coords AS coordinates,
  e.molecule.molecule_data.multiplicity,
  e.molecule.molecule_data.charge,
  e.molecule.molecule_data.units AS coordinate_units,
  e.molecule.molecule_data.masses AS atomic_masses,
  b.processing_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id,
  b.pipeline AS processing_name
FROM experiments e
CROSS JOIN batch b
