/** p = 1 / (1 + exp(−(slope · x + intercept))) */
export interface Sigmoid {
  readonly slope: number
  readonly intercept: number
}

const ITERATIONS_MAX = 100
const GRADIENT_MIN = 1e-10
/** Keeps the Hessian invertible, as libsvm does. */
const RIDGE = 1e-12

/**
 * Platt's scaling: logistic regression on one number, with targets drawn in from 0 and 1 so that separable rows have a
 * finite answer. Newton's method with backtracking (Lin, Lin and Weng 2007), in row order.
 */
export function fitSigmoid(x: Float64Array, labels: Float64Array): Sigmoid {
  const positives = labels.reduce((sum, label) => sum + label, 0)
  const [high, low] = [(positives + 1) / (positives + 2), 1 / (labels.length - positives + 2)]
  const targets = labels.map((label) => (label === 1 ? high : low))
  let at: Sigmoid = { slope: 0, intercept: Math.log((positives + 1) / (labels.length - positives + 1)) }
  let loss = lossAt(at, x, targets)
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration += 1) {
    const step = newtonStep(at, x, targets)
    if (step === undefined) return at
    const next = backtrack(at, step, { x, targets, loss })
    if (next === undefined) return at
    ;({ at, loss } = next)
  }
  return at
}

export function sigmoidAt({ slope, intercept }: Sigmoid, x: number): number {
  const z = slope * x + intercept
  // The larger exponential is never taken, so nothing overflows.
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z))
}

interface Step {
  readonly slope: number
  readonly intercept: number
  /** How fast the loss falls along it; negative. */
  readonly descent: number
}

function newtonStep(at: Sigmoid, x: Float64Array, targets: Float64Array): Step | undefined {
  let [gradientSlope, gradientIntercept] = [0, 0]
  let [slopeSlope, slopeIntercept, interceptIntercept] = [RIDGE, 0, RIDGE]
  x.forEach((value, row) => {
    const p = sigmoidAt(at, value)
    const [error, curvature] = [p - (targets[row] ?? 0), p * (1 - p)]
    gradientSlope += value * error
    gradientIntercept += error
    slopeSlope += value * value * curvature
    slopeIntercept += value * curvature
    interceptIntercept += curvature
  })
  if (Math.abs(gradientSlope) < GRADIENT_MIN && Math.abs(gradientIntercept) < GRADIENT_MIN) return undefined
  const determinant = slopeSlope * interceptIntercept - slopeIntercept * slopeIntercept
  const slope = -(interceptIntercept * gradientSlope - slopeIntercept * gradientIntercept) / determinant
  const intercept = -(slopeSlope * gradientIntercept - slopeIntercept * gradientSlope) / determinant
  const descent = gradientSlope * slope + gradientIntercept * intercept
  return descent < 0 ? { slope, intercept, descent } : undefined
}

/** The longest of 1, ½, ¼ … of the step that makes the loss fall; undefined: none does, so this is the least. */
function backtrack(
  at: Sigmoid,
  step: Step,
  on: { readonly x: Float64Array; readonly targets: Float64Array; readonly loss: number },
): { readonly at: Sigmoid; readonly loss: number } | undefined {
  for (let size = 1; size >= 1e-10; size /= 2) {
    const next = { slope: at.slope + size * step.slope, intercept: at.intercept + size * step.intercept }
    const loss = lossAt(next, on.x, on.targets)
    if (loss < on.loss + 1e-4 * size * step.descent) return { at: next, loss }
  }
  return undefined
}

function lossAt({ slope, intercept }: Sigmoid, x: Float64Array, targets: Float64Array): number {
  return x.reduce((sum, value, row) => {
    const z = slope * value + intercept
    const target = targets[row] ?? 0
    return (
      sum + (z >= 0 ? (1 - target) * z + Math.log1p(Math.exp(-z)) : -target * z + Math.log1p(Math.exp(z)))
    )
  }, 0)
}
