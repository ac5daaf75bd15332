import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import { meanOf, medianOf, presentValues } from './central-value.js'
import {
  byName,
  chosenColumns,
  mapColumns,
  mapNumbers,
  numbersOf,
  type Fitting,
  type Frame,
} from './frame.js'

/** What stands in for a missing number; 0 where a column has no value in training. */
export interface ImputeParameters {
  readonly columns: readonly { readonly name: string; readonly value: number }[]
}

export function fitImpute(
  step: Extract<PreprocessingStep, { step: 'impute' }>,
  { frame }: Fitting,
): ImputeParameters {
  const value = {
    median: (name: string) => medianOf(presentValues(numbersOf(frame, name))),
    mean: (name: string) => meanOf(presentValues(numbersOf(frame, name))),
    zero: () => 0,
  }[step.with]
  return { columns: chosenColumns(frame, step, ['number']).map((name) => ({ name, value: value(name) })) }
}

export function applyImpute({ columns }: ImputeParameters, frame: Frame): Frame {
  return mapColumns(frame, byName(columns), (column, { value }) => [
    mapNumbers(column, (number) => (Number.isNaN(number) ? value : number)),
  ])
}
