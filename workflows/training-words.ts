import type { LearningPoint, TrainedModel } from '../schemas/model-messages.js'

const HEADLINES = ['test/roc_auc', 'test/mae', 'test/log_loss', 'cv_auc_mean', 'cv_mae_mean'] as const

/** The metric that says most of a training, beside its baseline's. */
export function headline({ metrics, baseline, baselineName }: TrainedModel): string {
  const key = HEADLINES.find((candidate) => metrics[candidate] !== undefined)
  if (key === undefined) return 'measured'
  return `${key} ${figure(metrics[key])} (${baselineName} ${figure(baseline[key])})`
}

/** Where a training is. */
export function curveText(curve: readonly LearningPoint[]): string {
  const point = curve.at(-1)
  if (point === undefined) return 'no epoch yet'
  const validation = point.valLoss === undefined ? '' : `, on val ${point.valLoss.toPrecision(4)}`
  return `epoch ${point.epoch}, loss ${point.loss.toPrecision(4)}${validation}`
}

function figure(value: number | undefined): string {
  return value?.toFixed(3) ?? 'undefined'
}
