import { FirnError } from '../../../schemas/error.js'
import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import { meanOf, presentValues } from './central-value.js'
import {
  byName,
  chosenColumns,
  mapColumns,
  mapNumbers,
  numbersOf,
  type Fitting,
  type Frame,
} from './frame.js'

/** (x − mean) / deviation (of the population), cut off at ± clip; missing values stay missing. */
export interface StandardScaleParameters {
  readonly clip: number
  readonly columns: readonly { readonly name: string; readonly mean: number; readonly deviation: number }[]
}

/** A held-out group may lie far outside the training rows; without a bound one feature would decide alone. */
const DEFAULT_CLIP = 5

export function fitStandardScale(
  step: Extract<PreprocessingStep, { step: 'standard-scale' }>,
  { frame }: Fitting,
): StandardScaleParameters {
  return {
    clip: step.clip ?? DEFAULT_CLIP,
    columns: chosenColumns(frame, step, ['number']).map((name) => ({
      name,
      ...scaleOf(name, presentValues(numbersOf(frame, name))),
    })),
  }
}

export function applyStandardScale({ clip, columns }: StandardScaleParameters, frame: Frame): Frame {
  return mapColumns(frame, byName(columns), (column, { mean, deviation }) => [
    mapNumbers(column, (value) => Math.min(Math.max((value - mean) / deviation, -clip), clip)),
  ])
}

function scaleOf(name: string, values: Float64Array): { readonly mean: number; readonly deviation: number } {
  const mean = meanOf(values)
  const variance = meanOf(values.map((value) => (value - mean) ** 2))
  if (!Number.isFinite(variance)) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    throw new FirnError(
      'training-failed',
      `column ${name} has values up to ${largest}, too large to scale. Divide it in its view's SQL, or leave it out.`,
    )
  }
  // A column that never varies carries nothing, but the mean's rounding would look like a spread: 1 keeps it near zero.
  const rounding = values.length * Number.EPSILON
  const constant = variance <= rounding * variance + (rounding * mean) ** 2
  return { mean, deviation: constant ? 1 : Math.sqrt(variance) }
}
