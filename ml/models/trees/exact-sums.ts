import type { TrainingInputs } from '../estimator.js'

const GRID_BITS = 51

/**
 * Rounds every `stride`-th number from `start` on to multiples of one power of two, so coarse that any sum and difference
 * of them is exact in float64, and so fine that less is lost than in adding them up as they are. A histogram then neither
 * depends on the order of rows nor on whether it was counted or subtracted.
 */
export function roundForSums(values: Float64Array, start = 0, stride = 1): void {
  const total = roundedTotal(values, start, stride)
  const grid = gridOf(total)
  if (grid === undefined) return
  const shift = 1.5 * 2 ** 52 * grid
  for (let i = start; i < values.length; i += stride) values[i] = (values[i] ?? 0) + shift - shift
}

/** Sum that is the same for any order. */
export function exactSum(values: Float64Array): number {
  const rounded = values.slice()
  roundForSums(rounded)
  let sum = 0
  for (const value of rounded) sum += value
  return sum
}

/** By weight; the same for any order of rows. */
export function meanLabel({ y, weights }: TrainingInputs): number {
  if (weights === undefined) return exactSum(y) / y.length
  return exactSum(y.map((label, row) => label * (weights[row] ?? 0))) / exactSum(weights)
}

/** Sum of the absolute values, itself on a grid: the sum of the numbers as they are would depend on their order. */
function roundedTotal(values: Float64Array, start: number, stride: number): number {
  let [largest, count] = [0, 0]
  for (let i = start; i < values.length; i += stride) {
    largest = Math.max(largest, Math.abs(values[i] ?? 0))
    count += 1
  }
  const grid = gridOf(largest * count)
  if (grid === undefined) return 0
  const shift = 1.5 * 2 ** 52 * grid
  let total = 0
  for (let i = start; i < values.length; i += stride) total += Math.abs(values[i] ?? 0) + shift - shift
  return total
}

/** Undefined where there is nothing to round: sums of zeros, or none that float64 can hold. */
function gridOf(total: number): number | undefined {
  if (!(total > 1e-280 && total < 1e290)) return undefined
  let power = 1
  while (power < total) power *= 2
  while (power / 2 >= total) power /= 2
  return power / 2 ** GRID_BITS
}
