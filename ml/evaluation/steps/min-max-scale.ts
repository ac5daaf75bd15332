import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import { presentValues } from './central-value.js'
import {
  byName,
  chosenColumns,
  mapColumns,
  mapNumbers,
  numbersOf,
  type Fitting,
  type Frame,
} from './frame.js'

/** To [0, 1] by the least and largest, cut off there; a column that never varies is 0; missing values stay missing. */
export interface MinMaxScaleParameters {
  readonly columns: readonly { readonly name: string; readonly min: number; readonly max: number }[]
}

export function fitMinMaxScale(
  step: Extract<PreprocessingStep, { step: 'min-max-scale' }>,
  { frame }: Fitting,
): MinMaxScaleParameters {
  const columns = chosenColumns(frame, step, ['number']).map((name) => {
    const values = presentValues(numbersOf(frame, name))
    if (values.length === 0) return { name, min: 0, max: 0 }
    // 0 + x: −0 would not survive JSON.
    const min = 0 + values.reduce((least, value) => Math.min(least, value), Infinity)
    const max = 0 + values.reduce((most, value) => Math.max(most, value), -Infinity)
    return { name, min, max }
  })
  return { columns }
}

export function applyMinMaxScale({ columns }: MinMaxScaleParameters, frame: Frame): Frame {
  return mapColumns(frame, byName(columns), (column, { min, max }) => [
    mapNumbers(column, (value) => {
      if (Number.isNaN(value)) return value
      if (min === max) return 0
      // Halved: the difference of two large numbers of unlike sign would be infinite.
      return (Math.min(Math.max(value, min), max) / 2 - min / 2) / (max / 2 - min / 2)
    }),
  ])
}
