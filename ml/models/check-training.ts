import { FirnError } from '../../schemas/error.js'
import type { TrainingInputs } from './estimator.js'

/** What a parameter may be; `above` excludes the bound itself. */
export interface Bounds {
  readonly least?: number
  readonly above?: number
  readonly most?: number
  readonly whole?: boolean
}

/** Fails with `invalid-input` on parameters that no fit can use; absent ones take their defaults. */
export function checkParameters(definition: object, bounds: Readonly<Record<string, Bounds>>): void {
  const kind = 'kind' in definition ? String(definition.kind) : 'estimator'
  const given: Readonly<Record<string, unknown>> = { ...definition }
  for (const [name, bound] of Object.entries(bounds)) {
    const value = given[name]
    if (value === undefined || isWithin(value, bound)) continue
    throw new FirnError(
      'invalid-input',
      `${kind}: \`${name}\` is ${JSON.stringify(value)}, but must be ${wordsOf(bound)}. Correct it where it is said: by --parameter, in the model's estimators or in its search.`,
      { context: { kind, parameter: name } },
    )
  }
}

/** Fails with `invalid-input` on data that no fit can use. `missing`: whether inputs may be NaN. */
export function checkTraining(kind: string, train: TrainingInputs, missing: 'allowed' | 'refused'): void {
  const fail = (what: string) => {
    throw new FirnError('invalid-input', `${kind} cannot be trained: ${what}.`, { context: { kind } })
  }
  if (train.rows === 0)
    fail('there are no training rows; look at the split and at how many labels are mature')
  const label = train.y.findIndex((value) => !Number.isFinite(value))
  if (label >= 0) fail(`the label of row ${label} is ${train.y[label]}; leave rows without a label out`)
  if (train.weights?.every((weight) => weight === 0) === true) fail('all weights are 0')
  const weight = train.weights?.findIndex((value) => !(value >= 0 && value < Infinity)) ?? -1
  if (weight >= 0) fail(`the weight of row ${weight} is ${train.weights?.[weight]}`)
  if (missing === 'allowed') return
  const cell = train.x.findIndex((value) => !Number.isFinite(value))
  const column = train.columns[cell % train.columns.length]
  if (cell >= 0) {
    fail(
      `row ${Math.floor(cell / train.columns.length)} has no value in "${column}"; add the step \`impute\``,
    )
  }
}

function isWithin(value: unknown, { least, above, most, whole }: Bounds): boolean {
  return (
    typeof value === 'number' &&
    !Number.isNaN(value) &&
    (least === undefined || value >= least) &&
    (above === undefined || value > above) &&
    (most === undefined || value <= most) &&
    (whole !== true || Number.isInteger(value))
  )
}

function wordsOf({ least, above, most, whole }: Bounds): string {
  const words = [
    whole === true ? 'a whole number' : 'a number',
    least !== undefined && `of ${least} or more`,
    above !== undefined && `above ${above}`,
    most !== undefined && `of ${most} or less`,
  ]
  return words.filter((word) => word !== false).join(', ')
}
