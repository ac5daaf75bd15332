import { seededDraws, type SeededDraws } from '../seeded-draws.js'
import { efficientSu2 } from './efficient-su2.js'
import { simulatedMolecules, type HamiltonianTerm, type SimulatedMolecule } from './simulated-molecules.js'
import { drawTrajectory, OPTIMIZERS, type Iteration, type Optimizer } from './simulated-trajectory.js'

/** Stands in `backend` of every simulated run, so that no table mixes them up with real ones. */
export const SIMULATED_BACKEND = 'firn_simulated'

export interface RunOptions {
  readonly seed: number
  /** Most iterations of a run, at least 1; documents grow with it: 100 make about 50 kB. */
  readonly iterations: number
}

/** A run as its topic carries it; see vqe-document.ts. */
export interface SimulatedRun {
  readonly vqe_result: {
    readonly initial_data: InitialData
    readonly iteration_list: readonly Iteration[]
    readonly minimum: number
    readonly optimal_parameters: readonly number[]
    readonly maxcv: number | null
    readonly minimization_time: number
    readonly nuclear_repulsion_energy?: number
    readonly success: boolean
    readonly nfev: number
    readonly nit: number | null
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

interface InitialData {
  readonly backend: string
  readonly num_qubits: number
  readonly hamiltonian: readonly HamiltonianTerm[]
  readonly num_parameters: number
  readonly initial_parameters: readonly number[]
  readonly optimizer: Optimizer
  readonly ansatz: string
  readonly noise_backend: string
  readonly default_shots: number | null
  readonly ansatz_reps: number
  readonly init_strategy?: Start
  readonly seed?: number
  readonly ansatz_name?: string
  readonly exact_estimator: boolean
}

type Start = 'random' | 'hf' | 'small'

/** Share of the documents that older producers send, who leave out what they did not know yet. */
const OLD_PRODUCERS = 0.05

/** Simulated VQE runs without end, each of another experiment. */
export function* simulateRuns({ seed, iterations }: RunOptions): Generator<SimulatedRun> {
  const molecules = simulatedMolecules()
  for (let number = 0; ; number++) {
    const draws = seededDraws(seed, 'run', number)
    const molecule = molecules[draws.below(molecules.length)]
    if (molecule !== undefined) yield drawRun(draws, { molecule, iterations, runSeed: runSeed(seed, number) })
  }
}

/** `{counter}-{unix_nano}.json`: the runs follow each other by about 97 s, as those of the sample do. */
export function runFileName(
  options: { readonly seed: number; readonly startMs: number },
  number: number,
): string {
  const afterMs = 97_000 * number + seededDraws(options.seed, 'file', number).between(0, 90_000)
  const nanoseconds = BigInt(options.startMs) * 1_000_000n + BigInt(Math.floor(afterMs * 1e6))
  return `${String(number).padStart(5, '0')}-${nanoseconds}.json`
}

function drawRun(
  draws: SeededDraws,
  { molecule, iterations, runSeed }: { molecule: SimulatedMolecule; iterations: number; runSeed: number },
): SimulatedRun {
  const reps = 1 + draws.below(3)
  const start = draws.pick<Start>(['random', 'random', 'hf', 'small'])
  const shots = draws.pick([null, null, 1024, 4096])
  const optimizer = draws.pick(OPTIMIZERS)
  const ansatz = efficientSu2(molecule.qubits, reps)
  const initialParameters = Array.from({ length: ansatz.parameters }, () => startValue(start, draws))
  const budget = Math.max(1, draws.pick([iterations, iterations, Math.ceil(iterations / 2)]))
  const spread = { random: 1.2, small: 0.6, hf: 0.15 }[start]
  const trajectory = drawTrajectory(draws, {
    optimizer,
    budget,
    mostEvaluations: iterations,
    initialParameters,
    groundEnergy: molecule.groundEnergy,
    initialGap: spread * draws.between(0.5, 1.5),
    noise: shots === null ? 0 : 0.3 / Math.sqrt(shots),
    expressiveness: reps,
  })
  const old = draws.uniform() < OLD_PRODUCERS
  const initial: InitialData = {
    backend: SIMULATED_BACKEND,
    num_qubits: molecule.qubits,
    hamiltonian: molecule.hamiltonian,
    num_parameters: ansatz.parameters,
    initial_parameters: initialParameters,
    optimizer,
    ansatz: ansatz.qasm,
    noise_backend: shots === null ? 'undef' : 'simulated_shot_noise',
    default_shots: shots,
    ansatz_reps: reps,
    ...(old ? {} : { init_strategy: start, seed: runSeed, ansatz_name: 'EfficientSU2' }),
    exact_estimator: shots === null,
  }
  return toDocument({ draws, molecule, initial, trajectory, old })
}

function toDocument(run: {
  readonly draws: SeededDraws
  readonly molecule: SimulatedMolecule
  readonly initial: InitialData
  readonly trajectory: ReturnType<typeof drawTrajectory>
  readonly old: boolean
}): SimulatedRun {
  const { draws, molecule, initial, trajectory, old } = run
  const { symbols, coords, multiplicity, charge, masses } = molecule
  const evaluations = trajectory.iterations.length
  const vqeTime = evaluations * 0.0003 * 2 ** (molecule.qubits / 2) * draws.between(0.7, 1.6)
  const hamiltonianTime = draws.between(0.3, 1.2)
  const mappingTime = draws.between(0.02, 0.1)
  return {
    vqe_result: {
      initial_data: initial,
      iteration_list: trajectory.iterations,
      minimum: trajectory.minimum,
      optimal_parameters: trajectory.optimalParameters,
      maxcv: initial.optimizer === 'COBYLA' ? 0 : null,
      minimization_time: vqeTime,
      ...(old ? {} : { nuclear_repulsion_energy: molecule.nuclearRepulsion }),
      success: trajectory.converged,
      nfev: evaluations,
      nit: trajectory.converged ? trajectory.steps : null,
    },
    molecule: { molecule_data: { symbols, coords, multiplicity, charge, units: 'angstrom', masses } },
    basis_set: molecule.basisSet,
    hamiltonian_time: hamiltonianTime,
    mapping_time: mappingTime,
    vqe_time: vqeTime,
    total_time: hamiltonianTime + mappingTime + vqeTime,
    molecule_id: molecule.id,
  }
}

function startValue(start: Start, draws: SeededDraws): number {
  if (start === 'random') return draws.between(-Math.PI, Math.PI)
  return (start === 'hf' ? 0.01 : 0.1) * draws.normal()
}

/** Different for each of 2^31 runs: an odd factor permutes them. */
function runSeed(seed: number, number: number): number {
  return (Math.imul(number, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) & 0x7fffffff
}
