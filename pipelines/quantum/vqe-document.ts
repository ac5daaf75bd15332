import type { DocumentSchema } from '../../index.js'

/** One VQE run as its producer publishes it. Energies in hartree, times in seconds; `?`: older producers leave it out. */
export const vqeDocument: DocumentSchema = {
  vqe_result: struct({
    initial_data: struct({
      backend: 'string',
      num_qubits: 'int',
      hamiltonian: list(
        struct({ label: 'string', coefficients: struct({ real: 'double', imaginary: 'double' }) }),
      ),
      num_parameters: 'int',
      initial_parameters: 'list<double>',
      optimizer: 'string',
      ansatz: 'string',
      noise_backend: 'string',
      'default_shots?': 'int',
      ansatz_reps: 'int',
      'init_strategy?': 'string',
      'seed?': 'int',
      'ansatz_name?': 'string',
      exact_estimator: 'boolean',
    }),
    iteration_list: list(
      struct({
        iteration: 'int',
        parameters: 'list<double>',
        result: 'double',
        std: 'double',
        'energy_delta?': 'double',
        'parameter_delta_norm?': 'double',
        'cumulative_min_energy?': 'double',
      }),
    ),
    minimum: 'double',
    optimal_parameters: 'list<double>',
    'maxcv?': 'double',
    minimization_time: 'double',
    'nuclear_repulsion_energy?': 'double',
    'success?': 'boolean',
    'nfev?': 'int',
    'nit?': 'int',
  }),
  molecule: struct({
    molecule_data: struct({
      symbols: 'list<string>',
      coords: 'list<list<double>>',
      multiplicity: 'int',
      charge: 'int',
      units: 'string',
      masses: 'list<double>',
    }),
  }),
  basis_set: 'string',
  hamiltonian_time: 'double',
  mapping_time: 'double',
  vqe_time: 'double',
  total_time: 'double',
  molecule_id: 'int',
}

function struct(fields: Readonly<Record<string, string>>): string {
  return `struct<${Object.entries(fields)
    .map(([name, type]) => `${name}: ${type}`)
    .join(', ')}>`
}

function list(element: string): string {
  return `list<${element}>`
}
