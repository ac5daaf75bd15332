import type { SeededDraws } from '../seeded-draws.js'

export const OPTIMIZERS = ['SLSQP', 'L-BFGS-B', 'COBYLA', 'Nelder-Mead', 'Powell'] as const
export type Optimizer = (typeof OPTIMIZERS)[number]

/** One evaluation of the energy; hartree. */
export interface Iteration {
  readonly iteration: number
  readonly parameters: readonly number[]
  readonly result: number
  readonly std: number
  /** Null on the first. */
  readonly energy_delta: number | null
  readonly parameter_delta_norm: number | null
  readonly cumulative_min_energy: number
}

interface Search {
  readonly optimizer: Optimizer
  /** Evaluations it may make. */
  readonly budget: number
  /** Evaluations that any run may make. */
  readonly mostEvaluations: number
  readonly initialParameters: readonly number[]
  readonly groundEnergy: number
  /** How far above the ground energy it begins. */
  readonly initialGap: number
  /** Deviation of one evaluation. */
  readonly noise: number
  /** Layers of the ansatz: more reach deeper. */
  readonly expressiveness: number
}

/**
 * How each optimizer goes: evaluations until its end as a multiple of the most there are, and whether it evaluates every
 * parameter's slope between two steps (`bySlopes`) or tries points that scatter around its way.
 */
const HABITS: Readonly<Record<Optimizer, { readonly needs: number; readonly bySlopes: boolean }>> = {
  SLSQP: { needs: 0.9, bySlopes: true },
  'L-BFGS-B': { needs: 1.2, bySlopes: true },
  COBYLA: { needs: 0.6, bySlopes: false },
  'Nelder-Mead': { needs: 1.5, bySlopes: false },
  Powell: { needs: 0.9, bySlopes: false },
}
/** Step of a numerical slope, √ε. */
const SLOPE_STEP = 1.4901161193847656e-8
/** Converged where so much of the way is left (natural logarithm). */
const END = 5

/**
 * A search on its way down: the distance to its end, in parameters and in energy, falls exponentially with the steps. It
 * converges where its budget reaches the end; deltas and minima are those of the numbers in the list.
 */
export function drawTrajectory(
  draws: SeededDraws,
  search: Search,
): {
  readonly iterations: readonly Iteration[]
  readonly minimum: number
  readonly optimalParameters: readonly number[]
  readonly converged: boolean
  readonly steps: number
} {
  const { budget, initialParameters: start } = search
  const { needs, bySlopes } = HABITS[search.optimizer]
  const evaluationsPerStep = bySlopes ? start.length + 1 : 1
  const farther = Math.sqrt(search.initialGap) * Math.exp(0.5 * draws.normal())
  const needed = Math.max(1, Math.round(search.mostEvaluations * needs * farther))
  const stepLength = END / Math.max(1, needed / evaluationsPerStep)
  const target = start.map((value) => value + draws.normal() * (bySlopes ? 0.6 : 0.8))
  const stuckAbove = draws.uniform() < 0.4 / search.expressiveness ? draws.between(0.01, 0.4) : 0.001
  const end = search.groundEnergy + stuckAbove
  const path = { start, target, end, stepLength, evaluationsPerStep, bySlopes }
  const iterations: Iteration[] = []
  let best: Iteration | undefined
  for (let i = 0; i < Math.min(needed, budget); i++) {
    const next = evaluate(draws, search, { ...path, i, before: iterations.at(-1), best })
    iterations.push(next)
    if (best === undefined || next.result < best.result) best = next
  }
  return {
    iterations,
    minimum: best?.result ?? end,
    optimalParameters: best?.parameters ?? start,
    converged: needed <= budget,
    steps: Math.ceil(iterations.length / evaluationsPerStep),
  }
}

function evaluate(
  draws: SeededDraws,
  search: Search,
  at: {
    readonly start: readonly number[]
    readonly target: readonly number[]
    readonly end: number
    readonly stepLength: number
    readonly evaluationsPerStep: number
    readonly bySlopes: boolean
    readonly i: number
    readonly before: Iteration | undefined
    readonly best: Iteration | undefined
  },
): Iteration {
  const { start, target, i, before, best } = at
  const left = Math.exp(-Math.floor(i / at.evaluationsPerStep) * at.stepLength)
  const scatter = at.bySlopes || i === 0 ? 0 : 0.15 * left + 0.002
  const probed = at.bySlopes ? (i % at.evaluationsPerStep) - 1 : -1
  const parameters = start.map((from, p) => {
    const goal = target[p] ?? from
    const slope = p === probed ? SLOPE_STEP : 0
    if (i === 0) return from
    return goal + (from - goal) * left + slope + (scatter === 0 ? 0 : scatter * draws.normal())
  })
  const uphill =
    scatter * search.initialGap * Math.abs(draws.normal()) + (probed < 0 ? 0 : 1e-9 * draws.normal())
  const result = at.end + search.initialGap * left + uphill + search.noise * draws.normal()
  return {
    iteration: i + 1,
    parameters,
    result,
    std: search.noise,
    energy_delta: before === undefined ? null : result - before.result,
    parameter_delta_norm: before === undefined ? null : distance(parameters, before.parameters),
    cumulative_min_energy: Math.min(result, best?.result ?? result),
  }
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] ?? 0)) ** 2, 0))
}
