import type { ModelTask } from '../../schemas/model-definitions.js'

/** What the gate looks at; all three measured on the same rows. */
export interface Candidates {
  readonly metric: string
  readonly challenger: { readonly version: number; readonly value: number | undefined }
  readonly champion?: { readonly version: number; readonly value: number | undefined }
  readonly baseline: { readonly name: string; readonly value: number | undefined }
}

/** The metric that a gate goes by where the model names none. */
export function defaultGateMetric(task: ModelTask): string {
  return { 'binary-classification': 'roc_auc', 'multiclass-classification': 'log_loss', regression: 'mae' }[
    task
  ]
}

const LOWER_IS_BETTER = new Set(['log_loss', 'brier', 'mae', 'rmse'])

/** Each reason against promoting the challenger, in words; none: it is better than champion and baseline. */
export function decidePromotion(candidates: Candidates): readonly string[] {
  const { metric, challenger, champion, baseline } = candidates
  const version = `version ${challenger.version}`
  if (challenger.value === undefined) {
    return [
      `${metric} of ${version} is undefined on these rows: one class only, or none. Use a larger test split.`,
    ]
  }
  const better = (value: number, other: number): boolean =>
    LOWER_IS_BETTER.has(metric) ? value < other : value > other
  const loses = (name: string, value: number | undefined): readonly string[] => {
    if (value === undefined)
      return [`${metric} of ${name} is undefined on these rows, so it can't be compared`]
    if (challenger.value !== undefined && better(challenger.value, value)) return []
    return [`${metric} of ${version} is ${show(challenger.value)}, not better than ${show(value)} of ${name}`]
  }
  return [
    ...(champion === undefined || champion.version === challenger.version
      ? []
      : loses(`the champion, version ${champion.version}`, champion.value)),
    ...loses(`the baseline "${baseline.name}"`, baseline.value),
  ]
}

function show(value: number | undefined): string {
  return value === undefined ? 'undefined' : value.toPrecision(5)
}
