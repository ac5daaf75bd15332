import type { FeatureRow } from '../datasets/dataset.js'

/** How rows become the network's inputs: fitted on training rows only and stored with the model. */
export interface Preprocessing {
  readonly numeric: readonly NumericColumn[]
  readonly categorical: readonly CategoricalColumn[]
}

/** Nulls become the median; then standardised, and cut off at ±`CLIP` deviations. */
export interface NumericColumn {
  readonly name: string
  readonly median: number
  readonly mean: number
  readonly deviation: number
}

/** One input a category seen in training; null and unseen ones are zero in all of them. */
export interface CategoricalColumn {
  readonly name: string
  readonly categories: readonly string[]
}

/** A held-out group may lie far outside the training rows; without a bound one feature would decide alone. */
const CLIP = 5

export function fitPreprocessing(
  names: { readonly numeric: readonly string[]; readonly categorical: readonly string[] },
  rows: readonly FeatureRow[],
): Preprocessing {
  return {
    numeric: names.numeric.map((name, column) =>
      fitNumeric(
        name,
        rows.map((row) => row.numeric[column] ?? null),
      ),
    ),
    categorical: names.categorical.map((name, column) => ({
      name,
      categories: [...new Set(rows.flatMap((row) => row.categorical[column] ?? []))].sort(),
    })),
  }
}

export function inputWidth({ numeric, categorical }: Preprocessing): number {
  return numeric.length + categorical.reduce((sum, column) => sum + column.categories.length, 0)
}

/** Row-major inputs of shape [rows, `inputWidth`]. */
export function toInputs(preprocessing: Preprocessing, rows: readonly FeatureRow[]): Float32Array {
  const width = inputWidth(preprocessing)
  const inputs = new Float32Array(rows.length * width)
  rows.forEach((row, index) => {
    let at = index * width
    preprocessing.numeric.forEach(({ median, mean, deviation }, column) => {
      const scaled = ((row.numeric[column] ?? median) - mean) / deviation
      inputs[at++] = Math.min(Math.max(scaled, -CLIP), CLIP)
    })
    preprocessing.categorical.forEach(({ categories }, column) => {
      for (const category of categories) inputs[at++] = row.categorical[column] === category ? 1 : 0
    })
  })
  return inputs
}

function fitNumeric(name: string, values: readonly (number | null)[]): NumericColumn {
  const median = medianOf(values.filter((value) => value !== null))
  const filled = values.map((value) => value ?? median)
  const count = Math.max(filled.length, 1)
  const mean = filled.reduce((sum, value) => sum + value, 0) / count
  const variance = filled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count
  // A column that never varies carries nothing; dividing by 1 keeps it at zero.
  return { name, median, mean, deviation: Math.sqrt(variance) || 1 }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const upper = sorted[half] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2
}
