import { createHash } from 'node:crypto'

/**
 * An independent computation of the quantum pipeline's eleven tables: plain loops over the documents, written from the
 * specification of the columns and sharing nothing with the pipeline's SQL. Values are as the engine's rows have them:
 * timestamps bigint µs, dates days since 1970.
 */

export type OracleValue = null | boolean | number | bigint | string | readonly OracleValue[]
export type OracleRow = Record<string, OracleValue>

export interface OracleBatch {
  readonly batchId: string
  readonly pipeline: string
  readonly timestampUs: bigint
  readonly date: number
}

/** A document as its text says; whatever a producer may leave out is optional here. */
interface Run {
  readonly vqe_result: {
    readonly initial_data: {
      readonly backend: string
      readonly num_qubits: number
      readonly hamiltonian: readonly {
        readonly label: string
        readonly coefficients: { readonly real: number; readonly imaginary: number }
      }[]
      readonly initial_parameters: readonly number[]
      readonly optimizer: string
      readonly ansatz: string
      readonly noise_backend: string
      readonly default_shots?: number | null
      readonly ansatz_reps: number
      readonly init_strategy?: string | null
      readonly seed?: number | null
      readonly ansatz_name?: string | null
    }
    readonly iteration_list: readonly Iteration[]
    readonly minimum: number
    readonly optimal_parameters: readonly number[]
    readonly maxcv?: number | null
    readonly minimization_time: number
    readonly nuclear_repulsion_energy?: number | null
    readonly success?: boolean | null
    readonly nfev?: number | null
    readonly nit?: number | null
  }
  readonly molecule: {
    readonly molecule_data: {
      readonly symbols: readonly string[]
      readonly coords: readonly (readonly number[])[]
      readonly multiplicity: number
      readonly charge: number
      readonly units: string
      readonly masses: readonly number[]
    }
  }
  readonly basis_set: string
  readonly hamiltonian_time: number
  readonly mapping_time: number
  readonly vqe_time: number
  readonly total_time: number
  readonly molecule_id: number
}

interface Iteration {
  readonly iteration: number
  readonly parameters: readonly number[]
  readonly result: number
  readonly std: number
  readonly energy_delta?: number | null
  readonly parameter_delta_norm?: number | null
  readonly cumulative_min_energy?: number | null
}

/** Experiment id of a document: SHA-256 of the canonical JSON of molecule data, basis set and initial data. */
export function experimentId(text: string): string {
  const run = JSON.parse(text) as Run
  const identity = [run.molecule.molecule_data, run.basis_set, run.vqe_result.initial_data]
  return createHash('sha256').update(canonicalJson(identity), 'utf8').digest('hex')
}

/** RFC 8785: members in order of their names' UTF-16 code units, numbers and strings as ECMAScript writes them. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** Rows of the tables (all by default) for one batch, in key order; of documents with one identity the first counts. */
export function oracleTables(
  texts: readonly string[],
  batch: OracleBatch,
  names: readonly string[] = Object.keys(TABLES),
): Readonly<Record<string, readonly OracleRow[]>> {
  const runs = new Map<string, Run>()
  for (const text of texts) {
    const id = experimentId(text)
    if (!runs.has(id)) runs.set(id, JSON.parse(text) as Run)
  }
  const processed = {
    processing_timestamp: batch.timestampUs,
    processing_date: batch.date,
    processing_batch_id: batch.batchId,
    processing_name: batch.pipeline,
  }
  const tables: Record<string, OracleRow[]> = {}
  for (const table of names) {
    const { rows, key } = TABLES[table]!
    // Every key begins with the experiment's id, so ordering the experiments and then each one's rows orders the table.
    tables[table] = [...runs.keys()].sort().flatMap((id) => {
      const own = rows(id, runs.get(id)!).sort((a, b) => compareKeys(a, b, key))
      for (const row of own) Object.assign(row, processed)
      return own
    })
  }
  return tables
}

interface OracleTable {
  readonly key: readonly string[]
  readonly rows: (id: string, run: Run) => OracleRow[]
}

const TABLES: Readonly<Record<string, OracleTable>> = {
  molecules: { key: ['experiment_id', 'molecule_id'], rows: (id, run) => [moleculeRow(id, run)] },
  ansatz_info: { key: ['experiment_id', 'molecule_id'], rows: (id, run) => [ansatzRow(id, run)] },
  performance_metrics: { key: ['experiment_id'], rows: (id, run) => [metricsRow(id, run)] },
  vqe_results: { key: ['experiment_id'], rows: (id, run) => [resultRow(id, run)] },
  initial_parameters: {
    key: ['parameter_id'],
    rows: (id, run) =>
      run.vqe_result.initial_data.initial_parameters.map((value, index) => ({
        parameter_id: `${id}_init_${index}`,
        ...experiment(id, run),
        ...circuit(run),
        parameter_index: index,
        initial_parameter_value: value,
      })),
  },
  optimal_parameters: {
    key: ['parameter_id'],
    rows: (id, run) =>
      run.vqe_result.optimal_parameters.map((value, index) => ({
        parameter_id: `${id}_opt_${index}`,
        ...experiment(id, run),
        ...circuit(run),
        parameter_index: index,
        optimal_parameter_value: value,
      })),
  },
  vqe_iterations: {
    key: ['iteration_id'],
    rows: (id, run) =>
      run.vqe_result.iteration_list.map((step) => ({
        iteration_id: `${id}_iter_${step.iteration}`,
        ...experiment(id, run),
        ...circuit(run),
        iteration_step: step.iteration,
        iteration_energy: step.result,
        energy_std_dev: step.std,
        energy_delta: step.energy_delta ?? null,
        parameter_delta_norm: step.parameter_delta_norm ?? null,
        cumulative_min_energy: step.cumulative_min_energy ?? null,
      })),
  },
  iteration_parameters: {
    key: ['parameter_id'],
    rows: (id, run) =>
      run.vqe_result.iteration_list.flatMap((step) =>
        step.parameters.map((value, index) => ({
          parameter_id: `${id}_iter_${step.iteration}_param_${index}`,
          ...experiment(id, run),
          iteration_id: `${id}_iter_${step.iteration}`,
          iteration_step: step.iteration,
          ...circuit(run),
          parameter_index: index,
          parameter_value: value,
        })),
      ),
  },
  hamiltonian_terms: {
    key: ['term_id'],
    rows: (id, run) =>
      run.vqe_result.initial_data.hamiltonian.map((term, index) => ({
        term_id: `${id}_term_${index}`,
        ...experiment(id, run),
        backend: run.vqe_result.initial_data.backend,
        term_index: index,
        term_label: term.label,
        coeff_real: term.coefficients.real,
        coeff_imag: term.coefficients.imaginary,
      })),
  },
  ml_iteration_features: { key: ['experiment_id', 'iteration_step'], rows: iterationFeatures },
  ml_run_summary: { key: ['experiment_id'], rows: (id, run) => [runSummary(id, run)] },
}

const experiment = (id: string, run: Run) => ({
  experiment_id: id,
  molecule_id: run.molecule_id,
  basis_set: run.basis_set,
})

const circuit = (run: Run) => ({
  backend: run.vqe_result.initial_data.backend,
  num_qubits: run.vqe_result.initial_data.num_qubits,
})

const ansatzName = (run: Run) => run.vqe_result.initial_data.ansatz_name ?? 'EfficientSU2'
const initStrategy = (run: Run) => run.vqe_result.initial_data.init_strategy ?? 'random'

function moleculeRow(id: string, run: Run): OracleRow {
  const molecule = run.molecule.molecule_data
  return {
    ...experiment(id, run),
    atom_symbols: molecule.symbols,
    molecule_name: molecule.symbols.join(''),
    coordinates: molecule.coords,
    multiplicity: molecule.multiplicity,
    charge: molecule.charge,
    coordinate_units: molecule.units,
    atomic_masses: molecule.masses,
  }
}

function ansatzRow(id: string, run: Run): OracleRow {
  return {
    ...experiment(id, run),
    ansatz: run.vqe_result.initial_data.ansatz,
    ansatz_reps: run.vqe_result.initial_data.ansatz_reps,
    ansatz_name: ansatzName(run),
    init_strategy: initStrategy(run),
  }
}

function metricsRow(id: string, run: Run): OracleRow {
  return {
    ...experiment(id, run),
    hamiltonian_time: run.hamiltonian_time,
    mapping_time: run.mapping_time,
    vqe_time: run.vqe_time,
    total_time: run.total_time,
    minimization_time: run.vqe_result.minimization_time,
    computed_total_time: run.hamiltonian_time + run.mapping_time + run.vqe_time,
  }
}

function resultRow(id: string, run: Run): OracleRow {
  const { initial_data: start, ...result } = run.vqe_result
  return {
    ...experiment(id, run),
    ...circuit(run),
    optimizer: start.optimizer,
    noise_backend: start.noise_backend,
    default_shots: start.default_shots ?? null,
    ansatz_reps: start.ansatz_reps,
    ansatz_name: ansatzName(run),
    init_strategy: initStrategy(run),
    seed: start.seed ?? null,
    minimum_energy: result.minimum,
    maxcv: result.maxcv ?? null,
    nuclear_repulsion_energy: result.nuclear_repulsion_energy ?? null,
    success: result.success ?? null,
    nfev: result.nfev ?? null,
    nit: result.nit ?? null,
    total_iterations: result.iteration_list.length,
  }
}

/** What both tables for models say about the run as a whole. */
function runContext(id: string, run: Run): OracleRow {
  const start = run.vqe_result.initial_data
  return {
    experiment_id: id,
    molecule_name: run.molecule.molecule_data.symbols.join(''),
    num_atoms: run.molecule.molecule_data.symbols.length,
    num_qubits: start.num_qubits,
    charge: run.molecule.molecule_data.charge,
    multiplicity: run.molecule.molecule_data.multiplicity,
    basis_set: run.basis_set,
    optimizer: start.optimizer,
    ansatz_type: ansatzName(run),
    ansatz_reps: start.ansatz_reps,
    init_strategy: initStrategy(run),
    seed: start.seed ?? null,
    default_shots: start.default_shots ?? null,
    total_iterations: run.vqe_result.iteration_list.length,
    final_energy: run.vqe_result.minimum,
    converged: run.vqe_result.success ?? null,
    convergence_iteration: convergenceIteration(run),
    vqe_time: run.vqe_time,
    total_time: run.total_time,
  }
}

/** For each iteration in the order of its step: did the least energy so far fall, and how long ago did it last? */
function progress(run: Run): { readonly step: Iteration; readonly isNew: boolean; readonly since: number }[] {
  const steps = [...run.vqe_result.iteration_list].sort((a, b) => a.iteration - b.iteration)
  let since = 0
  return steps.map((step, i) => {
    const before = steps[i - 1]?.cumulative_min_energy ?? null
    const now = step.cumulative_min_energy ?? null
    const isNew = i === 0 || (now !== null && before !== null && now < before)
    since = isNew ? 0 : since + 1
    return { step, isNew, since }
  })
}

function convergenceIteration(run: Run): number | null {
  const minima = progress(run).filter((p) => p.isNew)
  return minima.at(-1)?.step.iteration ?? null
}

function iterationFeatures(id: string, run: Run): OracleRow[] {
  const steps = progress(run)
  const context = runContext(id, run)
  let moved: number | null = null
  return steps.map(({ step, isNew, since }, i) => {
    const lastFive = steps.slice(Math.max(0, i - 4), i + 1).map((p) => p.step.result)
    const least = step.cumulative_min_energy ?? null
    const norm = step.parameter_delta_norm ?? null
    if (norm !== null) moved = (moved ?? 0) + norm
    return {
      ...context,
      iteration_step: step.iteration,
      energy: step.result,
      energy_std: step.std,
      energy_delta: step.energy_delta ?? null,
      parameter_delta_norm: norm,
      cumulative_min_energy: least,
      is_new_minimum: isNew,
      steps_since_improvement: since,
      energy_moving_avg_5: mean(lastFive),
      energy_moving_std_5: deviation(lastFive),
      relative_iteration: step.iteration / steps.length,
      energy_improvement_rate: least === null ? null : (steps[0]!.step.result - least) / step.iteration,
      normalized_energy: least === null ? null : least === 0 ? 0 : (step.result - least) / Math.abs(least),
      mean_param_change: moved === null ? null : moved / step.iteration,
    }
  })
}

function runSummary(id: string, run: Run): OracleRow {
  const steps = progress(run)
  const count = steps.length
  const energies = steps.map((p) => p.step.result)
  const deltas = present(steps.map((p) => p.step.energy_delta))
  const norms = present(steps.map((p) => p.step.parameter_delta_norm))
  const minima = steps.filter((p) => p.isNew).length
  const least = energies.reduce((a, b) => Math.min(a, b), Infinity)
  const most = energies.reduce((a, b) => Math.max(a, b), -Infinity)
  const orNull = (value: number) => (count === 0 ? null : value)
  return {
    ...runContext(id, run),
    mean_energy_delta: mean(deltas),
    std_energy_delta: deviation(deltas),
    min_energy: orNull(least),
    max_energy: orNull(most),
    energy_range: orNull(most - least),
    mean_param_delta_norm: mean(norms),
    std_param_delta_norm: deviation(norms),
    total_param_distance: norms.length === 0 ? null : sum(norms),
    num_new_minima: minima,
    longest_plateau: orNull(steps.reduce((longest, p) => Math.max(longest, p.since), 0)),
    improvement_ratio: orNull(minima / count),
    first_10_mean_energy: mean(energies.slice(0, 10)),
    first_10_energy_slope: slope(steps.slice(0, 10).map((p) => [p.step.iteration, p.step.result])),
    last_10_mean_energy: mean(energies.slice(-10)),
    time_per_iteration: orNull(run.vqe_time / count),
  }
}

const present = (values: readonly (number | null | undefined)[]) =>
  values.filter((value): value is number => value !== null && value !== undefined)

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

const mean = (values: readonly number[]) => (values.length === 0 ? null : sum(values) / values.length)

/** Sample standard deviation by its definition, in two passes; null for fewer than two values. */
function deviation(values: readonly number[]): number | null {
  if (values.length < 2) return null
  const middle = sum(values) / values.length
  return Math.sqrt(sum(values.map((value) => (value - middle) ** 2)) / (values.length - 1))
}

/** Slope of the least-squares line through (x, y) points; null where the points don't determine one. */
function slope(points: readonly (readonly [number, number])[]): number | null {
  if (points.length < 2) return null
  const xMean = sum(points.map(([x]) => x)) / points.length
  const yMean = sum(points.map(([, y]) => y)) / points.length
  const covariance = sum(points.map(([x, y]) => (x - xMean) * (y - yMean)))
  return covariance / sum(points.map(([x]) => (x - xMean) ** 2))
}

function compareKeys(a: OracleRow, b: OracleRow, key: readonly string[]): number {
  for (const column of key) {
    const [x, y] = [a[column]!, b[column]!]
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}
